//! What an evaluation is asked.

use std::cell::OnceCell;
use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::DateTime;

use crate::model::Cart;
use crate::symbols::Symbol;

/// What an evaluation is asked.
pub struct Request<'a> {
    /// The cart.
    pub cart: &'a Cart,
    /// The instant that it is evaluated at.
    pub at: Timestamp,
    /// What is left of limits, by promotion; one that isn't listed is unlimited.
    pub allowances: HashMap<Symbol, Allowance>,
    /// Which promotions are asked about.
    pub verdicts: Verdicts,
    local_time: OnceCell<DateTime>,
}

/// Which promotions get a verdict; those whose code was given always do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdicts {
    /// No others.
    None,
    /// The candidates.
    Candidates,
    /// All of the ruleset.
    All,
}

impl<'a> Request<'a> {
    /// A request about a cart at an instant.
    pub fn new(
        cart: &'a Cart,
        at: Timestamp,
        allowances: HashMap<Symbol, Allowance>,
        verdicts: Verdicts,
    ) -> Self {
        Self { cart, at, allowances, verdicts, local_time: OnceCell::new() }
    }

    /// The instant on the wall of the place, worked out once.
    pub(crate) fn local_time(&self) -> DateTime {
        *self.local_time.get_or_init(|| self.cart.zone.to_datetime(self.at))
    }

    /// The same request about another cart, of which only the plan matters.
    pub(crate) fn about<'b>(&self, cart: &'b Cart) -> Request<'b> {
        Request::new(cart, self.at, self.allowances.clone(), Verdicts::Candidates)
    }

    pub(crate) fn allowance(&self, promotion: Symbol) -> Option<Allowance> {
        self.allowances.get(&promotion).copied()
    }
}

/// What is left of a promotion's limits for this cart.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allowance {
    /// How many more times it may be granted.
    pub uses_left: Option<i64>,
    /// How many more times the lease of a till allows it.
    pub leased_uses_left: Option<i64>,
    /// What the budget still pays, in minor units.
    pub budget_left: Option<i64>,
}
