//! From decoded messages to the engine's model. Lowering is the validator: what it can't turn into a
//! model it reports with the path of the field, and goes on, so that everything wrong is told at once.

mod amounts;
mod cart;
mod condition;
mod discounts;
mod gifts;
mod policy;
mod promotion;
mod remarks;
mod rules;
mod schedule;
mod selector;
mod sets;
mod stacking;
mod targeting;
mod unsupported;

use std::collections::HashMap;

use dealwright_core::symbols::{Symbol, Symbols};
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::diagnostics::{At, Code, Findings, Value};
use crate::limits::{LIST_MAX, NAME_BYTES_MAX, UNIT_GROUPS_MAX};

pub(crate) use amounts::currency;
pub(crate) use cart::{Channels, Reference, Store, request};
pub(crate) use policy::{CHANNELS, channels, policy};
pub(crate) use promotion::promotion;
pub(crate) use remarks::Read;
pub(crate) use schedule::instant;
pub(crate) use unsupported::unsupported;

/// What lowering a promotion needs to know and leaves behind.
pub(crate) struct Lowering<'a> {
    /// Names become symbols of this table.
    pub(crate) symbols: &'a mut Symbols,
    /// The groups of the ruleset so far.
    pub(crate) groups: &'a mut Groups,
    /// The ruleset's holiday calendars; `None` when a definition is looked at by itself.
    pub(crate) calendars: Option<&'a HashMap<String, Vec<Date>>>,
    /// What was found wrong.
    pub(crate) findings: Findings,
    /// Parts of conditions met so far.
    pub(crate) condition_nodes: usize,
    /// What is compared when all of a definition has been read.
    pub(crate) read: Read,
}

/// The exclusion groups of a ruleset, each of one scope.
#[derive(Default)]
pub(crate) struct Groups {
    of_orders: Vec<Symbol>,
    of_units: Vec<Symbol>,
}

impl Groups {
    /// Whether the group can be used per order.
    fn add_order(&mut self, group: Symbol) -> bool {
        if self.of_units.contains(&group) {
            return false;
        }
        if !self.of_orders.contains(&group) {
            self.of_orders.push(group);
        }
        true
    }

    /// The group's bit per unit; `Err` says whether it is used per order already.
    fn add_unit(&mut self, group: Symbol) -> Result<u64, bool> {
        if self.of_orders.contains(&group) {
            return Err(true);
        }
        let known = self.of_units.iter().position(|known| *known == group);
        let place = known.unwrap_or_else(|| {
            self.of_units.push(group);
            self.of_units.len() - 1
        });
        if place < UNIT_GROUPS_MAX { Ok(1 << place) } else { Err(false) }
    }

    /// The bit of a group that promotions use per unit; 0 where none does.
    fn unit_bit(&self, group: Symbol) -> u64 {
        let place = self.of_units.iter().position(|known| *known == group);
        place.filter(|place| *place < UNIT_GROUPS_MAX).map_or(0, |place| 1 << place)
    }
}

impl<'a> Lowering<'a> {
    /// With nothing found yet.
    pub(crate) fn new(
        symbols: &'a mut Symbols,
        groups: &'a mut Groups,
        calendars: Option<&'a HashMap<String, Vec<Date>>>,
    ) -> Self {
        let (findings, read) = (Findings::default(), Read::default());
        Self { symbols, groups, calendars, findings, condition_nodes: 0, read }
    }
}

