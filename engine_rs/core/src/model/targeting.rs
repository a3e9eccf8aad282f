//! Where and for whom a promotion holds (S-8.3).

use super::{Amounts, CustomerType};
use crate::symbols::Symbol;

/// Accepts folded names: one of `include`, or any when that is empty, but none of `exclude`.
#[derive(Clone, Debug, Default)]
pub struct NameFilter {
    /// What is accepted.
    pub include: Vec<Symbol>,
    /// What is refused, and wins.
    pub exclude: Vec<Symbol>,
}

impl NameFilter {
    /// Whether one name, which may be absent, is accepted.
    pub fn accepts(&self, name: Symbol) -> bool {
        (self.include.is_empty() || self.include.contains(&name)) && !self.exclude.contains(&name)
    }

    /// Whether a set of names is accepted: one included is enough, one excluded refuses.
    pub fn accepts_any(&self, names: &[Symbol]) -> bool {
        (self.include.is_empty() || names.iter().any(|name| self.include.contains(name)))
            && !names.iter().any(|name| self.exclude.contains(name))
    }
}

/// Where and for whom; every part must hold.
#[derive(Clone, Debug, Default)]
pub struct Targeting {
    /// Stores.
    pub stores: NameFilter,
    /// Brands that stores sell under.
    pub brands: NameFilter,
    /// Channels.
    pub channels: NameFilter,
    /// Regions.
    pub regions: NameFilter,
    /// Tiers of members.
    pub tiers: NameFilter,
    /// Segments of customers.
    pub segments: NameFilter,
    /// Whether it is for identified members only.
    pub members_only: bool,
    /// New or returning customers only.
    pub customer_type: Option<CustomerType>,
}

/// Ties a benefit at some brands to spending at others.
#[derive(Clone, Debug)]
pub struct CrossBrand {
    /// The brands whose lines count towards the spend.
    pub trigger_brands: Vec<Symbol>,
    /// What must be spent there; empty: any line of them will do.
    pub minimum_spend: Amounts,
    /// The brands whose lines may get the benefit.
    pub benefit_brands: Vec<Symbol>,
    /// Where the spend is looked for.
    pub source: SpendSource,
    /// The caller's name of the period of past visits.
    pub period: Symbol,
}

/// Which spending counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpendSource {
    /// This cart's lines.
    ThisCart,
    /// Earlier visits.
    PastVisits,
    /// Both, added up.
    Both,
}
