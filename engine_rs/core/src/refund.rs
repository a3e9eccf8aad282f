//! What units that come back were paid (S-11.2 to S-11.8): which units are meant, their tax part, what is
//! due after earlier refunds, and what gifts are charged at.

use std::cmp::Reverse;

use crate::currency::Currency;
use crate::evaluation::LeftToPay;
use crate::model::{Benefit, Gift, Promotion, TierBenefit};
use crate::rational::{Fraction, RoundingMode, round};
use crate::symbols::Symbol;

/// Units of a line that are to come back.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// The first of them, counted from 0 in the line; without it those that were paid least.
    pub first_unit: Option<i64>,
    /// How many, at least 1.
    pub quantity: i64,
}

/// Why units can't come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The line has no such unit.
    NoSuchUnit,
    /// The unit was named before.
    NamedTwice(i64),
    /// No more than this many units are left.
    TooMany(i64),
}

/// Some consecutive units of a line that were paid alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaidUnits {
    /// The first, counted from 0 in the line.
    pub first_unit: i64,
    /// How many.
    pub count: i64,
    /// What was paid for each.
    pub each: i64,
}

impl PaidUnits {
    /// The unit behind the last.
    pub fn end(&self) -> i64 {
        self.first_unit + self.count
    }
}

/// What was paid for units together.
pub fn sum_of(units: &[PaidUnits]) -> i64 {
    units.iter().map(|units| units.count * units.each).sum()
}

/// The units of a line that are meant, in unit order. Those that are named come first; of the others those
/// that were paid least, ties to the later unit.
///
/// # Errors
/// The place of the entry that can't be met.
pub fn pick(runs: &[LeftToPay], wanted: &[Wanted]) -> Result<Vec<PaidUnits>, (usize, Refused)> {
    let line = line_up(runs);
    let named = named(wanted, line.last().map_or(0, PaidUnits::end))?;
    let (mut taken, mut free) = (Vec::new(), Vec::new());
    for run in &line {
        divide(run, &named, &mut taken, &mut free);
    }
    let mut left: i64 = free.iter().map(|units| units.count).sum();
    let mut count = 0;
    for (place, entry) in wanted.iter().enumerate().filter(|(_, entry)| entry.first_unit.is_none()) {
        if entry.quantity > left {
            return Err((place, Refused::TooMany(left)));
        }
        left -= entry.quantity;
        count += entry.quantity;
    }
    free.sort_by_key(|units| (units.each, Reverse(units.first_unit)));
    for units in free {
        let from_here = units.count.min(count);
        if from_here > 0 {
            taken.push(PaidUnits { first_unit: units.end() - from_here, count: from_here, ..units });
            count -= from_here;
        }
    }
    taken.sort_by_key(|units| units.first_unit);
    Ok(joined(&taken))
}

/// The runs with their places.
fn line_up(runs: &[LeftToPay]) -> Vec<PaidUnits> {
    let mut first_unit = 0;
    let mut line = Vec::with_capacity(runs.len());
    for run in runs {
        line.push(PaidUnits { first_unit, count: run.count, each: run.each });
        first_unit += run.count;
    }
    line
}

/// The ranges of units that are named, in unit order, each with its end.
fn named(wanted: &[Wanted], units: i64) -> Result<Vec<(i64, i64)>, (usize, Refused)> {
    let mut ranges = Vec::new();
    for (place, entry) in wanted.iter().enumerate() {
        let Some(first) = entry.first_unit else { continue };
        let end = first.saturating_add(entry.quantity);
        if first < 0 || end > units {
            return Err((place, Refused::NoSuchUnit));
        }
        ranges.push((first, end, place));
    }
    ranges.sort_unstable();
    let pairs = ranges.iter().zip(ranges.iter().skip(1));
    for ((_, end, place), (next, _, next_place)) in pairs {
        if next < end {
            return Err((*place.max(next_place), Refused::NamedTwice(*next)));
        }
    }
    Ok(ranges.into_iter().map(|(first, end, _)| (first, end)).collect())
}

/// Divides a run into the units that are named and those that aren't.
fn divide(run: &PaidUnits, named: &[(i64, i64)], taken: &mut Vec<PaidUnits>, free: &mut Vec<PaidUnits>) {
    let mut from = run.first_unit;
    let begin = named.partition_point(|(_, end)| *end <= run.first_unit);
    for (first, end) in named.iter().skip(begin).take_while(|(first, _)| *first < run.end()) {
        let (first, end) = ((*first).max(run.first_unit), (*end).min(run.end()));
        push(PaidUnits { first_unit: from, count: first - from, each: run.each }, free);
        push(PaidUnits { first_unit: first, count: end - first, each: run.each }, taken);
        from = end;
    }
    push(PaidUnits { first_unit: from, count: run.end() - from, each: run.each }, free);
}

fn push(units: PaidUnits, list: &mut Vec<PaidUnits>) {
    if units.count > 0 {
        list.push(units);
    }
}

