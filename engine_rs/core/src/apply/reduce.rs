//! `reduce`: lowers the price of single units. What a unit's floor refuses is lost, since the
//! reduction of a unit is about that unit (S-5.5).

use super::{Applying, Draft, DraftLine, Picked, by_line, cut_down, cuts_of, share, sum_of};
use crate::allocate::{Alike, UnitSplit, by_largest_remainder, to_units_clamped};
use crate::model::{PercentBase, Reduction, RoundingGrain};
use crate::rational::{Fraction, round};
use crate::reason::Because;
use crate::tax::MILLION;

pub(super) fn draft(
    applying: &Applying<'_>,
    reduction: &Reduction,
    picked: &[Picked],
) -> Result<Draft, Because> {
    let currency = applying.cart.currency;
    let wishes = match reduction {
        Reduction::Percent { ppm, base } => percent(applying, *ppm, *base, picked)?,
        Reduction::AmountOff(amounts) => {
            let amount = amounts.of(currency).unwrap_or(0);
            written(picked, |_| amount)
        }
        Reduction::FixedPrice(amounts) => {
            let price = amounts.of(currency).unwrap_or(i64::MAX);
            written(picked, |units| (units.left - price).max(0))
        }
    };
    finish(applying, picked, wishes)
}

/// What each line wants, and what its units get of it.
struct Wishes {
    base: i64,
    lines: Vec<Wish>,
    rounded: i128,
    splits: Vec<UnitSplit>,
}

struct Wish {
    line: usize,
    quantity: i64,
    base: i64,
    exact: Fraction,
    rounded: i128,
}

/// A percentage is rounded once, at the policy's grain (S-2.3).
fn percent(
    applying: &Applying<'_>,
    ppm: i32,
    base: PercentBase,
    picked: &[Picked],
) -> Result<Wishes, Because> {
    let weight = |units: &Picked| applying.base_of(units, base);
    let rounded = |exact: Fraction| round_percent(applying, exact, ppm);
    let lines: Vec<&[Picked]> = picked
        .chunk_by(|one, other| one.line == other.line)
        .collect();
    let bases: Vec<i64> = lines
        .iter()
        .map(|line| line.iter().map(|units| weight(units) * units.count).sum())
        .collect();
    let base_sum = bases.iter().sum();
    let amounts: Vec<i64> = match applying.policy.rounding_grain {
        RoundingGrain::Unit => Vec::new(),
        RoundingGrain::Line => bases
            .iter()
            .map(|base| rounded(share(*base, ppm)))
            .collect::<Result<_, _>>()?,
        RoundingGrain::Order => by_largest_remainder(rounded(share(base_sum, ppm))?, &bases),
    };
    let mut wishes = Wishes {
        base: base_sum,
        lines: Vec::new(),
        rounded: 0,
        splits: Vec::new(),
    };
    for (index, (line, base)) in lines.iter().zip(&bases).enumerate() {
        let line_rounded = if let Some(amount) = amounts.get(index) {
            let alike: Vec<Alike> = line
                .iter()
                .map(|units| alike(units, weight(units)))
                .collect();
            wishes.splits.extend(to_units_clamped(*amount, &alike));
            i128::from(*amount)
        } else {
            let mut sum = 0;
            for units in *line {
                let each = rounded(share(weight(units), ppm))?;
                wishes.splits.push(UnitSplit {
                    each: each.min(units.capacity),
                    raised: 0,
                });
                sum += i128::from(each) * i128::from(units.count);
            }
            sum
        };
        wishes.rounded += line_rounded;
        wishes.lines.push(Wish {
            line: line.first().map_or(0, |units| units.line),
            quantity: line.iter().map(|units| units.count).sum(),
            base: *base,
            exact: share(*base, ppm),
            rounded: line_rounded,
        });
    }
    Ok(wishes)
}

fn alike(units: &Picked, weight: i64) -> Alike {
    Alike {
        count: units.count,
        weight,
        capacity: units.capacity,
    }
}

/// The whole is never rounded: 100 % leaves exactly nothing.
pub(super) fn round_percent(
    applying: &Applying<'_>,
    exact: Fraction,
    ppm: i32,
) -> Result<i64, Because> {
    let policy = applying.policy;
    let increment = if i128::from(ppm) == MILLION {
        1
    } else {
        policy.increment(applying.cart.currency)
    };
    round(exact, policy.rounding_mode, increment).ok_or_else(Because::overflow)
}

/// An amount or a price that a merchant wrote is given as written, never rounded.
fn written(picked: &[Picked], each: impl Fn(&Picked) -> i64) -> Wishes {
    let mut wishes = Wishes {
        base: 0,
        lines: Vec::new(),
        rounded: 0,
        splits: Vec::new(),
    };
    for line in picked.chunk_by(|one, other| one.line == other.line) {
        let base = line.iter().map(|units| units.left * units.count).sum();
        let wanted: i128 = line
            .iter()
            .map(|units| i128::from(each(units)) * i128::from(units.count))
            .sum();
        wishes.base += base;
        wishes.rounded += wanted;
        wishes.splits.extend(line.iter().map(|units| UnitSplit {
            each: each(units).min(units.capacity),
            raised: 0,
        }));
        wishes.lines.push(Wish {
            line: line.first().map_or(0, |units| units.line),
            quantity: line.iter().map(|units| units.count).sum(),
            base,
            exact: Fraction {
                numerator: wanted,
                denominator: 1,
            },
            rounded: wanted,
        });
    }
    wishes
}

/// The cap limits what is given; one that isn't reached changes nothing (S-5.4).
fn finish(applying: &Applying<'_>, picked: &[Picked], wishes: Wishes) -> Result<Draft, Because> {
    let mut cuts = cuts_of(picked, &wishes.splits);
    let cap = applying.cap();
    let clamped: Vec<i64> = by_line(&cuts).map(sum_of).collect();
    if sum_of(&cuts) > cap {
        cuts = cut_down(&cuts, cap);
    }
    let given = by_line(&cuts).map(sum_of);
    let mut lines = Vec::with_capacity(wishes.lines.len());
    let mut exact = Fraction::whole(0);
    for ((wish, clamped), given) in wishes.lines.iter().zip(clamped).zip(given) {
        exact = Fraction {
            numerator: exact.numerator + wish.exact.numerator,
            denominator: wish.exact.denominator,
        };
        let refused = i64::try_from(wish.rounded).map_err(|_| Because::overflow())? - clamped;
        let (line, quantity, base) = (wish.line, wish.quantity, wish.base);
        lines.push(DraftLine {
            line,
            quantity,
            base,
            exact: wish.exact,
            given,
            refused,
        });
    }
    let rounded = i64::try_from(wishes.rounded).map_err(|_| Because::overflow())?;
    let given = sum_of(&cuts);
    Ok(Draft {
        base: wishes.base,
        exact,
        rounded,
        capped: rounded.min(cap),
        given,
        cuts,
        lines,
    })
}
