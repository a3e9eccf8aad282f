//! Works out what a step takes off the prices as they stand (S-4 to S-6). Nothing here changes a
//! price: a draft says which units would lose how much, and the plan decides whether it is taken.

mod bound;
mod fill;
mod forming;
mod gift;
mod half;
mod pick;
mod reduce;
mod reward;
mod sets;
mod spread;
mod tiers;

use crate::allocate::{Alike, UnitSplit, by_largest_remainder, to_units};
use crate::model::{Amounts, Benefit, Cart, PercentBase, Phase, Policy, Promotion, Role, Step};
use crate::rational::{Fraction, round};
use crate::reason::Because;
use crate::symbols::Symbol;
use crate::tax::MILLION;
use crate::units::{Cut, Prices};

pub(crate) use bound::{most, most_worth, sets_at_most};
pub(crate) use pick::{Picked, open as open_units};
pub use reward::Promise;

/// What an application would do.
#[derive(Clone, Debug, Default)]
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
    /// The units that take part, in unit order.
    pub(crate) cuts: Vec<Cut>,
    /// The lines that take part, in cart order.
    pub lines: Vec<DraftLine>,
    /// How many sets were made.
    pub sets: i64,
    /// How many sets were formed; more than were made when some would have saved nothing.
    pub(crate) formed: i64,
    /// The gift that is added to the order.
    pub gift: Option<GiftDraft>,
    /// What is promised for later.
    pub reward: Option<Promise>,
    /// Whether the units that take part are used, so that no other set takes them.
    pub(crate) uses: bool,
    /// Whether it gives nothing because others have taken units.
    pub(crate) units_taken: bool,
}

impl Draft {
    /// What it counts for in the choice of the plan: price reductions and the value of gifts.
    pub fn benefit(&self) -> i64 {
        self.given.saturating_add(self.gift.map_or(0, |gift| gift.worth))
    }

    /// What its reward counts for among plans of equal benefit.
    pub fn reward_worth(&self) -> i64 {
        self.reward.as_ref().map_or(0, Promise::worth)
    }

    /// Whether it gives nothing at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.benefit() == 0 && self.reward.is_none()
    }

    /// What a budget pays for it: discounts, gifts and cashback.
    pub(crate) fn cost(&self) -> i64 {
        match &self.reward {
            Some(Promise::Cashback(minor, _)) => self.benefit().saturating_add(*minor),
            _ => self.benefit(),
        }
    }

    /// A draft that lowers no price.
    fn without_discount(base: i64) -> Self {
        Self { base, ..Self::default() }
    }
}

/// A gift that is added to the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GiftDraft {
    /// The product.
    pub product: Symbol,
    /// How many units are added; 0 when all were found in the cart.
    pub quantity: i64,
    /// What the added units are worth.
    pub value: i64,
    /// What the gift adds to the benefit beside price reductions: the added units, and what units that
    /// were found are worth more than their price.
    pub worth: i64,
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
#[derive(Clone, Copy)]
pub(crate) struct Applying<'a> {
    pub(crate) cart: &'a Cart,
    pub(crate) policy: &'a Policy,
    pub(crate) promotion: &'a Promotion,
    pub(crate) step: &'a Step,
    /// The lines of each of the step's selectors: their places, rising.
    pub(crate) pools: &'a [Vec<usize>],
    /// The phase that the pipeline is in.
    pub(crate) current: Option<Phase>,
    /// Whether another step of the promotion was run just before, whose base it shares.
    pub(crate) begun: bool,
    /// The bit of the promotion on the units that its earlier steps touched; 0 when it has one step.
    pub(crate) own: u64,
    /// What the budget still pays, when a part of the discount will do.
    pub(crate) budget: Option<i64>,
    /// What the budget has paid for the promotion's earlier steps.
    pub(crate) spent: i64,
    /// The most sets that the plan asks for.
    pub(crate) sets_max: i64,
}

/// Drafts the step at these prices.
pub(crate) fn draft(applying: &Applying<'_>, prices: &Prices) -> Result<Draft, Because> {
    let cap = &applying.step.max_discount;
    match &applying.step.benefit {
        Benefit::Reduce { reduction, units, .. } => {
            let picked = pick::units(applying, prices, applying.pool(0), Some(units));
            reduce::draft(applying, reduction, &picked)
        }
        Benefit::Spread { amount, .. } => spread::draft(applying, amount, cap, applying.pool(0), prices),
        Benefit::Set(offer) => sets::draft(applying, offer, prices),
        Benefit::Gift(gift) => gift::draft(applying, gift, applying.pools, prices),
        Benefit::Reward { reward, .. } => reward::draft(applying, reward, cap, applying.pool(0), prices),
        Benefit::Tiers(tiers) => tiers::draft(applying, tiers, prices),
    }
}