fn joined(units: &[PaidUnits]) -> Vec<PaidUnits> {
    let mut joined: Vec<PaidUnits> = Vec::with_capacity(units.len());
    for units in units {
        match joined.last_mut() {
            Some(last) if last.end() == units.first_unit && last.each == units.each => {
                last.count += units.count;
            }
            _ => joined.push(*units),
        }
    }
    joined
}

/// The tax part of what comes back of a line, of which `kept` minor units of `paid` stay (S-11.4).
pub fn tax_back(tax: i64, paid: i64, kept: i64) -> i64 {
    if paid == 0 {
        return 0;
    }
    let exact = Fraction { numerator: i128::from(tax) * i128::from(kept), denominator: i128::from(paid) };
    // What is kept is no more than what was paid, so that its part fits whatever the whole fits.
    tax - round(exact, RoundingMode::HalfUp, 1).unwrap_or(tax)
}

/// What is due now, and what is owed, after earlier refunds (S-11.3).
pub fn settle(entitlement: i64, refunded: i64) -> (i64, i64) {
    ((entitlement - refunded).max(0), (refunded - entitlement).max(0))
}

/// Units of a gift that the customer still has, alike in worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GiftsHeld {
    /// What each is worth.
    pub worth: i64,
    /// How many.
    pub count: i64,
}

/// The worth of a unit of a product that a step gives as a gift; of several tiers that give it, the least.
pub fn unit_value(promotion: &Promotion, step: i32, product: Symbol, currency: Currency) -> i64 {
    let Some(step) = promotion.steps.iter().find(|listed| listed.number == step) else { return 0 };
    let value =
        |gift: &Gift| (gift.product == product).then(|| gift.unit_value.of(currency).unwrap_or_default());
    match &step.benefit {
        Benefit::Gift(gift) => value(gift),
        Benefit::Tiers(tiers) => tiers
            .tiers
            .iter()
            .filter_map(|tier| match &tier.benefit {
                TierBenefit::Gift(gift) => value(gift),
                TierBenefit::Spread(_) | TierBenefit::Reward(_) => None,
            })
            .min(),
        _ => None,
    }
    .unwrap_or_default()
}

/// What so many units of a gift are charged at: those that are worth least (S-11.7).
pub fn charge(mut held: Vec<GiftsHeld>, mut count: i64) -> i64 {
    held.sort_unstable();
    let mut charge: i64 = 0;
    for gifts in held {
        let from_here = gifts.count.min(count);
        charge = charge.saturating_add(gifts.worth.saturating_mul(from_here));
        count -= from_here;
    }
    charge
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNS: [LeftToPay; 3] = [
        LeftToPay { count: 2, each: 50 },
        LeftToPay { count: 3, each: 20 },
        LeftToPay { count: 2, each: 50 },
    ];

    fn any(quantity: i64) -> Wanted {
        Wanted { first_unit: None, quantity }
    }

    fn named(first_unit: i64, quantity: i64) -> Wanted {
        Wanted { first_unit: Some(first_unit), quantity }
    }

    fn paid(first_unit: i64, count: i64, each: i64) -> PaidUnits {
        PaidUnits { first_unit, count, each }
    }

    #[test]
    fn units_paid_least_come_back_first_and_of_equals_the_later() {
        assert_eq!(pick(&RUNS, &[any(2)]), Ok(vec![paid(3, 2, 20)]));
        assert_eq!(pick(&RUNS, &[any(4)]), Ok(vec![paid(2, 3, 20), paid(6, 1, 50)]));
    }

    #[test]
    fn named_units_leave_the_others_to_be_chosen_from() {
        let units = pick(&RUNS, &[any(2), named(1, 3)]);

        assert_eq!(units, Ok(vec![paid(1, 1, 50), paid(2, 3, 20), paid(6, 1, 50)]));
    }

    #[test]
    fn what_the_line_does_not_have_is_refused_with_its_entry() {
        assert_eq!(pick(&RUNS, &[named(6, 2)]), Err((0, Refused::NoSuchUnit)));
        assert_eq!(pick(&RUNS, &[named(0, 3), named(2, 1)]), Err((1, Refused::NamedTwice(2))));
        assert_eq!(pick(&RUNS, &[named(0, 3), any(4), any(1)]), Err((2, Refused::TooMany(0))));
        assert_eq!(pick(&RUNS, &[named(1, i64::MAX)]), Err((0, Refused::NoSuchUnit)));
    }

    #[test]
    fn the_tax_part_of_all_is_the_tax_of_the_line() {
        assert_eq!(tax_back(99, 1000, 0), 99);
        assert_eq!(tax_back(99, 1000, 500), 49);
        assert_eq!(tax_back(99, 1000, 1000), 0);
        assert_eq!(tax_back(0, 0, 0), 0);
    }

    #[test]
    fn the_gifts_worth_least_are_charged_first() {
        let held = [(300, 1), (100, 2)].map(|(worth, count)| GiftsHeld { worth, count });

        assert_eq!(charge(held.to_vec(), 0), 0);
        assert_eq!(charge(held.to_vec(), 3), 500);
    }
}
