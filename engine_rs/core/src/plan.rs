//! Chooses which promotions are applied together (S-7). A plan is a compatible set of promotions, with
//! a number of sets for each offer on sets, run through the pipeline in its fixed order.

mod basket;
mod company;
mod compound;
mod ending;
mod market;
mod parts;
mod rest;
mod search;
mod shadow;
mod unroll;
mod walk;

use std::rc::Rc;

use smallvec::smallvec;

use crate::apply::{Applying, most};
use crate::eligibility::Scope;
use crate::evaluation::Proof;
use crate::model::{Benefit, Phase, Promotion, Selection, ShortBudget, Step};
use crate::reason::{Because, Parameter, Reason};
use crate::request::{Allowance, Request};
use crate::ruleset::Ruleset;
use crate::units::Prices;

use walk::Moment;
pub(crate) use walk::Walk;

/// A promotion that may be chosen.
pub(crate) struct Open<'a> {
    /// Its place in the ruleset.
    pub(crate) place: usize,
    pub(crate) promotion: &'a Promotion,
    /// The lines that it is about.
    pub(crate) scope: Scope,
    pub(crate) allowance: Option<Allowance>,
    /// The place of its verdict, when one is wanted.
    pub(crate) verdict: Option<usize>,
}

/// The bit of all promotions that have one step, or for which no other bit is left.
const SHARED_BIT: u64 = 1 << 63;

/// One step of one open promotion in the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    /// The promotion's place among the open ones.
    pub(crate) open: usize,
    /// The step's place in the promotion.
    pub(crate) step: usize,
}

/// The promotions that may be chosen for a cart, and the pipeline of their steps.
pub(crate) struct Choice<'a> {
    pub(crate) ruleset: &'a Ruleset,
    pub(crate) request: &'a Request<'a>,
    pub(crate) open: Rc<[Open<'a>]>,
    /// The steps that lower prices, in pipeline order.
    pub(crate) pricing: Vec<Stop>,
    /// The steps of the reward phase, in pipeline order.
    pub(crate) rewarding: Vec<Stop>,
}

/// The plan that was chosen, and how good it is known to be.
pub(crate) struct Plan {
    /// What is run, with the number of sets that the plan asks for.
    pub(crate) taken: Vec<(Stop, i64)>,
    pub(crate) benefit: i64,
    pub(crate) proof: Proof,
    /// How many nodes the search visited.
    pub(crate) nodes: i64,
}

impl<'a> Choice<'a> {
    /// The pipeline of some promotions, which are in the order of the ruleset.
    pub(crate) fn new(ruleset: &'a Ruleset, request: &'a Request<'a>, open: Vec<Open<'a>>) -> Self {
        let mut stops: Vec<Stop> = open
            .iter()
            .enumerate()
            .flat_map(|(open, of)| (0..of.promotion.steps.len()).map(move |step| Stop { open, step }))
            .collect();
        let rank = |stop: &Stop| {
            let promotion = open.get(stop.open).map(|open| open.promotion);
            let phase = promotion.and_then(|promotion| promotion.steps.get(stop.step)).map(|step| step.phase);
            (
                phase,
                promotion.map(|promotion| (std::cmp::Reverse(promotion.priority), &promotion.id)),
                stop.step,
            )
        };
        // Promotions of one step each are in the order of the pipeline already.
        if stops.iter().any(|stop| stop.step > 0) {
            stops.sort_by(|one, other| rank(one).cmp(&rank(other)));
        }
        let rewards = |stop: &Stop| rank(stop).0 == Some(Phase::Reward);
        let (rewarding, pricing) = stops.into_iter().partition(rewards);
        Self { ruleset, request, open: open.into(), pricing, rewarding }
    }

    /// The same choice with some of its steps that lower prices, and without rewards.
    fn part(&self, pricing: Vec<Stop>) -> Self {
        let (ruleset, request, open) = (self.ruleset, self.request, Rc::clone(&self.open));
        Self { ruleset, request, open, pricing, rewarding: Vec::new() }
    }

    /// Chooses by the policy of the ruleset.
    pub(crate) fn choose(&self, list: &Prices) -> Plan {
        match self.ruleset.policy.selection {
            Selection::Best => search::best(self, list),
            Selection::Priority => {
                let walk = self.take_all(list, &mut Vec::new());
                let nodes = i64::try_from(self.pricing.len()).unwrap_or(i64::MAX);
                Plan { benefit: walk.benefit, taken: walk.taken, proof: Proof::NotSought, nodes }
            }
        }
    }