impl Lowering<'_> {
    fn add(&mut self, code: Code, at: &At<'_>) {
        self.findings.add(code, at, &[]);
    }

    fn required(&mut self, at: &At<'_>) {
        self.add(Code::Required, at);
    }

    fn not_allowed(&mut self, at: &At<'_>, why: &str) {
        self.findings.add(Code::NotAllowed, at, &[("why", why.into())]);
    }

    /// A required name that is compared byte by byte.
    fn name(&mut self, name: &str, at: &At<'_>) -> Symbol {
        if name.is_empty() {
            self.required(at);
        }
        check_length(name, NAME_BYTES_MAX, at, &mut self.findings);
        self.symbols.intern(name)
    }

    /// A list of names without a duplicate, exact or folded.
    fn names(&mut self, names: &[String], at: &At<'_>, field: &'static str, folded: bool) -> Vec<Symbol> {
        self.check_count(names.len(), LIST_MAX, &at.field(field));
        let mut symbols = Vec::with_capacity(names.len());
        let mut seen = std::collections::HashSet::with_capacity(names.len());
        for (index, name) in names.iter().enumerate() {
            let at = at.item(field, index);
            let exact = self.name(name, &at);
            let symbol = if folded { self.symbols.intern_folded(name) } else { exact };
            if !name.is_empty() && self.symbols.text(symbol).is_empty() {
                self.required(&at);
            }
            if !seen.insert(symbol) {
                self.findings.add(Code::Duplicate, &at, &[("value", name.as_str().into())]);
            }
            symbols.push(symbol);
        }
        symbols
    }

    fn required_names(&mut self, names: &[String], at: &At<'_>, field: &'static str) -> Vec<Symbol> {
        if names.is_empty() {
            self.required(&at.field(field));
        }
        self.names(names, at, field, false)
    }

    fn check_count(&mut self, given: usize, limit: usize, at: &At<'_>) {
        check_count(given, limit, at, &mut self.findings);
    }

    fn check_range(&mut self, value: i64, minimum: i64, maximum: i64, at: &At<'_>) -> i64 {
        check_range(value, minimum, maximum, at, &mut self.findings)
    }

    fn optional_range(&mut self, value: Option<i64>, minimum: i64, maximum: i64, at: &At<'_>) -> Option<i64> {
        value.map(|value| self.check_range(value, minimum, maximum, at))
    }

    fn zone(&mut self, name: &str, at: &At<'_>) -> Option<TimeZone> {
        zone(name, at, &mut self.findings)
    }

    /// A known value of an enum; unknown numbers are refused, never taken for unset (fail closed).
    fn known<E: TryFrom<i32>>(&mut self, number: i32, at: &At<'_>) -> Option<E> {
        known(number, at, &mut self.findings)
    }
}

pub(crate) fn known<E: TryFrom<i32>>(number: i32, at: &At<'_>, findings: &mut Findings) -> Option<E> {
    let value = E::try_from(number).ok();
    if value.is_none() {
        findings.add(Code::EnumUnknown, at, &[("value", i64::from(number).into())]);
    }
    value
}

pub(crate) fn zone(name: &str, at: &At<'_>, findings: &mut Findings) -> Option<TimeZone> {
    if name.is_empty() {
        return None;
    }
    let zone = TimeZone::get(name).ok();
    if zone.is_none() {
        findings.add(Code::TimeZoneUnknown, at, &[("value", name.into())]);
    }
    zone
}

pub(crate) fn date(text: &str, at: &At<'_>, findings: &mut Findings) -> Option<Date> {
    if text.is_empty() {
        return None;
    }
    let plain = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let date = text.parse().ok().filter(|_| plain);
    if date.is_none() {
        findings.add(Code::DateInvalid, at, &[("value", text.into())]);
    }
    date
}

pub(crate) fn check_range(
    value: i64,
    minimum: i64,
    maximum: i64,
    at: &At<'_>,
    findings: &mut Findings,
) -> i64 {
    if !(minimum..=maximum).contains(&value) {
        let parameters =
            [("value", Value::from(value)), ("minimum", minimum.into()), ("maximum", maximum.into())];
        findings.add(Code::OutOfRange, at, &parameters);
    }
    value.clamp(minimum, maximum)
}

pub(crate) fn check_count(given: usize, limit: usize, at: &At<'_>, findings: &mut Findings) {
    if given > limit {
        findings.add(Code::TooMany, at, &[("given", given.into()), ("limit", limit.into())]);
    }
}

pub(crate) fn check_length(text: &str, limit: usize, at: &At<'_>, findings: &mut Findings) {
    if text.len() > limit {
        findings.add(Code::TextTooLong, at, &[("given", text.len().into()), ("limit", limit.into())]);
    }
}
