//! What a definition means, asked before it is published: what can never hold or give, and what is probably
//! a slip. A ruleset's compilation doesn't ask, so that what was published stays usable.

use std::collections::HashSet;

use dealwright_core::model::{Amounts, Benefit, LineFilter, Selector, SpreadAmount, Step, Trigger};
use dealwright_core::symbols::Symbol;

use super::Lowering;
use crate::diagnostics::{At, Code, Value};
use crate::proto;

/// The lists of a definition that are given per currency or per language, each with its path.
#[derive(Default)]
pub(crate) struct Read {
    currencies: Vec<(String, Vec<String>)>,
    languages: Vec<(String, Vec<String>)>,
}

impl Lowering<'_> {
    /// Whether a definition is looked at by itself.
    pub(super) fn is_asked(&self) -> bool {
        self.calendars.is_none()
    }

    /// Remarks on what a definition means, when it is looked at by itself.
    pub(super) fn remark(&mut self, code: Code, at: &At<'_>, parameters: &[(&'static str, Value)]) {
        if self.is_asked() {
            self.findings.add(code, at, parameters);
        }
    }

    pub(super) fn without_effect(&mut self, at: &At<'_>, why: &str) {
        self.remark(Code::WithoutEffect, at, &[("why", why.into())]);
    }

    pub(super) fn note_currencies(&mut self, list: &[proto::Money], at: &At<'_>) {
        if self.is_asked() && !list.is_empty() {
            let currencies = list.iter().map(|money| money.currency_code.clone()).collect();
            self.read.currencies.push((at.to_string(), currencies));
        }
    }

    pub(super) fn note_languages(&mut self, texts: &[proto::Text], at: &At<'_>) {
        if self.is_asked() && !texts.is_empty() {
            let languages = texts.iter().map(|text| text.language.clone()).collect();
            self.read.languages.push((at.to_string(), languages));
        }
    }

    /// Names each list that lacks a currency, or a language, that another one has.
    pub(super) fn remark_what_is_missing(&mut self) {
        let Read { currencies, languages } = std::mem::take(&mut self.read);
        if self.findings.refuse() {
            return;
        }
        for (lists, code, name) in
            [(currencies, Code::CurrencyMissing, "currency"), (languages, Code::LanguageMissing, "language")]
        {
            let mut all: Vec<&str> = lists.iter().flat_map(|(_, list)| list).map(String::as_str).collect();
            all.sort_unstable();
            all.dedup();
            for (path, list) in &lists {
                for missing in all.iter().filter(|each| !list.iter().any(|listed| listed == *each)) {
                    self.findings.add_at(code, path, &[(name, (*missing).into())]);
                }
            }
        }
    }

    /// Compares a fixed amount with its cap.
    pub(super) fn remark_cap(
        &mut self,
        cap: &[proto::Money],
        amount: &Amounts,
        at: &At<'_>,
        field: &'static str,
    ) {
        for (index, money) in cap.iter().enumerate() {
            let Some(amount) = in_currency(amount, &money.currency_code) else { continue };
            let code = if money.minor < amount { Code::CapBelowAmount } else { Code::CapNeverReached };
            let at = at.item(field, index);
            self.remark(code, &at, &[("cap", money.minor.into()), ("amount", amount.into())]);
        }
    }

    /// A purchase that only just reaches its minimum, and is free then.
    pub(super) fn remark_free_minimum(&mut self, minimum: &[proto::Money], amount: &Amounts, at: &At<'_>) {
        for (index, money) in minimum.iter().enumerate() {
            let amount = in_currency(amount, &money.currency_code).filter(|amount| *amount >= money.minor);
            if let Some(amount) = amount {
                let parameters = [("minimum", money.minor.into()), ("amount", amount.into())];
                self.remark(Code::MinimumBecomesFree, &at.item("minimum", index), &parameters);
            }
        }
    }

    /// A budget that runs out before the first discount.
    pub(super) fn remark_budget(&mut self, limits: &proto::Limits, steps: &[Step], at: &At<'_>) {
        if limits.on_short_budget == proto::ShortBudget::Partial as i32 {
            return;
        }
        for step in steps.iter().filter(|step| step.max_discount.is_empty()) {
            let Benefit::Spread { amount: SpreadAmount::Amount(amounts), .. } = &step.benefit else {
                continue;
            };
            for (index, money) in limits.budget.iter().enumerate() {
                let amount =
                    in_currency(amounts, &money.currency_code).filter(|amount| *amount > money.minor);
                if let Some(amount) = amount {
                    let parameters = [("budget", money.minor.into()), ("amount", amount.into())];
                    self.remark(Code::BudgetTooSmall, &at.item("budget", index), &parameters);
                }
            }
        }
    }

    pub(super) fn remark_uses(&mut self, limits: &proto::Limits, trigger: &Trigger, at: &At<'_>) {
        let within = [
            (limits.max_uses_per_customer, "max_uses_per_customer"),
            (limits.max_uses_per_day, "max_uses_per_day"),
            (limits.max_uses_per_store, "max_uses_per_store"),
            (limits.max_uses_per_code, "max_uses_per_code"),
        ];
        for (uses, field) in within {
            self.remark_limit(uses, limits.max_uses, &at.field(field));
        }
        if limits.max_uses_per_code.is_some() && matches!(trigger, Trigger::Automatic | Trigger::Members) {
            self.without_effect(&at.field("max_uses_per_code"), "no code and no voucher sets it off");
        }
    }

    /// A limit inside a smaller one.
    pub(super) fn remark_limit(&mut self, value: Option<i64>, limit: Option<i64>, at: &At<'_>) {
        if let Some((value, limit)) = value.zip(limit).filter(|(value, limit)| value > limit) {
            self.remark(Code::LimitNeverReached, at, &[("value", value.into()), ("limit", limit.into())]);
        }
    }

    pub(super) fn remark_selector(&mut self, selector: &Selector, at: &At<'_>) {
        if !self.is_asked() || self.findings.refuse() || selector.exclude.is_empty() {
            return;
        }
        let is_excluded = |filter: &LineFilter| selector.exclude.iter().any(|other| includes(other, filter));
        if !selector.include.is_empty() && selector.include.iter().all(is_excluded) {
            self.remark(Code::SelectsNothing, at, &[]);
            return;
        }
        let dimensions: [fn(&LineFilter) -> &Vec<Symbol>; 3] =
            [|filter| &filter.products, |filter| &filter.categories, |filter| &filter.brands];
        for names in dimensions {
            let included: HashSet<Symbol> = selector.include.iter().flat_map(names).copied().collect();
            for (index, filter) in selector.exclude.iter().enumerate() {
                let given = dimensions.iter().filter(|names| !names(filter).is_empty()).count();
                if given == 1 && filter.attributes.is_empty() && filter.unit_price.is_empty() {
                    self.remark_both(&included, names(filter), &at.item("exclude", index));
                }
            }
        }
    }

    pub(super) fn remark_names(&mut self, include: &[Symbol], exclude: &[Symbol], at: &At<'_>) {
        if !self.is_asked() {
            return;
        }
        if !include.is_empty() && include.iter().all(|name| exclude.contains(name)) {
            self.remark(Code::SelectsNothing, at, &[]);
        } else {
            self.remark_both(&include.iter().copied().collect(), exclude, &at.field("exclude"));
        }
    }

    fn remark_both(&mut self, included: &HashSet<Symbol>, excluded: &[Symbol], at: &At<'_>) {
        for name in excluded.iter().filter(|name| included.contains(name)) {
            let value = self.symbols.text(*name).into();
            self.remark(Code::IncludedAndExcluded, at, &[("value", value)]);
        }
    }

    /// Units of different products, from a selector that names its products.
    pub(super) fn remark_variety(&mut self, selector: &Selector, needed: i64, at: &At<'_>) {
        let Some(products) = named_products(selector) else { return };
        let given = i64::try_from(products.len()).unwrap_or(i64::MAX);
        if given < needed {
            self.remark(Code::ProductsTooFew, at, &[("needed", needed.into()), ("given", given.into())]);
        }
    }

    /// Units of one product, from two selectors that name theirs.
    pub(super) fn remark_common_product(&mut self, buy: &Selector, get: &Selector, at: &At<'_>) {
        let both = named_products(buy).zip(named_products(get));
        if both.is_some_and(|(buy, get)| !buy.iter().any(|product| get.contains(product))) {
            self.remark(Code::ProductsDisjoint, at, &[]);
        }
    }
}

