//! Works out what a promotion takes off the prices as they stand (S-4 to S-6). Nothing here changes
//! a price: a draft says which units would lose how much, and the plan decides whether it is taken.

mod pick;
mod reduce;
mod spread;

use crate::allocate::{Alike, UnitSplit, by_largest_remainder, to_units};
use crate::model::{Benefit, Cart, PercentBase, Phase, Policy, Promotion};
use crate::rational::Fraction;
use crate::reason::Because;
use crate::tax::MILLION;
use crate::units::{Cut, Prices};

pub(crate) use pick::Picked;

/// What an application would do.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The value that the discount was computed from.
    pub base: i64,
    /// The discount before rounding.
    pub exact: Fraction,
    /// The discount after its one rounding.
    pub rounded: i64,
    /// What the cap and the budget leave of it.
    pub capped: i64,
    /// What prices left and floors let through.
    pub given: i64,
    /// The units touched, in unit order.
    pub(crate) cuts: Vec<Cut>,
    /// The lines touched, in cart order.
    pub lines: Vec<DraftLine>,
}

/// The part of one line in a draft.
#[derive(Clone, Debug)]
pub struct DraftLine {
    /// The line's place in the cart.
    pub line: usize,
    /// How many of its units take part.
    pub quantity: i64,
    /// Their value that the discount was computed from.
    pub base: i64,
    /// The line's exact share.
    pub exact: Fraction,
    /// What the line gets.
    pub given: i64,
    /// What floors and prices left refused of the line's share.
    pub refused: i64,
}

/// What a draft is made for.
pub(crate) struct Applying<'a> {
    pub(crate) cart: &'a Cart,
    pub(crate) policy: &'a Policy,
    pub(crate) promotion: &'a Promotion,
    /// The places of the lines in scope, rising.
    pub(crate) scope: &'a [usize],
    /// The phase that the pipeline is in.
    pub(crate) current: Option<Phase>,
    /// What the budget still pays, when a part of the discount will do.
    pub(crate) budget: Option<i64>,
}

/// Drafts the promotion's step at these prices. `any_units` leaves limits on units out, which can
/// only give more: that is how the search bounds what a promotion could still bring.
pub(crate) fn draft(
    applying: &Applying<'_>,
    prices: &Prices,
    any_units: bool,
) -> Result<Draft, Because> {
    match &applying.promotion.step.benefit {
        Benefit::Reduce { reduction, units } => {
            let limit = if any_units { None } else { Some(units) };
            reduce::draft(applying, reduction, &pick::units(applying, prices, limit))
        }
        Benefit::SpreadPercent { ppm, base } => {
            spread::percent(applying, *ppm, *base, &pick::units(applying, prices, None))
        }
        Benefit::SpreadAmount(amounts) => {
            let amount = amounts.of(applying.cart.currency).unwrap_or(0);
            spread::amount(applying, amount, &pick::units(applying, prices, None))
        }
    }
}

impl Applying<'_> {
    /// The most that one application may take off: the cap, or the budget when that is less.
    fn cap(&self) -> i64 {
        let cap = self.promotion.step.max_discount.of(self.cart.currency);
        cap.unwrap_or(i64::MAX).min(self.budget.unwrap_or(i64::MAX))
    }

    /// The price of a picked unit that a percentage is taken of.
    fn base_of(&self, picked: &Picked, base: PercentBase) -> i64 {
        match base {
            PercentBase::Current => picked.left,
            PercentBase::List => picked.list,
            PercentBase::PhaseStart => picked.phase_start,
        }
    }
}

/// A share of a value, in parts per million.
fn share(value: i64, ppm: i32) -> Fraction {
    Fraction {
        numerator: i128::from(value) * i128::from(ppm),
        denominator: MILLION,
    }
}

/// Turns what each picked run of units loses into cuts, those of nothing included.
fn cuts_of(picked: &[Picked], splits: &[UnitSplit]) -> Vec<Cut> {
    let mut cuts = Vec::with_capacity(picked.len());
    for (units, split) in picked.iter().zip(splits) {
        let whole = Cut {
            run: units.run,
            line: units.line,
            skip: 0,
            count: units.count,
            each: 0,
        };
        cuts.extend(split_cut(&whole, *split));
    }
    cuts
}

/// Some units of which the first lose one minor unit more than the rest.
fn split_cut(cut: &Cut, split: UnitSplit) -> impl Iterator<Item = Cut> {
    let raised = Cut {
        count: split.raised,
        each: split.each + 1,
        ..*cut
    };
    let rest = Cut {
        skip: cut.skip + split.raised,
        count: cut.count - split.raised,
        each: split.each,
        ..*cut
    };
    [raised, rest].into_iter().filter(|cut| cut.count > 0)
}

/// The cuts of each line, in cart order.
fn by_line(cuts: &[Cut]) -> impl Iterator<Item = &[Cut]> {
    cuts.chunk_by(|one, other| one.line == other.line)
}

/// Spreads the cap over the lines by what each was to get, and inside a line in the same way.
fn cut_down(cuts: &[Cut], cap: i64) -> Vec<Cut> {
    let wanted: Vec<i64> = by_line(cuts).map(sum_of).collect();
    let mut result = Vec::with_capacity(cuts.len());
    for (line, share) in by_line(cuts).zip(by_largest_remainder(cap, &wanted)) {
        let units: Vec<Alike> = line
            .iter()
            .map(|cut| Alike {
                count: cut.count,
                weight: cut.each,
                capacity: cut.each,
            })
            .collect();
        for (cut, split) in line.iter().zip(to_units(share, &units)) {
            result.extend(split_cut(cut, split));
        }
    }
    result
}

fn sum_of(cuts: &[Cut]) -> i64 {
    cuts.iter().map(|cut| cut.each * cut.count).sum()
}
