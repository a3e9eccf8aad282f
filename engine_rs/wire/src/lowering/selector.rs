//! Selectors, their filters and questions about attributes.

use dealwright_core::model::{
    AttributeTest, KindSet, LineFilter, LineKind, NumberRange, PriceRange, Question, Selector,
};
use unicode_normalization::UnicodeNormalization;

use super::Lowering;
use crate::diagnostics::{At, Code};
use crate::limits::{AMOUNT_MAX, FACTS_MAX, LIST_MAX};
use crate::proto;
use crate::proto::attribute_test::Test;

/// Which kinds of lines a place in a definition is about.
#[derive(Clone, Copy)]
pub(super) struct Kinds {
    /// When the selector names none.
    pub(super) default: LineKind,
    /// What it may name; `None` is everything.
    pub(super) allowed: Option<&'static [LineKind]>,
}

impl Kinds {
    /// Goods, and nothing else.
    pub(super) const ITEMS: Self = Self { default: LineKind::Item, allowed: Some(&[LineKind::Item]) };
    /// Delivery, or fees when they are named.
    pub(super) const DELIVERY: Self =
        Self { default: LineKind::Delivery, allowed: Some(&[LineKind::Delivery, LineKind::Fee]) };
    /// Goods, or whatever is named: for questions and for what is paid.
    pub(super) const ANY: Self = Self { default: LineKind::Item, allowed: None };
}

impl Lowering<'_> {
    /// A selector that may be left out: then every line of the default kind.
    pub(super) fn scope(
        &mut self,
        selector: Option<&proto::Selector>,
        kinds: Kinds,
        at: &At<'_>,
        field: &'static str,
    ) -> Selector {
        match selector {
            None => Selector::every(kinds.default),
            Some(selector) => self.selector(selector, kinds, &at.field(field)),
        }
    }

    /// A selector that must be there.
    pub(super) fn required_scope(
        &mut self,
        selector: Option<&proto::Selector>,
        at: &At<'_>,
        field: &'static str,
    ) -> Selector {
        if selector.is_none() {
            self.required(&at.field(field));
        }
        self.scope(selector, Kinds::ITEMS, at, field)
    }

    pub(super) fn selector(&mut self, selector: &proto::Selector, kinds: Kinds, at: &At<'_>) -> Selector {
        let lowered = Selector {
            include: self.filters(&selector.include, at, "include"),
            exclude: self.filters(&selector.exclude, at, "exclude"),
            kinds: self.kinds(&selector.kinds, kinds, at),
            with_children: selector.with_children,
            unmodified: false,
            of_any_brand: false,
        };
        self.remark_selector(&lowered, at);
        lowered
    }

    fn kinds(&mut self, listed: &[i32], kinds: Kinds, at: &At<'_>) -> KindSet {
        if listed.is_empty() {
            return KindSet::only(kinds.default);
        }
        let mut set = KindSet::default();
        for (index, number) in listed.iter().enumerate() {
            let at = at.item("kinds", index);
            let Some(kind) = self.known(*number, &at).map(line_kind) else {
                continue;
            };
            if kinds.allowed.is_some_and(|allowed| !allowed.contains(&kind)) {
                self.not_allowed(&at, "the phase doesn't touch lines of this kind");
            }
            set.insert(kind);
        }
        set
    }

    fn filters(
        &mut self,
        filters: &[proto::LineFilter],
        at: &At<'_>,
        field: &'static str,
    ) -> Vec<LineFilter> {
        self.check_count(filters.len(), LIST_MAX, &at.field(field));
        filters
            .iter()
            .enumerate()
            .map(|(index, filter)| self.filter(filter, &at.item(field, index)))
            .collect()
    }

    fn filter(&mut self, filter: &proto::LineFilter, at: &At<'_>) -> LineFilter {
        let lowered = LineFilter {
            products: self.names(&filter.product_ids, at, "product_ids", false),
            categories: self.names(&filter.category_ids, at, "category_ids", false),
            brands: self.names(&filter.brand_ids, at, "brand_ids", false),
            attributes: filter
                .attributes
                .iter()
                .enumerate()
                .map(|(index, test)| self.attribute_test(test, &at.item("attributes", index)))
                .collect(),
            unit_price: self.price_ranges(&filter.unit_price, at),
        };
        self.check_count(filter.attributes.len(), FACTS_MAX, &at.field("attributes"));
        if *filter == proto::LineFilter::default() {
            // A filter without a dimension would match everything by omission.
            self.required(at);
        }
        lowered
    }

    fn price_ranges(&mut self, ranges: &[proto::PriceRange], at: &At<'_>) -> Vec<PriceRange> {
        self.check_count(ranges.len(), LIST_MAX, &at.field("unit_price"));
        let mut lowered: Vec<PriceRange> = Vec::with_capacity(ranges.len());
        for (index, range) in ranges.iter().enumerate() {
            let at = at.item("unit_price", index);
            let minimum = self.optional_range(range.minimum_minor, 0, AMOUNT_MAX, &at.field("minimum_minor"));
            let maximum = self.optional_range(range.maximum_minor, 0, AMOUNT_MAX, &at.field("maximum_minor"));
            let (minimum, maximum) = (minimum.unwrap_or(0), maximum.unwrap_or(AMOUNT_MAX));
            if minimum > maximum {
                self.add(Code::RangeEmpty, &at);
            }
            let taken = |currency| lowered.iter().any(|range| range.currency == currency);
            if let Some(currency) = self.unique_currency(&range.currency_code, &at, taken) {
                lowered.push(PriceRange { currency, minimum, maximum });
            }
        }
        lowered
    }

    pub(super) fn attribute_test(&mut self, test: &proto::AttributeTest, at: &At<'_>) -> AttributeTest {
        let name = self.name(&test.name, &at.field("name"));
        let question = match &test.test {
            None => {
                self.required(&at.field("test"));
                Question::FlagIs(true)
            }
            Some(Test::TextIn(list)) => {
                let at = at.field("text_in");
                let texts: Vec<String> = list.values.iter().map(|text| text.nfc().collect()).collect();
                Question::TextIn(self.required_names(&texts, &at, "values"))
            }
            Some(Test::NumberRange(range)) => {
                Question::NumberIn(self.number_range(range, &at.field("number_range")))
            }
            Some(Test::FlagIs(flag)) => Question::FlagIs(*flag),
        };
        AttributeTest { name, written: test.name.as_str().into(), question }
    }

    pub(super) fn number_range(&mut self, range: &proto::NumberRange, at: &At<'_>) -> NumberRange {
        if range.minimum.is_none() && range.maximum.is_none() {
            self.required(at);
        }
        let lowered = NumberRange {
            minimum: range.minimum.unwrap_or(i64::MIN),
            maximum: range.maximum.unwrap_or(i64::MAX),
        };
        if lowered.minimum > lowered.maximum {
            self.add(Code::RangeEmpty, at);
        }
        lowered
    }
}

pub(super) fn line_kind(kind: proto::LineKind) -> LineKind {
    match kind {
        proto::LineKind::Unspecified | proto::LineKind::Item => LineKind::Item,
        proto::LineKind::Delivery => LineKind::Delivery,
        proto::LineKind::Fee => LineKind::Fee,
        proto::LineKind::Tip => LineKind::Tip,
        proto::LineKind::Gift => LineKind::Gift,
    }
}
