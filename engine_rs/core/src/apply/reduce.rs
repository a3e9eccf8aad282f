//! `reduce`: lowers the price of single units. What a unit's floor refuses is lost, since the
//! reduction of a unit is about that unit (S-5.5).

use super::{Applying, Draft, DraftLine, Picked, by_line, cut_down, cuts_of, share, sum_of};
use crate::allocate::{Alike, UnitSplit, by_largest_remainder, to_units_clamped};
use crate::model::{PercentBase, Reduction, Role, RoundingGrain};
use crate::rational::Fraction;
use crate::reason::Because;
use crate::units::Cut;

pub(super) fn draft(
    applying: &Applying<'_>,
    reduction: &Reduction,
    picked: &[Picked],
) -> Result<Draft, Because> {
    let wishes = wishes(applying, reduction, picked)?;
    let cuts = cuts_of(picked, &wishes.splits, Role::Plain);
    finish(applying, &wishes, cuts)
}

/// What each line wants, and what its units get of it.
pub(super) struct Wishes {
    pub(super) base: i64,
    pub(super) lines: Vec<Wish>,
    pub(super) rounded: i128,
    /// What each picked run of units gets.
    pub(super) splits: Vec<UnitSplit>,
}

pub(super) struct Wish {
    pub(super) line: usize,
    quantity: i64,
    base: i64,
    pub(super) exact: Fraction,
    rounded: i128,
}

/// What a reduction wants of the picked units, and what each can take of it.
pub(super) fn wishes(
    applying: &Applying<'_>,
    reduction: &Reduction,
    picked: &[Picked],
) -> Result<Wishes, Because> {
    let currency = applying.cart.currency;
    Ok(match reduction {
        Reduction::Percent { ppm, base } => percent(applying, *ppm, *base, picked)?,
        Reduction::AmountOff(amounts) => {
            let amount = amounts.of(currency).unwrap_or(0);
            written(picked, |_| amount)
        }
        Reduction::FixedPrice(amounts) => {
            let price = amounts.of(currency).unwrap_or(i64::MAX);
            written(picked, |units| (units.left - price).max(0))
        }
    })
}

/// A percentage is rounded once, at the policy's grain (S-2.3).
fn percent(
    applying: &Applying<'_>,
    ppm: i32,
    base: PercentBase,
    picked: &[Picked],
) -> Result<Wishes, Because> {
    let weight = |units: &Picked| applying.base_of(units, base);
    let rounded = |exact: Fraction| applying.round_percent(exact, ppm);
    let lines: Vec<&[Picked]> = picked.chunk_by(|one, other| one.line == other.line).collect();
    let bases: Vec<i64> =
        lines.iter().map(|line| line.iter().map(|units| weight(units) * units.count).sum()).collect();
    let base_sum = bases.iter().sum();
    let amounts: Vec<i64> = match applying.policy.rounding_grain {
        RoundingGrain::Unit => Vec::new(),
        RoundingGrain::Line => {
            bases.iter().map(|base| rounded(share(*base, ppm))).collect::<Result<_, _>>()?
        }
        RoundingGrain::Order => by_largest_remainder(rounded(share(base_sum, ppm))?, &bases),
    };
    let mut wishes = Wishes { base: base_sum, lines: Vec::new(), rounded: 0, splits: Vec::new() };
    for (index, (line, base)) in lines.iter().zip(&bases).enumerate() {
        let line_rounded = if let Some(amount) = amounts.get(index) {
            let alike: Vec<Alike> = line.iter().map(|units| alike(units, weight(units))).collect();
            wishes.splits.extend(to_units_clamped(*amount, &alike));
            i128::from(*amount)
        } else {
            let mut sum = 0;
            for units in *line {
                let each = rounded(share(weight(units), ppm))?;
                wishes.splits.push(UnitSplit { each: each.min(units.capacity), raised: 0 });
                sum += i128::from(each) * i128::from(units.count);
            }
            sum
        };
        wishes.add(line, *base, share(*base, ppm), line_rounded);
    }
    Ok(wishes)
}

fn alike(units: &Picked, weight: i64) -> Alike {
    Alike { count: units.count, weight, capacity: units.capacity }
}

/// An amount or a price that a merchant wrote is given as written, never rounded.
fn written(picked: &[Picked], each: impl Fn(&Picked) -> i64) -> Wishes {
    let mut wishes = Wishes { base: 0, lines: Vec::new(), rounded: 0, splits: Vec::new() };
    for line in picked.chunk_by(|one, other| one.line == other.line) {
        let base = line.iter().map(|units| units.left * units.count).sum();
        let wanted: i128 = line.iter().map(|units| i128::from(each(units)) * i128::from(units.count)).sum();
        wishes.base += base;
        wishes
            .splits
            .extend(line.iter().map(|units| UnitSplit { each: each(units).min(units.capacity), raised: 0 }));
        wishes.add(line, base, Fraction { numerator: wanted, denominator: 1 }, wanted);
    }
    wishes
}

impl Wishes {
    fn add(&mut self, line: &[Picked], base: i64, exact: Fraction, rounded: i128) {
        self.rounded += rounded;
        self.lines.push(Wish {
            line: line.first().map_or(0, |units| units.line),
            quantity: line.iter().map(|units| units.count).sum(),
            base,
            exact,
            rounded,
        });
    }
}

/// The cap limits what is given; one that isn't reached changes nothing (S-5.4).
fn finish(applying: &Applying<'_>, wishes: &Wishes, mut cuts: Vec<Cut>) -> Result<Draft, Because> {
    let cap = applying.cap(&applying.step.max_discount);
    let clamped: Vec<i64> = by_line(&cuts).map(sum_of).collect();
    if sum_of(&cuts) > cap {
        cuts = cut_down(&cuts, cap);
    }
    let given = by_line(&cuts).map(sum_of);
    let mut lines = Vec::with_capacity(wishes.lines.len());
    let mut exact = Fraction::whole(0);
    for ((wish, clamped), given) in wishes.lines.iter().zip(clamped).zip(given) {
        exact = exact.plus(wish.exact);
        let refused = i64::try_from(wish.rounded).map_err(|_| Because::overflow())? - clamped;
        let (line, quantity, base) = (wish.line, wish.quantity, wish.base);
        lines.push(DraftLine { line, quantity, base, exact: wish.exact, given, refused });
    }
    let rounded = i64::try_from(wishes.rounded).map_err(|_| Because::overflow())?;
    let given = sum_of(&cuts);
    let capped = rounded.min(cap);
    Ok(Draft { exact, rounded, capped, given, cuts, lines, ..Draft::without_discount(wishes.base) })
}
