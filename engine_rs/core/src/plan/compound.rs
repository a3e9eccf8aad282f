//! Percentages of what is left, on the same goods: two of 10 % take off 19 %, never 20 %. What is left of a line
//! when all that come are taken is the least that can be left, since each leaves less of less and more of more.

use super::{Choice, Stop, Walk};
use crate::model::{Benefit, PercentBase, Reduction, RoundingGrain, SpreadAmount};
use crate::tax::MILLION;

impl Choice<'_> {
    /// Whether several percentages of what is left could fall on one line.
    pub(super) fn compounds(&self) -> bool {
        let mut seen = vec![false; self.request.cart.lines.len()];
        self.pricing.iter().filter(|stop| self.share_of_left(**stop).is_some()).any(|stop| {
            let lines = self.pools_of(*stop).and_then(|(_, pools)| pools.first());
            let mut again = false;
            for line in lines.into_iter().flatten() {
                again |= seen.get_mut(*line).is_some_and(|seen| std::mem::replace(seen, true));
            }
            again
        })
    }

    /// The most that the stops from one on add to a walk together.
    pub(super) fn most_together(&self, walk: &Walk, depth: usize, sets_max: i64) -> i64 {
        let mut left = vec![0_i64; self.request.cart.lines.len()];
        for run in walk.prices().runs() {
            if let Some(left) = left.get_mut(run.line) {
                *left = left.saturating_add(run.left * run.count);
            }
        }
        let mut most = 0_i64;
        for (place, stop) in self.pricing.iter().enumerate().skip(depth) {
            let share = self.share_of_left(*stop).zip(self.pools_of(*stop));
            let Some((ppm, (_, pools))) = share else {
                let sets_max = if place == depth { sets_max } else { i64::MAX };
                most = most.saturating_add(self.most_in_company(*stop, walk, sets_max));
                continue;
            };
            if !self.open.get(stop.open).is_some_and(|open| walk.admits(open)) {
                continue;
            }
            for line in pools.first().into_iter().flatten() {
                let taken = self.taken_at_most(*line, left.get(*line).copied().unwrap_or(0), ppm);
                most = most.saturating_add(taken);
                if let Some(left) = left.get_mut(*line) {
                    *left -= taken;
                }
            }
        }
        most
    }

    /// A share of what is left of a line, with all that rounding may add.
    fn taken_at_most(&self, line: usize, left: i64, ppm: i32) -> i64 {
        let policy = &self.ruleset.policy;
        let step = policy.increment(self.request.cart.currency);
        let roundings = match policy.rounding_grain {
            RoundingGrain::Unit => self.request.cart.lines.get(line).map_or(1, |line| line.quantity),
            RoundingGrain::Line | RoundingGrain::Order => 1,
        };
        let exact = i128::from(left) * i128::from(ppm) / MILLION;
        let most = exact + i128::from(step) * i128::from(roundings) + 1;
        i64::try_from(most).unwrap_or(i64::MAX).min(left)
    }

    /// The share that a promotion takes of what is left of all units of its lines, when it does just that.
    fn share_of_left(&self, stop: Stop) -> Option<i32> {
        let (open, step) = self.step(stop)?;
        let plain = open.promotion.steps.len() == 1
            && step.max_discount.is_empty()
            && open.allowance.is_none_or(|allowance| allowance.budget_left.is_none());
        match &step.benefit {
            Benefit::Reduce {
                reduction: Reduction::Percent { ppm, base: PercentBase::Current },
                units,
                ..
            } if plain && units.is_none() => Some(*ppm),
            Benefit::Spread { amount: SpreadAmount::Percent { ppm, base: PercentBase::Current }, .. }
                if plain =>
            {
                Some(*ppm)
            }
            _ => None,
        }
    }
}
