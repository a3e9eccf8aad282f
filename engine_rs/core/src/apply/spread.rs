//! `spread`: takes one amount off several lines together. What one unit's floor refuses flows to the
//! others, since it is about all of them (S-5.1, S-5.3).

use super::{Applying, Draft, DraftLine, Picked, cuts_of, pick, share, split_cut, sum_of};
use crate::allocate::{Alike, UnitSplit, to_units_filling};
use crate::model::{Amounts, Role, SpreadAmount};
use crate::rational::Fraction;
use crate::reason::Because;
use crate::units::{Cut, Prices};

pub(super) fn draft(
    applying: &Applying<'_>,
    amount: &SpreadAmount,
    cap: &Amounts,
    pool: &[usize],
    prices: &Prices,
) -> Result<Draft, Because> {
    let picked = pick::units(applying, prices, pool, None);
    let currency = applying.cart.currency;
    let left: i64 = picked.iter().map(|units| units.left * units.count).sum();
    let wanted = match amount {
        SpreadAmount::Percent { ppm, base } => {
            let base = picked.iter().map(|units| applying.base_of(units, *base) * units.count).sum();
            let exact = share(base, *ppm);
            Wanted { base, exact, rounded: applying.round_percent(exact, *ppm)? }
        }
        SpreadAmount::Amount(amounts) => Wanted::written(left, amounts.of(currency).unwrap_or(0)),
        SpreadAmount::DownTo(totals) => {
            Wanted::written(left, (left - totals.of(currency).unwrap_or(i64::MAX)).max(0))
        }
    };
    Ok(spread(wanted, applying.cap(cap), &picked))
}

struct Wanted {
    base: i64,
    exact: Fraction,
    rounded: i64,
}

impl Wanted {
    fn written(base: i64, amount: i64) -> Self {
        Self { base, exact: Fraction::whole(amount), rounded: amount }
    }
}

fn spread(wanted: Wanted, cap: i64, picked: &[Picked]) -> Draft {
    let capped = wanted.rounded.min(cap);
    let lines: Vec<&[Picked]> = picked.chunk_by(|one, other| one.line == other.line).collect();
    let sum = |line: &[Picked], of: fn(&Picked) -> i64| -> i64 {
        line.iter().map(|units| of(units) * units.count).sum()
    };
    let whole_line = |line: &&[Picked]| Alike {
        count: 1,
        weight: sum(line, |units| units.left),
        capacity: sum(line, |units| units.capacity),
    };
    let weighed: Vec<Alike> = lines.iter().map(whole_line).collect();
    let total: i64 = weighed.iter().map(|line| line.weight).sum();
    let mut cuts = Vec::with_capacity(2 * picked.len());
    let mut parts = Vec::with_capacity(lines.len());
    for ((line, split), weighed) in lines.iter().zip(to_units_filling(capped, &weighed)).zip(&weighed) {
        let (share, residual) = (split.sum(1), weighed.weight);
        add_cuts(line, share, &mut cuts);
        let (numerator, denominator) = (i128::from(capped) * i128::from(residual), i128::from(total.max(1)));
        // A share is at least its exact part rounded down, unless floors and prices left refuse some of it.
        let unhindered = i64::try_from(numerator / denominator).unwrap_or(i64::MAX);
        parts.push(DraftLine {
            line: line.first().map_or(0, |units| units.line),
            quantity: line.iter().map(|units| units.count).sum(),
            base: residual,
            exact: Fraction { numerator, denominator },
            given: share,
            refused: (unhindered - share).max(0),
        });
    }
    let Wanted { base, exact, rounded } = wanted;
    let given = sum_of(&cuts);
    Draft { exact, rounded, capped, given, cuts, lines: parts, ..Draft::without_discount(base) }
}

/// Splits a line's share over its units; the line can take all of it.
fn add_cuts(line: &[Picked], share: i64, cuts: &mut Vec<Cut>) {
    if let [units] = line {
        let split = UnitSplit { each: share / units.count, raised: share % units.count };
        cuts.extend(split_cut(&units.whole(Role::Plain), split));
        return;
    }
    let alike = |units: &Picked| Alike { count: units.count, weight: units.left, capacity: units.capacity };
    let splits = to_units_filling(share, &line.iter().map(alike).collect::<Vec<_>>());
    cuts.extend(cuts_of(line, &splits, Role::Plain));
}
