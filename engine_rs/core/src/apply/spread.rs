//! `spread`: takes one amount off several lines together. What one unit's floor refuses flows to the
//! others, since it is about all of them (S-5.1, S-5.3).

use super::reduce::round_percent;
use super::{Applying, Draft, DraftLine, Picked, cuts_of, share, sum_of};
use crate::allocate::{Alike, by_largest_remainder, by_water_filling, to_units_filling};
use crate::model::PercentBase;
use crate::rational::Fraction;
use crate::reason::Because;

pub(super) fn percent(
    applying: &Applying<'_>,
    ppm: i32,
    base: PercentBase,
    picked: &[Picked],
) -> Result<Draft, Because> {
    let base = picked
        .iter()
        .map(|units| applying.base_of(units, base) * units.count)
        .sum();
    let exact = share(base, ppm);
    let rounded = round_percent(applying, exact, ppm)?;
    Ok(draft(
        applying,
        Wanted {
            base,
            exact,
            rounded,
        },
        picked,
    ))
}

pub(super) fn amount(
    applying: &Applying<'_>,
    amount: i64,
    picked: &[Picked],
) -> Result<Draft, Because> {
    let base = picked.iter().map(|units| units.left * units.count).sum();
    Ok(draft(
        applying,
        Wanted {
            base,
            exact: Fraction::whole(amount),
            rounded: amount,
        },
        picked,
    ))
}

struct Wanted {
    base: i64,
    exact: Fraction,
    rounded: i64,
}

fn draft(applying: &Applying<'_>, wanted: Wanted, picked: &[Picked]) -> Draft {
    let capped = wanted.rounded.min(applying.cap());
    let lines: Vec<&[Picked]> = picked
        .chunk_by(|one, other| one.line == other.line)
        .collect();
    let sum = |of: fn(&Picked) -> i64| -> Vec<i64> {
        lines
            .iter()
            .map(|line| line.iter().map(|units| of(units) * units.count).sum())
            .collect()
    };
    let residuals = sum(|units| units.left);
    let shares = by_water_filling(capped, &residuals, &sum(|units| units.capacity));
    let unhindered = by_largest_remainder(capped, &residuals);
    let total: i64 = residuals.iter().sum();
    let mut cuts = Vec::with_capacity(picked.len());
    let mut parts = Vec::with_capacity(lines.len());
    for (((line, share), residual), unhindered) in
        lines.iter().zip(shares).zip(residuals).zip(unhindered)
    {
        let units: Vec<Alike> = line
            .iter()
            .map(|units| Alike {
                count: units.count,
                weight: units.left,
                capacity: units.capacity,
            })
            .collect();
        let of_line = cuts_of(line, &to_units_filling(share, &units));
        let given = sum_of(&of_line);
        cuts.extend(of_line);
        parts.push(DraftLine {
            line: line.first().map_or(0, |units| units.line),
            quantity: line.iter().map(|units| units.count).sum(),
            base: residual,
            exact: Fraction {
                numerator: i128::from(capped) * i128::from(residual),
                denominator: i128::from(total.max(1)),
            },
            given,
            refused: (unhindered - given).max(0),
        });
    }
    let Wanted {
        base,
        exact,
        rounded,
    } = wanted;
    Draft {
        base,
        exact,
        rounded,
        capped,
        given: sum_of(&cuts),
        cuts,
        lines: parts,
    }
}
