//! A promotion as the engine runs it.

use super::{Amounts, Condition, CrossBrand, Schedule, Selector, Targeting, Threshold};
use crate::currency::Currency;
use crate::symbols::Symbol;

/// What is offered, to whom, when, and what it lives with.
#[derive(Clone, Debug)]
pub struct Promotion {
    /// Its id, for good.
    pub id: Box<str>,
    /// The symbol of its id.
    pub symbol: Symbol,
    /// What receipts call it.
    pub receipt_text: Texts,
    /// Higher comes first within the phase.
    pub priority: i32,
    /// What sets it off.
    pub trigger: Trigger,
    /// When it holds.
    pub schedule: Schedule,
    /// Where and for whom it holds.
    pub targeting: Targeting,
    /// What the cart must meet.
    pub condition: Option<Condition>,
    /// Its tie to spending at other brands.
    pub cross_brand: Option<CrossBrand>,
    /// What it lives with.
    pub stacking: Stacking,
    /// What evaluation knows of its limits.
    pub limits: Limits,
    /// What it gives.
    pub step: Step,
}

impl Promotion {
    /// Whether every amount that it needs exists in the currency (S-2.1).
    pub fn covers(&self, currency: Currency) -> bool {
        let step = &self.step;
        let benefit = match &step.benefit {
            Benefit::Reduce {
                reduction: Reduction::AmountOff(amounts) | Reduction::FixedPrice(amounts),
                ..
            }
            | Benefit::SpreadAmount(amounts) => amounts.covers(currency),
            Benefit::Reduce {
                reduction: Reduction::Percent { .. },
                ..
            }
            | Benefit::SpreadPercent { .. } => true,
        };
        benefit
            && step.max_discount.covers(currency)
            && step
                .min_purchase
                .as_ref()
                .is_none_or(|threshold| threshold.minimum.covers(currency))
            && self
                .cross_brand
                .as_ref()
                .is_none_or(|tie| tie.minimum_spend.covers(currency))
            && self.limits.budget.covers(currency)
    }
}

/// Texts by language, in the order in which they were written.
#[derive(Clone, Debug, Default)]
pub struct Texts(Vec<(Box<str>, Box<str>)>);

impl Texts {
    /// Texts with their languages, in lower case.
    pub fn new(by_language: Vec<(Box<str>, Box<str>)>) -> Self {
        Self(by_language)
    }

    /// The text in a language, else in the language without its region, else in English, else the first.
    pub fn in_language(&self, language: &str) -> &str {
        let primary = language.split('-').next().unwrap_or_default();
        let wanted = [language, primary, "en"];
        wanted
            .iter()
            .find_map(|wanted| self.0.iter().find(|(tag, _)| **tag == **wanted))
            .or(self.0.first())
            .map_or("", |(_, text)| text)
    }
}

/// A step of the fixed pipeline, in its order (S-4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Prices of single items.
    Item,
    /// Sets of units.
    Set,
    /// The order as a whole.
    Order,
    /// Delivery and fees.
    Delivery,
    /// What depends on the way of paying.
    Payment,
    /// Rewards, which lower no price.
    Reward,
}

/// What sets a promotion off.
#[derive(Clone, Debug)]
pub enum Trigger {
    /// Whenever it is eligible.
    Automatic,
    /// One of these public codes, folded.
    Code(Vec<Symbol>),
    /// A voucher of it.
    Voucher,
    /// Whenever the customer is an identified member.
    Members,
}

/// What a promotion lives with (S-7.1).
#[derive(Clone, Debug)]
pub struct Stacking {
    /// Where nothing else may lower a price.
    pub exclusive: Exclusive,
    /// Groups of which one member is applied in the order.
    pub order_groups: Vec<Symbol>,
    /// Groups of which one member is applied to each unit, as bits.
    pub unit_groups: u64,
    /// Whether it may touch units that an earlier promotion lowered.
    pub on_discounted: bool,
    /// Whether it closes the units that it lowered to later promotions.
    pub closes_units: bool,
}

/// The scope in which an exclusive promotion stands alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exclusive {
    /// None.
    No,
    /// Its phase.
    Phase,
    /// The whole order, rewards excepted.
    Order,
}

/// What evaluation knows of a promotion's limits; redemption enforces them.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Whether there is a limit per customer, which an anonymous customer can't be held to.
    pub per_customer: bool,
    /// What may be granted in all.
    pub budget: Amounts,
    /// What happens when the budget can't pay the whole discount.
    pub on_short_budget: ShortBudget,
}

/// What happens when a budget can't pay a whole discount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShortBudget {
    /// The promotion isn't applied.
    AllOrNothing,
    /// What is left is given.
    Partial,
}

/// One primitive in its phase.
#[derive(Clone, Debug)]
pub struct Step {
    /// When in the pipeline it runs.
    pub phase: Phase,
    /// The lines that it is about.
    pub scope: Selector,
    /// What must be bought first.
    pub min_purchase: Option<Threshold>,
    /// What it does to the lines.
    pub benefit: Benefit,
    /// The most that one application takes off; empty is no cap.
    pub max_discount: Amounts,
}

/// What a step does to the lines in its scope.
#[derive(Clone, Debug)]
pub enum Benefit {
    /// Lowers the price of single units.
    Reduce {
        /// How a unit's price is lowered.
        reduction: Reduction,
        /// How many units, and which.
        units: UnitLimit,
    },
    /// Takes a share off several lines together, rounded once.
    SpreadPercent {
        /// Parts per million, from 1 to 1000000.
        ppm: i32,
        /// What it is a share of.
        base: PercentBase,
    },
    /// Takes an amount off several lines together.
    SpreadAmount(Amounts),
}

/// How the price of a unit is lowered.
#[derive(Clone, Debug)]
pub enum Reduction {
    /// By a share.
    Percent {
        /// Parts per million, from 1 to 1000000.
        ppm: i32,
        /// What it is a share of.
        base: PercentBase,
    },
    /// By an amount.
    AmountOff(Amounts),
    /// To a price; one that is already lower stays.
    FixedPrice(Amounts),
}

/// The price that a percentage is taken of (S-4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PercentBase {
    /// What the promotions before this one left.
    Current,
    /// The list price.
    List,
    /// The price at the start of the phase.
    PhaseStart,
}

/// How many units a benefit touches, and which first (S-6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitLimit {
    /// Per order.
    pub max_units: Option<i64>,
    /// Per line.
    pub max_units_per_line: Option<i64>,
    /// Which first, when not all are.
    pub order: UnitOrder,
}

/// Which units a benefit takes first; ties go by cart order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitOrder {
    /// The lowest price left.
    Cheapest,
    /// The highest price left.
    Dearest,
    /// The order of the lines.
    Cart,
}
