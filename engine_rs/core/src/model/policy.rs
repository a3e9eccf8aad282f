//! What holds for all promotions of a company.

use jiff::tz::TimeZone;

use super::Amounts;
use crate::currency::Currency;
use crate::rational::RoundingMode;

/// The policy of a ruleset.
#[derive(Clone, Debug)]
pub struct Policy {
    /// How the plan is chosen.
    pub selection: Selection,
    /// How a percentage becomes minor units.
    pub rounding_mode: RoundingMode,
    /// What it is rounded for.
    pub rounding_grain: RoundingGrain,
    /// The step that is rounded to, where it isn't 1.
    pub increments: Amounts,
    /// The most nodes that the search for the best plan visits.
    pub search_nodes_max: i64,
    /// The zone when neither schedule, cart nor store has one.
    pub zone: TimeZone,
}

impl Policy {
    /// Nodes of the search when the policy doesn't say.
    pub const SEARCH_NODES_DEFAULT: i64 = 20_000;

    /// Lines of a cart up to which the search has its full budget of nodes.
    const SEARCH_LINES: usize = 100;
    /// Nodes of a search that the largest cart still has.
    const SEARCH_NODES_MIN: i64 = 100;

    /// The most nodes that a search over a cart of so many lines visits: a node of a large cart is more
    /// work, so that it has fewer, in proportion.
    pub fn search_nodes(&self, lines: usize) -> i64 {
        let over = i64::try_from(lines.div_ceil(Self::SEARCH_LINES).max(1)).unwrap_or(i64::MAX);
        (self.search_nodes_max / over).max(Self::SEARCH_NODES_MIN.min(self.search_nodes_max))
    }

    /// The step that discounts in a currency are rounded to.
    pub fn increment(&self, currency: Currency) -> i64 {
        self.increments.of(currency).unwrap_or(1)
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            selection: Selection::Best,
            rounding_mode: RoundingMode::HalfUp,
            rounding_grain: RoundingGrain::Line,
            increments: Amounts::default(),
            search_nodes_max: Self::SEARCH_NODES_DEFAULT,
            zone: TimeZone::UTC,
        }
    }
}

/// How the plan is chosen (S-7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// The highest benefit, with a proof.
    Best,
    /// By phase, priority and id, whatever is compatible with what was taken.
    Priority,
}

/// What a discount is rounded for (S-2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoundingGrain {
    /// Each line's discount.
    Line,
    /// Each unit's discount.
    Unit,
    /// The application's discount as a whole.
    Order,
}