/// The products that a selector can pick, when it names them all.
fn named_products(selector: &Selector) -> Option<Vec<Symbol>> {
    if selector.include.is_empty() || selector.include.iter().any(|filter| filter.products.is_empty()) {
        return None;
    }
    let mut products: Vec<Symbol> =
        selector.include.iter().flat_map(|filter| &filter.products).copied().collect();
    products.sort_unstable();
    products.dedup();
    let only = |product| LineFilter { products: vec![product], ..LineFilter::default() };
    products.retain(|product| !selector.exclude.iter().any(|filter| includes(filter, &only(*product))));
    Some(products)
}

/// Whether each line that `inner` matches is certain to match `outer`.
fn includes(outer: &LineFilter, inner: &LineFilter) -> bool {
    let names = |outer: &[Symbol], inner: &[Symbol]| {
        outer.is_empty() || (!inner.is_empty() && inner.iter().all(|name| outer.contains(name)))
    };
    names(&outer.products, &inner.products)
        && names(&outer.categories, &inner.categories)
        && names(&outer.brands, &inner.brands)
        && outer.attributes.iter().all(|test| inner.attributes.contains(test))
        && (outer.unit_price.is_empty() || outer.unit_price == inner.unit_price)
}

fn in_currency(amounts: &Amounts, code: &str) -> Option<i64> {
    amounts.of(dealwright_core::currency::Currency::parse(code)?)
}
