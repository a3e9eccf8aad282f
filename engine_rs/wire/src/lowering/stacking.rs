//! Stacking, limits and triggers.

use dealwright_core::model::{Exclusive, Limits, ShortBudget, Stacking, Trigger};
use dealwright_core::symbols::{Symbol, fold};

use super::Lowering;
use crate::diagnostics::{At, Code};
use crate::limits::{LIST_MAX, UNIT_GROUPS_MAX};
use crate::proto;
use crate::proto::trigger::Trigger as Kind;

/// Characters below which a code is guessed, or hit by a slip.
const CODE_CHARS: usize = 4;
/// Signs without width or ink that get into codes when they are copied.
const UNSEEN: [char; 6] = ['\u{00ad}', '\u{200b}', '\u{200c}', '\u{200d}', '\u{2060}', '\u{feff}'];

impl Lowering<'_> {
    /// Stacking that may be left out: then it lives with everything.
    pub(super) fn stacking(&mut self, stacking: Option<&proto::Stacking>, at: &At<'_>) -> Stacking {
        let everything = proto::Stacking::default();
        let stacking = stacking.unwrap_or(&everything);
        let at = at.field("stacking");
        let mut lowered = Stacking {
            exclusive: match self.known(stacking.exclusive, &at.field("exclusive")) {
                Some(proto::Exclusivity::Phase) => Exclusive::Phase,
                Some(proto::Exclusivity::Order) => Exclusive::Order,
                Some(proto::Exclusivity::Unspecified | proto::Exclusivity::No) | None => Exclusive::No,
            },
            order_groups: Vec::new(),
            unit_groups: 0,
            on_discounted: stacking.on_discounted.unwrap_or(true),
            closes_units: stacking.closes_units,
        };
        self.check_count(stacking.groups.len(), LIST_MAX, &at.field("groups"));
        let mut seen: Vec<Symbol> = Vec::new();
        for (index, group) in stacking.groups.iter().enumerate() {
            let at = at.item("groups", index);
            let name = self.name(&group.name, &at.field("name"));
            if seen.contains(&name) {
                let value = group.name.as_str().into();
                self.findings.add(Code::Duplicate, &at.field("name"), &[("value", value)]);
                continue;
            }
            seen.push(name);
            self.join(&mut lowered, name, group, &at);
        }
        lowered
    }

    fn join(&mut self, stacking: &mut Stacking, name: Symbol, group: &proto::ExclusionGroup, at: &At<'_>) {
        let differs = match self.known(group.scope, &at.field("scope")) {
            None => return,
            Some(proto::GroupScope::Unspecified | proto::GroupScope::Order) => {
                stacking.order_groups.push(name);
                !self.groups.add_order(name)
            }
            Some(proto::GroupScope::Unit) => match self.groups.add_unit(name) {
                Ok(bit) => {
                    stacking.unit_groups |= bit;
                    false
                }
                Err(differs) => {
                    if !differs {
                        self.check_count(UNIT_GROUPS_MAX + 1, UNIT_GROUPS_MAX, at);
                    }
                    differs
                }
            },
        };
        if differs {
            let value = group.name.as_str().into();
            self.findings.add(Code::GroupScopeDiffers, &at.field("scope"), &[("value", value)]);
        }
    }

    /// What evaluation needs of limits that may be left out.
    pub(super) fn limits(&mut self, limits: Option<&proto::Limits>, at: &At<'_>) -> Limits {
        let none = proto::Limits::default();
        let limits = limits.unwrap_or(&none);
        let at = at.field("limits");
        let uses = [
            (limits.max_uses, "max_uses"),
            (limits.max_uses_per_customer, "max_uses_per_customer"),
            (limits.max_uses_per_day, "max_uses_per_day"),
            (limits.max_uses_per_store, "max_uses_per_store"),
            (limits.max_uses_per_code, "max_uses_per_code"),
        ];
        for (uses, field) in uses {
            self.optional_range(uses, 1, i64::MAX, &at.field(field));
        }
        Limits {
            per_customer: limits.max_uses_per_customer.is_some(),
            budget: self.amounts(&limits.budget, &at, "budget"),
            on_short_budget: match self.known(limits.on_short_budget, &at.field("on_short_budget")) {
                Some(proto::ShortBudget::Partial) => ShortBudget::Partial,
                Some(proto::ShortBudget::Unspecified | proto::ShortBudget::AllOrNothing) | None => {
                    ShortBudget::AllOrNothing
                }
            },
        }
    }

    /// A trigger that may be left out: then automatic.
    pub(super) fn trigger(&mut self, trigger: Option<&proto::Trigger>, at: &At<'_>) -> Trigger {
        let Some(trigger) = trigger else {
            return Trigger::Automatic;
        };
        let at = at.field("trigger");
        match &trigger.trigger {
            None => {
                self.required(&at);
                Trigger::Automatic
            }
            Some(Kind::Automatic(_)) => Trigger::Automatic,
            Some(Kind::Members(_)) => Trigger::Members,
            Some(Kind::Voucher(_)) => Trigger::Voucher,
            Some(Kind::Code(code)) => {
                let at = at.field("code");
                if code.codes.is_empty() {
                    self.required(&at.field("codes"));
                }
                for (index, code) in code.codes.iter().enumerate() {
                    self.remark_code(code, &at.item("codes", index));
                }
                Trigger::Code(self.names(&code.codes, &at, "codes", true))
            }
        }
    }

    /// What customers have to type.
    fn remark_code(&mut self, code: &str, at: &At<'_>) {
        let folded = fold(code);
        if !folded.is_empty() && folded.chars().count() < CODE_CHARS {
            let parameters = [("value", code.into()), ("limit", CODE_CHARS.into())];
            self.remark(Code::CodeTooShort, at, &parameters);
        }
        let is_hard = |sign: char| sign.is_whitespace() || sign.is_control() || UNSEEN.contains(&sign);
        if code.chars().any(is_hard) {
            self.remark(Code::CodeHardToType, at, &[("value", code.into())]);
        }
    }
}
