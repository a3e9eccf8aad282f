//! One amount per currency.

use crate::currency::Currency;

/// An amount in minor units for each of some currencies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amounts(Vec<(Currency, i64)>);

impl Amounts {
    /// The amounts of these currencies, each of which occurs once.
    pub fn new(per_currency: Vec<(Currency, i64)>) -> Self {
        Self(per_currency)
    }

    /// Whether there is none at all, as for a cap that wasn't set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The amount in a currency.
    pub fn of(&self, currency: Currency) -> Option<i64> {
        self.0.iter().find(|(listed, _)| *listed == currency).map(|(_, minor)| *minor)
    }

    /// Whether a cart in this currency finds what it needs: an empty table asks for nothing.
    pub fn covers(&self, currency: Currency) -> bool {
        self.is_empty() || self.of(currency).is_some()
    }
}
