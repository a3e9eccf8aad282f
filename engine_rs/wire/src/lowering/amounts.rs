//! Amounts per currency, percentages and counts.

use dealwright_core::currency::Currency;
use dealwright_core::model::Amounts;

use super::Lowering;
use crate::diagnostics::{At, Code, Findings};
use crate::limits::{AMOUNT_MAX, LIST_MAX};
use crate::proto;

/// Parts per million in a whole.
pub(super) const WHOLE_PPM: i64 = 1_000_000;

/// Below a tenth of a percent a share is most likely a percentage that was written as such.
const TINY_PPM: i32 = 1_000;

impl Lowering<'_> {
    /// Amounts above 0, which may be left out altogether.
    pub(super) fn amounts(&mut self, list: &[proto::Money], at: &At<'_>, field: &'static str) -> Amounts {
        self.amounts_from(1, list, at, field)
    }

    /// Amounts above 0, at least one.
    pub(super) fn required_amounts(
        &mut self,
        list: &[proto::Money],
        at: &At<'_>,
        field: &'static str,
    ) -> Amounts {
        if list.is_empty() {
            self.required(&at.field(field));
        }
        self.amounts(list, at, field)
    }

    /// The amounts of a message that holds nothing else.
    pub(super) fn amounts_of(&mut self, amounts: &proto::Amounts, at: &At<'_>) -> Amounts {
        self.required_amounts(&amounts.per_currency, at, "per_currency")
    }

    /// Prices, which may be 0, at least one.
    pub(super) fn prices(&mut self, list: &[proto::Money], at: &At<'_>, field: &'static str) -> Amounts {
        if list.is_empty() {
            self.required(&at.field(field));
        }
        self.amounts_from(0, list, at, field)
    }

    fn amounts_from(
        &mut self,
        minimum: i64,
        list: &[proto::Money],
        at: &At<'_>,
        field: &'static str,
    ) -> Amounts {
        self.check_count(list.len(), LIST_MAX, &at.field(field));
        self.note_currencies(list, &at.field(field));
        let mut amounts: Vec<(Currency, i64)> = Vec::with_capacity(list.len());
        for (index, money) in list.iter().enumerate() {
            let at = at.item(field, index);
            let minor = self.check_range(money.minor, minimum, AMOUNT_MAX, &at.field("minor"));
            if minimum == 0 && money.minor == 0 {
                self.remark(Code::PriceOfZero, &at.field("minor"), &[]);
            }
            let taken = |currency| amounts.iter().any(|(listed, _)| *listed == currency);
            if let Some(currency) = self.unique_currency(&money.currency_code, &at, taken) {
                amounts.push((currency, minor));
            }
        }
        Amounts::new(amounts)
    }

    /// The currency of an entry in a list in which each currency occurs once.
    pub(super) fn unique_currency(
        &mut self,
        code: &str,
        at: &At<'_>,
        taken: impl Fn(Currency) -> bool,
    ) -> Option<Currency> {
        let at = at.field("currency_code");
        let currency = currency(code, &at, &mut self.findings)?;
        if taken(currency) {
            self.findings.add(Code::Duplicate, &at, &[("value", code.into())]);
            return None;
        }
        Some(currency)
    }

    /// A share from one part per million to the whole.
    pub(super) fn share(&mut self, ppm: i32, at: &At<'_>) -> i32 {
        self.check_range(ppm.into(), 1, WHOLE_PPM, at);
        if (1..TINY_PPM).contains(&ppm) {
            self.remark(Code::ShareTiny, at, &[("value", i64::from(ppm).into())]);
        }
        ppm
    }

    /// The whole price of every line of its kind.
    pub(super) fn remark_whole(&mut self, ppm: i32, scope: Option<&proto::Selector>, at: &At<'_>) {
        if i64::from(ppm) == WHOLE_PPM && scope.is_none_or(|scope| scope.include.is_empty()) {
            self.remark(Code::EverythingFree, at, &[]);
        }
    }
}

/// The currency with this code.
pub(crate) fn currency(code: &str, at: &At<'_>, findings: &mut Findings) -> Option<Currency> {
    if code.is_empty() {
        findings.add(Code::Required, at, &[]);
        return None;
    }
    let currency = Currency::parse(code);
    if currency.is_none() {
        findings.add(Code::CurrencyUnknown, at, &[("value", code.into())]);
    }
    currency
}
