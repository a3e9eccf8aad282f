//! Which lines of a cart are meant.

use super::{AttributeTest, Line};
use crate::currency::Currency;
use crate::symbols::Symbol;

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LineKind {
    /// Goods or dishes.
    Item,
    /// Delivery or shipping.
    Delivery,
    /// A fee.
    Fee,
    /// A tip.
    Tip,
    /// A gift that a promotion put in the cart.
    Gift,
}

/// Some kinds of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct KindSet(u8);

impl KindSet {
    /// The set of one kind.
    pub fn only(kind: LineKind) -> Self {
        let mut set = Self::default();
        set.insert(kind);
        set
    }

    /// Puts a kind in.
    pub fn insert(&mut self, kind: LineKind) {
        self.0 |= 1 << kind as u8;
    }

    /// Whether a kind is in.
    pub fn contains(&self, kind: LineKind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }
}

/// Picks lines: at least one filter of `include` matches, or there is none, and no filter of
/// `exclude` does (S-8.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// What may be picked; empty is everything of the kinds.
    pub include: Vec<LineFilter>,
    /// What is never picked.
    pub exclude: Vec<LineFilter>,
    /// The kinds that are looked at.
    pub kinds: KindSet,
    /// Whether lines that have a parent are picked too.
    pub with_children: bool,
    /// Whether lines that have children (modifiers, upcharges) are left out.
    pub unmodified: bool,
    /// Whether a tie between brands leaves it alone.
    pub of_any_brand: bool,
}

impl Selector {
    /// Every line of a kind that has no parent.
    pub fn every(kind: LineKind) -> Self {
        Self {
            include: Vec::new(),
            exclude: Vec::new(),
            kinds: KindSet::only(kind),
            with_children: false,
            unmodified: false,
            of_any_brand: false,
        }
    }

    /// Whether it picks the line.
    pub fn picks(&self, line: &Line, currency: Currency) -> bool {
        self.kinds.contains(line.kind)
            && (self.with_children || !line.is_child)
            && !(self.unmodified && line.has_children)
            && (self.include.is_empty() || self.include.iter().any(|filter| filter.matches(line, currency)))
            && !self.exclude.iter().any(|filter| filter.matches(line, currency))
    }
}

/// Matches a line that satisfies each dimension that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineFilter {
    /// The line's product is one of these.
    pub products: Vec<Symbol>,
    /// One of the line's categories, ancestors included, is one of these.
    pub categories: Vec<Symbol>,
    /// The line's brand is one of these.
    pub brands: Vec<Symbol>,
    /// Every test holds for the line's attributes.
    pub attributes: Vec<AttributeTest>,
    /// The line's list unit price lies in the range of the cart's currency.
    pub unit_price: Vec<PriceRange>,
}

impl LineFilter {
    fn matches(&self, line: &Line, currency: Currency) -> bool {
        (self.products.is_empty() || self.products.contains(&line.product))
            && (self.categories.is_empty() || line.categories.iter().any(|own| self.categories.contains(own)))
            && (self.brands.is_empty() || self.brands.contains(&line.brand))
            && self.attributes.iter().all(|test| test.ask(&line.attributes) == Some(true))
            && (self.unit_price.is_empty()
                || self.unit_price.iter().any(|range| range.contains(currency, line.unit_price)))
    }
}

/// A range of unit prices in one currency, both ends inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceRange {
    /// The currency of both ends.
    pub currency: Currency,
    /// The lowest unit price inside.
    pub minimum: i64,
    /// The highest unit price inside.
    pub maximum: i64,
}

impl PriceRange {
    fn contains(&self, currency: Currency, unit_price: i64) -> bool {
        self.currency == currency && (self.minimum..=self.maximum).contains(&unit_price)
    }
}
