//! Questions about a cart (S-8.1).

use super::{Amounts, AttributeTest, NumberRange, Selector};
use crate::symbols::Symbol;

/// A tree of questions; only a yes makes a promotion eligible.
#[derive(Clone, Debug)]
pub enum Condition {
    /// Every part is yes.
    All(Vec<Condition>),
    /// One part is yes.
    Any(Vec<Condition>),
    /// Turns yes and no around.
    Not(Box<Condition>),
    /// A value of goods.
    Threshold(Threshold),
    /// A number of units, of the promotion's scope when there is no selector.
    Quantity(Option<Selector>, NumberRange),
    /// The way of paying.
    Payment(PaymentTest),
    /// The customer's history.
    Customer(CustomerTest),
    /// A custom fact.
    Attribute(AttributeOwner, AttributeTest),
    /// Spending in earlier visits, over these brands or over all.
    AccumulatedSpend {
        /// The brands; empty is every one.
        brands: Vec<Symbol>,
        /// What must be reached.
        minimum: Amounts,
        /// The caller's name of the period.
        period: Symbol,
    },
}

impl Condition {
    /// Whether a no at list prices stays a no at every lower price, so that it can be known before
    /// anything is applied.
    pub fn only_gets_harder(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().all(Self::only_gets_harder),
            Self::Not(part) => !part.depends_on_prices(),
            _ => true,
        }
    }

    fn depends_on_prices(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::depends_on_prices),
            Self::Not(part) => part.depends_on_prices(),
            Self::Threshold(threshold) => threshold.basis != Basis::List,
            _ => false,
        }
    }
}

/// Which prices a threshold adds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// As they stand when the promotion's phase starts.
    PhaseStart,
    /// Before any promotion.
    List,
    /// As the promotions before this one left them.
    Current,
}

/// Which lines a threshold adds up.
#[derive(Clone, Debug)]
pub enum Extent {
    /// Those in the promotion's scope.
    Scope,
    /// Every item line.
    Cart,
    /// Those that a selector picks.
    Lines(Selector),
}

/// A value of goods that must be reached; reached exactly is reached.
#[derive(Clone, Debug)]
pub struct Threshold {
    /// The value.
    pub minimum: Amounts,
    /// Which prices count.
    pub basis: Basis,
    /// Which lines count.
    pub extent: Extent,
}

/// The way of paying; every list that isn't empty must contain the cart's value. Names are folded.
#[derive(Clone, Debug)]
pub struct PaymentTest {
    /// Methods.
    pub methods: Vec<Symbol>,
    /// Names of card number ranges.
    pub card_classes: Vec<Symbol>,
    /// Issuers.
    pub issuers: Vec<Symbol>,
}

/// The customer's history; what isn't set isn't asked.
#[derive(Clone, Debug)]
pub struct CustomerTest {
    /// Orders completed before this one.
    pub completed_orders: Option<NumberRange>,
    /// Days since the last order.
    pub days_since_last_order: Option<NumberRange>,
    /// Days before or after the birthday.
    pub birthday_within_days: Option<i32>,
}

/// Whose attributes are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttributeOwner {
    /// The cart's.
    Cart,
    /// The customer's.
    Customer,
    /// The payment's.
    Payment,
}