impl Applying<'_> {
    /// The lines of one of the step's selectors.
    fn pool(&self, selector: usize) -> &[usize] {
        self.pools.get(selector).map_or(&[], Vec::as_slice)
    }

    /// The most that one application may take off: the cap, or the budget when that is less.
    fn cap(&self, cap: &Amounts) -> i64 {
        let cap = cap.of(self.cart.currency).unwrap_or(i64::MAX);
        cap.min(self.budget.unwrap_or(i64::MAX))
    }

    /// The price of a picked unit that a percentage is taken of.
    fn base_of(&self, picked: &Picked, base: PercentBase) -> i64 {
        match base {
            PercentBase::Current => picked.base,
            PercentBase::List => picked.list,
            PercentBase::PhaseStart => picked.phase_start,
        }
    }

    /// Rounds a percentage as the policy says; the whole is never rounded, so that 100 % leaves
    /// exactly nothing (S-2.3).
    fn round_percent(&self, exact: Fraction, ppm: i32) -> Result<i64, Because> {
        let whole = i128::from(ppm) == MILLION;
        let increment = if whole { 1 } else { self.policy.increment(self.cart.currency) };
        round(exact, self.policy.rounding_mode, increment).ok_or_else(Because::overflow)
    }
}

/// A share of a value, in parts per million.
fn share(value: i64, ppm: i32) -> Fraction {
    Fraction { numerator: i128::from(value) * i128::from(ppm), denominator: MILLION }
}

/// Turns what each picked run of units loses into cuts, those of nothing included.
fn cuts_of(picked: &[Picked], splits: &[UnitSplit], role: Role) -> Vec<Cut> {
    let mut cuts = Vec::with_capacity(picked.len());
    for (units, split) in picked.iter().zip(splits) {
        cuts.extend(split_cut(&units.whole(role), *split));
    }
    cuts
}

/// Lays the cuts of each run side by side, in the order in which they come.
fn lay_out(cuts: &mut [Cut]) {
    cuts.sort_by_key(|cut| cut.run);
    let mut end = (usize::MAX, 0);
    for cut in cuts {
        if end.0 != cut.run {
            end = (cut.run, 0);
        }
        cut.skip = end.1;
        end.1 += cut.count;
    }
}

/// What each line gets, for the trace; exactly so much where nothing was rounded.
fn lines_of(cuts: &[Cut], prices: &Prices) -> Vec<DraftLine> {
    let left = |cut: &Cut| prices.runs().get(cut.run).map_or(0, |run| run.left);
    let line = |cuts: &[Cut]| {
        let given = sum_of(cuts);
        DraftLine {
            line: cuts.first().map_or(0, |cut| cut.line),
            quantity: cuts.iter().map(|cut| cut.count).sum(),
            base: cuts.iter().map(|cut| left(cut) * cut.count).sum(),
            exact: Fraction::whole(given),
            given,
            refused: 0,
        }
    };
    by_line(cuts).map(line).collect()
}

/// Some units of which the first lose one minor unit more than the rest.
fn split_cut(cut: &Cut, split: UnitSplit) -> impl Iterator<Item = Cut> {
    let raised = Cut { count: split.raised, each: split.each + 1, ..*cut };
    let rest =
        Cut { skip: cut.skip + split.raised, count: cut.count - split.raised, each: split.each, ..*cut };
    [raised, rest].into_iter().filter(|cut| cut.count > 0)
}

/// The cuts of each line, in cart order.
fn by_line(cuts: &[Cut]) -> impl Iterator<Item = &[Cut]> {
    cuts.chunk_by(|one, other| one.line == other.line)
}

/// Spreads the cap over the lines by what each was to get, and inside a line in the same way (S-5.4).
fn cut_down(cuts: &[Cut], cap: i64) -> Vec<Cut> {
    let wanted: Vec<i64> = by_line(cuts).map(sum_of).collect();
    let mut result = Vec::with_capacity(cuts.len());
    for (line, share) in by_line(cuts).zip(by_largest_remainder(cap, &wanted)) {
        let units: Vec<Alike> =
            line.iter().map(|cut| Alike { count: cut.count, weight: cut.each, capacity: cut.each }).collect();
        for (cut, split) in line.iter().zip(to_units(share, &units)) {
            result.extend(split_cut(cut, split));
        }
    }
    result
}

fn sum_of(cuts: &[Cut]) -> i64 {
    cuts.iter().map(|cut| cut.each * cut.count).sum()
}
