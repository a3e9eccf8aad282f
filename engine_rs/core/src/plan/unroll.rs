//! Runs the chosen plan once more, and records what each step did and why the others weren't chosen.

use super::{Choice, Open, Plan, Stop, Walk};
use crate::apply::Draft;
use crate::evaluation::{Applied, TouchedUnits, Verdict};
use crate::reason::{Because, Reason};
use crate::units::Prices;

/// What came of a plan.
pub(crate) struct Unrolled {
    pub(crate) applied: Vec<Applied>,
    /// What is left to pay.
    pub(crate) prices: Prices,
}

impl Choice<'_> {
    /// Walks the whole pipeline: takes what the plan takes, and tries the rest where it would have come. Says in the
    /// verdicts what became of each.
    pub(crate) fn unroll(&self, plan: &Plan, list: &Prices, verdicts: &mut [Verdict]) -> Unrolled {
        let mut walk = Walk::new(list.clone());
        let mut applied: Vec<Applied> = Vec::with_capacity(plan.taken.len());
        let mut judge = |open: &Open<'_>, because: Because| {
            if let Some(verdict) = open.verdict.and_then(|place| verdicts.get_mut(place)) {
                verdict.because = because;
            }
        };
        let stops: Vec<Stop> = self.pricing.iter().chain(&self.rewarding).copied().collect();
        for (position, stop) in stops.iter().enumerate() {
            let Some((open, step)) = self.step(*stop) else { continue };
            if let Some(sets) = plan.sets_of(*stop) {
                let Ok(draft) = walk.consider(self, *stop, sets) else { continue };
                let units = touched_units(walk.prices(), &draft);
                walk.commit(self, *stop, sets, &draft);
                if !draft.is_empty() {
                    let (promotion, phase) = (open.place, step.phase);
                    applied.push(Applied { promotion, step: step.number, phase, draft, units });
                }
            } else if open.verdict.is_some() && stop.step == 0 {
                let ahead = stops.get(position..).unwrap_or(&[]);
                judge(open, self.why_not(stop.open, plan, &walk, [&stops, ahead], list));
            }
        }
        for open in self.open.iter() {
            let mut drafts = applied.iter().filter(|applied| applied.promotion == open.place).peekable();
            if drafts.peek().is_some() {
                let discount = drafts.map(|applied| applied.draft.given).sum();
                let currency = self.request.cart.currency;
                judge(open, Because::money(Reason::Applied, "discount", currency, discount));
            }
        }
        Unrolled { applied, prices: walk.into_prices() }
    }

    /// Why an open promotion isn't in the plan: what refuses it beside the chosen ones, or how much less
    /// they would give together with it. The walk has come to its first step.
    fn why_not(
        &self,
        open: usize,
        plan: &Plan,
        walk: &Walk,
        [stops, ahead]: [&[Stop]; 2],
        list: &Prices,
    ) -> Because {
        if let Err(because) = self.check_company(open, &plan.taken) {
            return because;
        }
        let beside = match self.beside(open, plan, walk, [stops, ahead], list) {
            Err(because) if because.reason == Reason::Budget => {
                return self.short_budget(open, plan, walk, ahead).unwrap_or(because);
            }
            Err(because) => return because,
            Ok(beside) => beside,
        };
        if let Some(reason) = beside.why_nothing(open) {
            return self.short_budget(open, plan, walk, ahead).unwrap_or(Because::plain(reason));
        }
        let lost = plan.benefit.saturating_sub(beside.benefit);
        Because::money(Reason::BetterPlan, "lost_by", self.request.cart.currency, lost)
    }

    /// The plan with a promotion added, and without what can't be run beside it; or why the added one can't.
    fn beside(
        &self,
        open: usize,
        plan: &Plan,
        before: &Walk,
        [stops, ahead]: [&[Stop]; 2],
        list: &Prices,
    ) -> Result<Walk, Because> {
        let (mut walk, mut ahead) = (before.clone(), ahead);
        let mut lost: Vec<usize> = Vec::new();
        'again: loop {
            for stop in ahead {
                let own = stop.open == open;
                let begun = stop.step == 0 || walk.has_taken(stop.open);
                let planned = plan.sets_of(*stop).filter(|_| begun && !lost.contains(&stop.open));
                let asked = if own { Some(i64::MAX) } else { planned };
                let Some(sets) = asked else { continue };
                match walk.take(self, *stop, sets) {
                    Err(because) if own => return Err(because),
                    Err(_) if stop.step > 0 => {
                        // What it gave in earlier steps is lost as well.
                        lost.push(stop.open);
                        (walk, ahead) = (Walk::new(list.clone()), stops);
                        continue 'again;
                    }
                    Ok(_) | Err(_) => {}
                }
            }
            return Ok(walk);
        }
    }
}

impl Choice<'_> {
    /// What all steps of a promotion would cost together without its budget, when it has several (S-9.3).
    fn short_budget(&self, open: usize, plan: &Plan, before: &Walk, ahead: &[Stop]) -> Option<Because> {
        let of = self.open.get(open).filter(|of| of.promotion.steps.len() > 1)?;
        let had = of.allowance.and_then(|allowance| allowance.budget_left)?.max(0);
        let mut walk = before.clone();
        walk.ignore_budget_of(open);
        for stop in ahead {
            let sets = if stop.open == open { Some(i64::MAX) } else { plan.sets_of(*stop) };
            if let Some(sets) = sets {
                let _refused = walk.take(self, *stop, sets);
            }
        }
        let needed = Some(walk.cost_of(open)).filter(|needed| *needed > 0)?;
        Some(Because::amounts(Reason::Budget, self.request.cart.currency, needed, had))
    }
}

impl Plan {
    /// The number of sets that the plan asks of a stop, when it takes it.
    fn sets_of(&self, stop: Stop) -> Option<i64> {
        self.taken.iter().find(|(taken, _)| *taken == stop).map(|(_, sets)| *sets)
    }
}

/// Where in their lines the units lie that took part: those that were lowered, and those that have a
/// role in a set at discount 0 too, since returns need it (S-6.6).
fn touched_units(before: &Prices, draft: &Draft) -> Vec<TouchedUnits> {
    let mut units: Vec<TouchedUnits> = Vec::with_capacity(draft.cuts.len());
    let mut cuts = draft.cuts.iter().peekable();
    let (mut line, mut first) = (0, 0);
    for (index, run) in before.runs().iter().enumerate() {
        if run.line != line {
            (line, first) = (run.line, 0);
        }
        while let Some(cut) = cuts.next_if(|cut| cut.run == index) {
            let (first_unit, count, each, role) = (first + cut.skip, cut.count, cut.each, cut.role);
            let touched = TouchedUnits { line, first_unit, count, each, role };
            match units.last_mut() {
                Some(last) if last.joins(&touched) => last.count += count,
                _ if each > 0 || draft.uses => units.push(touched),
                _ => {}
            }
        }
        first += run.count;
    }
    units
}
