//! What a plan comes to at its end: its rewards, and whether budgets pay for it.

use super::walk::Moment;
use super::{Choice, Stop, Walk};
use crate::apply::most_worth;
use crate::model::Benefit;
use crate::units::Prices;

impl Choice<'_> {
    /// A plan with its rewards; nothing when one of its promotions can't be run to the end, or gives
    /// nothing in all of its steps. Promotions of rewards alone are left out in that case.
    pub(super) fn with_rewards(&self, priced: Walk) -> Option<Walk> {
        if self.rewarding.is_empty() {
            return priced.gives_nothing().is_none().then_some(priced);
        }
        let only_rewards = |open: usize| self.rewarding.contains(&Stop { open, step: 0 });
        let mut left_out: Vec<usize> = Vec::new();
        loop {
            let mut walk = priced.clone();
            let mut fails = None;
            for stop in self.rewarding.iter().filter(|stop| !left_out.contains(&stop.open)) {
                if stop.step == 0 {
                    let _refused = walk.take(self, *stop, i64::MAX);
                } else if walk.has_taken(stop.open) && walk.take(self, *stop, i64::MAX).is_err() {
                    fails = Some(stop.open);
                    break;
                }
            }
            match fails.or_else(|| walk.gives_nothing()) {
                None => return Some(walk),
                Some(open) if only_rewards(open) => left_out.push(open),
                Some(_) => return None,
            }
        }
    }

    /// Whether budgets could pay their promotions of several steps with all the sets that these could form
    /// beside the others; to form fewer is no way to save it (S-9.3).
    pub(super) fn budgets_pay_all_sets(&self, plan: &Walk, list: &Prices) -> bool {
        let in_sets = |(stop, _): &&(Stop, i64)| {
            let Some((open, step)) = self.step(*stop) else { return false };
            self.has_budget(*stop)
                && open.promotion.steps.len() > 1
                && matches!(step.benefit, Benefit::Set(_))
        };
        plan.taken.iter().filter(in_sets).all(|(of, _)| {
            let mut walk = Walk::new(list.clone());
            plan.taken.iter().all(|(stop, sets)| {
                let own = stop.open == of.open;
                let taken = walk.take(self, *stop, if own { i64::MAX } else { *sets });
                taken.is_ok() || !own
            })
        })
    }

    pub(super) fn has_budget(&self, stop: Stop) -> bool {
        let allowance = self.open.get(stop.open).and_then(|open| open.allowance);
        allowance.is_some_and(|allowance| allowance.budget_left.is_some())
    }

    /// How many promotions of a plan lower prices.
    pub(super) fn pricing_count(&self, walk: &Walk) -> usize {
        let prices = |stop: &Stop| stop.step == 0 && !self.rewarding.contains(stop);
        walk.taken.iter().filter(|(stop, _)| prices(stop)).count()
    }

    /// No plan's rewards count for more than all of them at list prices.
    pub(super) fn most_rewards(&self, list: &Prices) -> i64 {
        let worth = |stop: &Stop| {
            let (open, step) = self.step(*stop)?;
            Some(most_worth(&self.applying(open, *stop, step, Moment::default(), i64::MAX), list))
        };
        self.pricing.iter().chain(&self.rewarding).filter_map(worth).fold(0, i64::saturating_add)
    }
}