    /// Everything in pipeline order that is compatible with what was taken before. A promotion of several
    /// steps that turns out to give nothing is left out, and the walk done again.
    fn take_all(&self, list: &Prices, left_out: &mut Vec<usize>) -> Walk {
        let mut walk = Walk::new(list.clone());
        for stop in self.pricing.iter().chain(&self.rewarding) {
            if !left_out.contains(&stop.open) && (stop.step == 0 || walk.has_taken(stop.open)) {
                // What can't be taken is simply passed; its verdict is worked out from the final plan.
                let refused = walk.take(self, *stop, i64::MAX).is_err();
                if refused && stop.step > 0 {
                    left_out.push(stop.open);
                    return self.take_all(list, left_out);
                }
            }
        }
        match walk.gives_nothing() {
            Some(open) => {
                left_out.push(open);
                self.take_all(list, left_out)
            }
            None => walk,
        }
    }

    pub(crate) fn step(&self, stop: Stop) -> Option<(&Open<'a>, &'a Step)> {
        let open = self.open.get(stop.open)?;
        Some((open, open.promotion.steps.get(stop.step)?))
    }

    /// What a draft of the step is made for.
    pub(crate) fn applying<'b>(
        &'b self,
        open: &'b Open<'a>,
        stop: Stop,
        step: &'b Step,
        moment: Moment,
        sets_max: i64,
    ) -> Applying<'b> {
        let partial = open.promotion.limits.on_short_budget == ShortBudget::Partial;
        let budget = open.allowance.and_then(|allowance| allowance.budget_left).filter(|_| partial);
        Applying {
            cart: self.request.cart,
            policy: &self.ruleset.policy,
            promotion: open.promotion,
            step,
            pools: open.scope.pools(stop.step),
            current: moment.phase,
            begun: moment.begun,
            own: self.bit(stop.open) & !SHARED_BIT,
            budget: budget.map(|budget| budget.saturating_sub(moment.given).max(0)),
            spent: moment.given,
            sets_max,
        }
    }

    /// The bit with which a promotion marks the units that it touches.
    fn bit(&self, open: usize) -> u64 {
        let several = |open: &Open<'_>| open.promotion.steps.len() > 1;
        if !self.open.get(open).is_some_and(several) {
            return SHARED_BIT;
        }
        let before = self.open.iter().take(open).filter(|open| several(open)).count();
        if before < 63 { 1 << before } else { SHARED_BIT }
    }

    /// What a stop gives, and the lines of each of its selectors.
    fn pools_of(&self, stop: Stop) -> Option<(&Benefit, &[Vec<usize>])> {
        let (open, step) = self.step(stop)?;
        Some((&step.benefit, open.scope.pools(stop.step)))
    }

    /// The most that a stop could still add to a walk.
    fn most(&self, stop: Stop, walk: &Walk, sets_max: i64) -> i64 {
        let Some((open, step)) = self.step(stop) else { return 0 };
        let alone = most(&self.applying(open, stop, step, walk.moment(stop.open), sets_max), walk.prices());
        match open.allowance.and_then(|allowance| allowance.budget_left) {
            Some(budget) => alone.min(budget.max(0)),
            None => alone,
        }
    }

    /// Refuses company that one of the two doesn't live with, and says who it is.
    pub(crate) fn check_company(&self, open: usize, taken: &[(Stop, i64)]) -> Result<(), Because> {
        let Some(own) = self.open.get(open) else { return Ok(()) };
        let others = || {
            let promotions = taken.iter().filter(|(stop, _)| stop.step == 0 && stop.open != open);
            promotions.filter_map(|(stop, _)| self.open.get(stop.open)).map(|open| open.promotion)
        };
        others().try_for_each(|other| check_exclusive(own.promotion, other))?;
        others().try_for_each(|other| check_groups(self.ruleset, own.promotion, other))
    }
}

fn check_exclusive(promotion: &Promotion, winner: &Promotion) -> Result<(), Because> {
    if company::exclude_each_other(promotion, winner) {
        return Err(Because::text(Reason::Exclusive, "winner", &*winner.id));
    }
    Ok(())
}

fn check_groups(ruleset: &Ruleset, promotion: &Promotion, winner: &Promotion) -> Result<(), Because> {
    let (own, others) = (&promotion.stacking.order_groups, &winner.stacking.order_groups);
    let Some(group) = own.iter().find(|group| others.contains(group)) else { return Ok(()) };
    let name = Parameter::Text(ruleset.symbols.text(*group).into());
    let winner = Parameter::Text((&*winner.id).into());
    Err(Because { reason: Reason::Group, parameters: smallvec![("group", name), ("winner", winner)] })
}
