//! What a promotion that this engine can't apply keeps from being applied (S-12.5).

use crate::eligibility::code_given;
use crate::model::{Cart, NameFilter, Phase, Promotion, Schedule, Trigger};
use crate::reason::{Because, Parameter, Reason};
use crate::request::Request;
use crate::ruleset::{Ruleset, Unsupported};
use crate::schedule;
use crate::symbols::Symbol;

/// What may not be applied beside an unsupported promotion, and where and when that could hold: no more than
/// its envelope says.
#[derive(Clone, Debug)]
pub struct Block {
    /// Whether nothing else lowers a price beside it.
    pub exclusive: bool,
    /// Its groups.
    pub groups: Vec<BlockedGroup>,
    /// The symbol of its id.
    pub symbol: Symbol,
    /// What sets it off.
    pub trigger: Trigger,
    /// Its first and last days and instants.
    pub schedule: Schedule,
    /// Where it holds.
    pub stores: NameFilter,
}

/// A group of an unsupported promotion.
#[derive(Clone, Copy, Debug)]
pub struct BlockedGroup {
    /// Its name.
    pub name: Symbol,
    /// Its bit, where members say that it is a group per unit; else 0.
    pub unit: u64,
}

/// The unsupported promotions that could hold for a cart, and block.
pub(crate) struct Blocking<'a> {
    ruleset: &'a Ruleset,
    by: Vec<(&'a Unsupported, &'a Block)>,
}

impl<'a> Blocking<'a> {
    pub(crate) fn of(ruleset: &'a Ruleset, request: &Request<'_>) -> Self {
        let blocks = ruleset.unsupported.iter().filter_map(|of| Some((of, of.block.as_ref()?)));
        Self { ruleset, by: blocks.filter(|(_, block)| block.could_hold(request)).collect() }
    }

    /// Refuses a promotion that one of them may not be applied beside.
    pub(crate) fn check(&self, promotion: &Promotion) -> Result<(), Because> {
        let mut refusals = self.by.iter().filter_map(|(of, block)| {
            let because = || Because::text(Reason::Blocked, "unsupported", &*of.id);
            if block.exclusive && lowers_prices(promotion) {
                return Some(because());
            }
            let group = block.groups.iter().find(|group| group.has(promotion))?;
            let name = Parameter::Text(self.ruleset.symbols.text(group.name).into());
            let mut because = because();
            because.parameters.push(("group", name));
            Some(because)
        });
        refusals.next().map_or(Ok(()), Err)
    }
}

impl Block {
    fn could_hold(&self, request: &Request<'_>) -> bool {
        self.stores.accepts(request.cart.store.symbol)
            && schedule::check(&self.schedule, request).is_ok()
            && self.is_set_off(request.cart)
    }

    fn is_set_off(&self, cart: &Cart) -> bool {
        match self.trigger {
            Trigger::Code(_) | Trigger::Voucher => code_given(&self.trigger, self.symbol, cart),
            Trigger::Automatic | Trigger::Members => true,
        }
    }
}

impl BlockedGroup {
    fn has(&self, promotion: &Promotion) -> bool {
        let stacking = &promotion.stacking;
        stacking.order_groups.contains(&self.name) || stacking.unit_groups & self.unit != 0
    }
}

fn lowers_prices(promotion: &Promotion) -> bool {
    promotion.steps.iter().any(|step| step.phase != Phase::Reward)
}
