//! What each type of promotion gives, as a step of the pipeline (S-12). A type that this version
//! keeps but doesn't apply is checked all the same, so that a definition is right once it is.

use dealwright_core::model::{Benefit, PercentBase, Phase, Reduction, Step, UnitLimit, UnitOrder};

use super::Lowering;
use super::selector::Kinds;
use crate::diagnostics::{At, Code};
use crate::limits::SET_UNITS_MAX;
use crate::proto;
use crate::proto::promotion::Rule;

impl Lowering<'_> {
    /// The step of the promotion's rule; nothing when something is wrong with it or it isn't applied yet.
    pub(super) fn rule(&mut self, definition: &proto::Promotion, at: &At<'_>) -> Option<Step> {
        let Some(rule) = &definition.rule else {
            self.required(&at.field("rule"));
            return None;
        };
        let kept = match rule {
            Rule::PercentDiscount(rule) => {
                return self.percent_discount(rule, &at.field("percent_discount"));
            }
            Rule::AmountDiscount(rule) => {
                return self.amount_discount(rule, &at.field("amount_discount"));
            }
            Rule::BuyXGetY(rule) => {
                self.buy_x_get_y(rule, &at.field("buy_x_get_y"));
                "buy_x_get_y"
            }
            Rule::Combo(rule) => {
                self.combo(rule, &at.field("combo"));
                "combo"
            }
            Rule::FreeItem(rule) => {
                self.free_item(rule, &at.field("free_item"));
                "free_item"
            }
            Rule::HappyHour(rule) => {
                self.happy_hour(rule, definition.schedule.as_ref(), at);
                "happy_hour"
            }
            Rule::Cashback(rule) => {
                self.cashback(rule, &at.field("cashback"));
                "cashback"
            }
            Rule::PaymentDiscount(rule) => {
                self.payment_discount(rule, &at.field("payment_discount"));
                "payment_discount"
            }
            Rule::Package(rule) => {
                self.package(rule, &at.field("package"));
                "package"
            }
            Rule::MixMatch(rule) => {
                self.mix_match(rule, &at.field("mix_match"));
                "mix_match"
            }
            Rule::Upsell(rule) => {
                self.upsell(rule, &at.field("upsell"));
                "upsell"
            }
            Rule::ThresholdTier(rule) => {
                self.threshold_tier(rule, &at.field("threshold_tier"));
                "threshold_tier"
            }
            Rule::Custom(rule) => {
                self.custom(rule, &at.field("custom"));
                "custom"
            }
        };
        self.findings.add(
            Code::TypeNotEvaluated,
            &at.field(kept),
            &[("value", kept.into())],
        );
        None
    }

    fn percent_discount(&mut self, rule: &proto::PercentDiscount, at: &At<'_>) -> Option<Step> {
        let ppm = self.share(rule.percent_off_ppm, &at.field("percent_off_ppm"));
        let base = self.percent_base(rule.percent_base, at);
        let units = self.unit_limit(rule.units.as_ref(), at);
        let phase = self.price_phase(rule.phase, at)?;
        let benefit = match phase {
            Phase::Item => Benefit::Reduce {
                reduction: Reduction::Percent { ppm, base },
                units,
            },
            _ => {
                self.refuse_units(rule.units.as_ref(), at);
                Benefit::SpreadPercent { ppm, base }
            }
        };
        Some(self.step(
            phase,
            benefit,
            &rule.scope,
            &rule.min_purchase,
            &rule.max_discount,
            at,
        ))
    }

    fn amount_discount(&mut self, rule: &proto::AmountDiscount, at: &At<'_>) -> Option<Step> {
        let amounts = self.required_amounts(&rule.amount_off, at, "amount_off");
        let per: proto::AmountPer = self.known(rule.per, &at.field("per"))?;
        let units = self.unit_limit(rule.units.as_ref(), at);
        let phase = self.price_phase(rule.phase, at)?;
        let benefit = match (phase, per) {
            (Phase::Item, proto::AmountPer::Unspecified | proto::AmountPer::Unit) => {
                Benefit::Reduce {
                    reduction: Reduction::AmountOff(amounts),
                    units,
                }
            }
            (_, proto::AmountPer::Unit) => {
                self.not_allowed(&at.field("per"), "only the item phase works on units");
                return None;
            }
            (_, proto::AmountPer::Unspecified | proto::AmountPer::Scope) => {
                self.refuse_units(rule.units.as_ref(), at);
                Benefit::SpreadAmount(amounts)
            }
        };
        Some(self.step(
            phase,
            benefit,
            &rule.scope,
            &rule.min_purchase,
            &rule.max_discount,
            at,
        ))
    }

    fn step(
        &mut self,
        phase: Phase,
        benefit: Benefit,
        scope: &Option<proto::Selector>,
        min_purchase: &Option<proto::Threshold>,
        max_discount: &[proto::Money],
        at: &At<'_>,
    ) -> Step {
        let kinds = if phase == Phase::Delivery {
            Kinds::DELIVERY
        } else {
            Kinds::ITEMS
        };
        Step {
            phase,
            scope: self.scope(scope.as_ref(), kinds, at, "scope"),
            min_purchase: self.min_purchase(min_purchase.as_ref(), at),
            benefit,
            max_discount: self.amounts(max_discount, at, "max_discount"),
        }
    }

    /// A phase that a plain discount can be in: item, order or delivery.
    fn price_phase(&mut self, number: i32, at: &At<'_>) -> Option<Phase> {
        let at = at.field("phase");
        match self.known(number, &at)? {
            proto::Phase::Item => Some(Phase::Item),
            proto::Phase::Order => Some(Phase::Order),
            proto::Phase::Delivery => Some(Phase::Delivery),
            proto::Phase::Unspecified => {
                self.required(&at);
                None
            }
            proto::Phase::Set | proto::Phase::Payment | proto::Phase::Reward => {
                self.not_allowed(&at, "a discount is taken off items, the order or delivery");
                None
            }
        }
    }

    pub(super) fn percent_base(&mut self, number: i32, at: &At<'_>) -> PercentBase {
        match self.known(number, &at.field("percent_base")) {
            Some(proto::PercentBase::List) => PercentBase::List,
            Some(proto::PercentBase::PhaseStart) => PercentBase::PhaseStart,
            Some(proto::PercentBase::Unspecified | proto::PercentBase::Current) | None => {
                PercentBase::Current
            }
        }
    }

    pub(super) fn unit_limit(
        &mut self,
        limit: Option<&proto::UnitLimit>,
        at: &At<'_>,
    ) -> UnitLimit {
        let all = proto::UnitLimit::default();
        let limit = limit.unwrap_or(&all);
        let at = at.field("units");
        UnitLimit {
            max_units: self.optional_range(
                limit.max_units,
                1,
                SET_UNITS_MAX,
                &at.field("max_units"),
            ),
            max_units_per_line: self.optional_range(
                limit.max_units_per_line,
                1,
                SET_UNITS_MAX,
                &at.field("max_units_per_line"),
            ),
            order: match self.known(limit.order, &at.field("order")) {
                Some(proto::UnitOrder::Dearest) => UnitOrder::Dearest,
                Some(proto::UnitOrder::Cart) => UnitOrder::Cart,
                Some(proto::UnitOrder::Unspecified | proto::UnitOrder::Cheapest) | None => {
                    UnitOrder::Cheapest
                }
            },
        }
    }

    fn refuse_units(&mut self, units: Option<&proto::UnitLimit>, at: &At<'_>) {
        if units.is_some() {
            self.not_allowed(
                &at.field("units"),
                "what is spread over lines isn't given per unit",
            );
        }
    }
}
