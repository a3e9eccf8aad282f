//! A promotion as the engine runs it.

use super::{Amounts, Condition, CrossBrand, PaymentTest, Schedule, Selector, Step, Targeting, Threshold};
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
    /// What must be bought first.
    pub min_purchase: Option<Threshold>,
    /// The way of paying that its type asks for.
    pub payment: Option<PaymentTest>,
    /// What the cart must meet.
    pub condition: Option<Condition>,
    /// Its tie to spending at other brands.
    pub cross_brand: Option<CrossBrand>,
    /// What it lives with.
    pub stacking: Stacking,
    /// What evaluation knows of its limits.
    pub limits: Limits,
    /// What it gives, in the order of phases; at least one.
    pub steps: Vec<Step>,
    /// The add-on that it suggests to those who don't have it.
    pub suggestion: Option<AddOn>,
}

/// A product that a promotion offers at a special price.
#[derive(Clone, Debug)]
pub struct AddOn {
    /// The product.
    pub product: Symbol,
    /// The price of one.
    pub special_price: Amounts,
    /// What is said to the customer.
    pub message: Texts,
}

impl Promotion {
    /// The phase of its first step.
    pub fn phase(&self) -> Phase {
        self.steps.first().map_or(Phase::Reward, |step| step.phase)
    }

    /// Its selector, when it has but one.
    pub(crate) fn only_selector(&self) -> Option<&Selector> {
        match self.steps.as_slice() {
            [step] => step.benefit.only_selector(),
            _ => None,
        }
    }

    /// Whether every amount that it needs exists in the currency (S-2.1).
    pub fn covers(&self, currency: Currency) -> bool {
        self.steps.iter().all(|step| step.covers(currency))
            && self.min_purchase.as_ref().is_none_or(|threshold| threshold.minimum.covers(currency))
            && self.cross_brand.as_ref().is_none_or(|tie| tie.minimum_spend.covers(currency))
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

impl Phase {
    /// The phase that ends when this one starts.
    pub(crate) fn before(self) -> Option<Self> {
        match self {
            Self::Item => None,
            Self::Set => Some(Self::Item),
            Self::Order => Some(Self::Set),
            Self::Delivery => Some(Self::Order),
            Self::Payment => Some(Self::Delivery),
            Self::Reward => Some(Self::Payment),
        }
    }
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
