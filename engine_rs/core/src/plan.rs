//! Chooses which promotions are applied together (S-7). A plan is a compatible set of promotions, run
//! through the pipeline in its fixed order; the search over all plans is exact within its budget.

use crate::apply::{Applying, Draft, draft};
use crate::condition::{self, View};
use crate::evaluate::{Allowance, Request};
use crate::model::{Exclusive, Phase, Promotion, Selection, ShortBudget};
use crate::reason::{Because, Parameter, Reason};
use crate::ruleset::Ruleset;
use crate::units::{Mark, Prices};

/// A promotion that may be chosen.
pub(crate) struct Open<'a> {
    pub(crate) promotion: &'a Promotion,
    /// The places of the lines in its scope, rising.
    pub(crate) scope: Vec<usize>,
    pub(crate) allowance: Option<Allowance>,
}

/// The promotions that may be chosen for a cart, in pipeline order.
pub(crate) struct Choice<'a> {
    pub(crate) ruleset: &'a Ruleset,
    pub(crate) request: &'a Request<'a>,
    pub(crate) open: Vec<Open<'a>>,
}

/// The plan that was chosen, and how good it is known to be.
pub(crate) struct Plan {
    /// The places of the chosen promotions among the open ones, rising.
    pub(crate) chosen: Vec<usize>,
    pub(crate) benefit: i64,
    pub(crate) proof: Proof,
    /// How many nodes the search visited.
    pub(crate) nodes: i64,
}

/// What is known about how good a plan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// No other plan has a higher benefit.
    Proven,
    /// The search ended at its budget; another plan could be better by at most so much.
    Bounded(i64),
    /// The policy asks for priority, not for the best.
    NotSought,
}

/// A walk through the pipeline: what was taken so far, and what it left.
#[derive(Clone)]
pub(crate) struct Walk {
    prices: Prices,
    phase: Option<Phase>,
    pub(crate) taken: Vec<usize>,
    pub(crate) benefit: i64,
}

impl Walk {
    pub(crate) fn new(prices: Prices) -> Self {
        Self {
            prices,
            phase: None,
            taken: Vec::new(),
            benefit: 0,
        }
    }

    pub(crate) fn prices(&self) -> &Prices {
        &self.prices
    }

    /// Applies an open promotion that comes after everything taken so far, or says why it can't be.
    pub(crate) fn take(&mut self, choice: &Choice<'_>, place: usize) -> Result<Draft, Because> {
        let Some(open) = choice.open.get(place) else {
            return Err(Because::plain(Reason::NoEffect));
        };
        choice.check_company(open, &self.taken)?;
        self.enter(open.promotion.step.phase);
        choice.check_purchase(open, self)?;
        let draft = draft(&choice.applying(open, self.phase), &self.prices, false)?;
        choice.check_effect(open, &draft)?;
        let stacking = &open.promotion.stacking;
        self.prices.apply(
            &draft.cuts,
            Mark {
                closes: stacking.closes_units,
                groups: stacking.unit_groups,
            },
        );
        self.taken.push(place);
        self.benefit += draft.given;
        Ok(draft)
    }

    fn enter(&mut self, phase: Phase) {
        if self.phase != Some(phase) {
            self.phase = Some(phase);
            self.prices.start_phase();
        }
    }
}

impl Choice<'_> {
    /// Chooses by the policy of the ruleset.
    pub(crate) fn choose(&self, list: &Prices) -> Plan {
        match self.ruleset.policy.selection {
            Selection::Priority => {
                let walk = self.take_all(list);
                let nodes = i64::try_from(self.open.len()).unwrap_or(i64::MAX);
                Plan {
                    chosen: walk.taken,
                    benefit: walk.benefit,
                    proof: Proof::NotSought,
                    nodes,
                }
            }
            Selection::Best => self.search(list),
        }
    }

    /// Everything in pipeline order that is compatible with what was taken before.
    fn take_all(&self, list: &Prices) -> Walk {
        let mut walk = Walk::new(list.clone());
        for place in 0..self.open.len() {
            // What can't be taken is simply passed; its verdict is worked out from the final plan.
            let _refused = walk.take(self, place);
        }
        walk
    }

    /// Depth first, with before without, so that the first leaf is what `priority` would take. A branch
    /// is left when even its bound can't beat the best plan found (S-7.3).
    fn search(&self, list: &Prices) -> Plan {
        let mut best: Option<(i64, Vec<usize>)> = None;
        let mut nodes = 0;
        let mut stack = vec![(0, Walk::new(list.clone()))];
        let mut proof = Proof::Proven;
        while let Some((place, walk)) = stack.pop() {
            if best
                .as_ref()
                .is_some_and(|best| !self.may_beat(best, place, &walk))
            {
                continue;
            }
            if best.is_some() && nodes >= self.ruleset.policy.search_nodes_max {
                proof = self.gap(best.as_ref(), place, &walk, proof);
                continue;
            }
            nodes += 1;
            if place == self.open.len() {
                if best
                    .as_ref()
                    .is_none_or(|(benefit, taken)| beats(&walk, *benefit, taken))
                {
                    best = Some((walk.benefit, walk.taken));
                }
                continue;
            }
            let mut with = walk.clone();
            let taken = with.take(self, place).is_ok();
            stack.push((place + 1, walk));
            if taken {
                stack.push((place + 1, with));
            }
        }
        let (benefit, chosen) = best.unwrap_or_default();
        Plan {
            chosen,
            benefit,
            proof,
            nodes,
        }
    }

    fn may_beat(&self, (benefit, taken): &(i64, Vec<usize>), place: usize, walk: &Walk) -> bool {
        let bound = self.bound(place, walk);
        bound > *benefit || (bound == *benefit && walk.taken.len() < taken.len())
    }

    fn gap(
        &self,
        best: Option<&(i64, Vec<usize>)>,
        place: usize,
        walk: &Walk,
        proof: Proof,
    ) -> Proof {
        let over = self.bound(place, walk) - best.map_or(0, |(benefit, _)| *benefit);
        match proof {
            Proof::Bounded(gap) => Proof::Bounded(gap.max(over)),
            _ if over > 0 => Proof::Bounded(over),
            _ => proof,
        }
    }

    /// No plan that continues this walk has a higher benefit. Prices only fall, and what a promotion
    /// gives without limits on units only falls with them, so that what each could give right now adds
    /// up to a bound.
    fn bound(&self, place: usize, walk: &Walk) -> i64 {
        let still = self
            .open
            .iter()
            .skip(place)
            .filter(|open| self.check_company(open, &walk.taken).is_ok());
        let most = still.map(|open| self.most(open, walk));
        let together = most.fold(0_i64, i64::saturating_add);
        walk.benefit + together.min(walk.prices.total_left())
    }

    fn most(&self, open: &Open<'_>, walk: &Walk) -> i64 {
        let alone = draft(&self.applying(open, walk.phase), &walk.prices, true)
            .map_or(0, |draft| draft.given);
        match open.allowance.and_then(|allowance| allowance.budget_left) {
            Some(budget) => alone.min(budget.max(0)),
            None => alone,
        }
    }

    fn applying<'a>(&'a self, open: &'a Open<'a>, current: Option<Phase>) -> Applying<'a> {
        let partial = open.promotion.limits.on_short_budget == ShortBudget::Partial;
        let budget = open
            .allowance
            .and_then(|allowance| allowance.budget_left)
            .filter(|_| partial);
        Applying {
            cart: self.request.cart,
            policy: &self.ruleset.policy,
            promotion: open.promotion,
            scope: &open.scope,
            current,
            budget: budget.map(|budget| budget.max(0)),
        }
    }

    /// Refuses company that one of the two doesn't live with; conflicts are symmetric (S-7.1).
    fn check_company(&self, open: &Open<'_>, taken: &[usize]) -> Result<(), Because> {
        for other in taken.iter().filter_map(|place| self.open.get(*place)) {
            check_pair(self.ruleset, open.promotion, other.promotion)?;
        }
        Ok(())
    }

    fn check_purchase(&self, open: &Open<'_>, walk: &Walk) -> Result<(), Because> {
        let view = View {
            cart: self.request.cart,
            at: self.request.at,
            scope: &open.scope,
            prices: &walk.prices,
            current: walk.phase,
            phase: open.promotion.step.phase,
        };
        if let Some(threshold) = &open.promotion.step.min_purchase {
            condition::reached(threshold, &view)?;
        }
        open.promotion
            .condition
            .as_ref()
            .map_or(Ok(()), |condition| condition::check(condition, &view))
    }

    /// A promotion that would give nothing isn't applied; nor one that its budget can't pay.
    fn check_effect(&self, open: &Open<'_>, draft: &Draft) -> Result<(), Because> {
        let budget = open.allowance.and_then(|allowance| allowance.budget_left);
        if let Some(left) = budget.filter(|left| draft.given > *left || *left <= 0) {
            let currency = self.request.cart.currency;
            let money = |minor| Parameter::Money(currency, minor);
            let parameters = vec![("needed", money(draft.given)), ("had", money(left.max(0)))];
            return Err(Because {
                reason: Reason::Budget,
                parameters,
            });
        }
        if draft.given > 0 {
            return Ok(());
        }
        let untouched: i64 = draft.lines.iter().map(|line| line.quantity).sum();
        let in_scope: i64 = open
            .scope
            .iter()
            .filter_map(|place| self.request.cart.lines.get(*place))
            .map(|line| line.quantity)
            .sum();
        let all_open = untouched == in_scope || has_unit_limit(open.promotion);
        Err(Because::plain(if all_open {
            Reason::NoEffect
        } else {
            Reason::UnitsTaken
        }))
    }
}

fn has_unit_limit(promotion: &Promotion) -> bool {
    use crate::model::Benefit;
    matches!(&promotion.step.benefit, Benefit::Reduce { units, .. }
        if units.max_units.is_some() || units.max_units_per_line.is_some())
}

/// More benefit; of equal ones, fewer promotions. Of plans that are equal in both, the search meets
/// the one first that comes first in pipeline order.
fn beats(walk: &Walk, benefit: i64, taken: &[usize]) -> bool {
    walk.benefit > benefit || (walk.benefit == benefit && walk.taken.len() < taken.len())
}

fn check_pair(ruleset: &Ruleset, promotion: &Promotion, winner: &Promotion) -> Result<(), Because> {
    let (one, other) = (&promotion.stacking, &winner.stacking);
    let lowers_prices = promotion.step.phase != Phase::Reward && winner.step.phase != Phase::Reward;
    let same_phase = promotion.step.phase == winner.step.phase;
    let alone = |exclusive: Exclusive| match exclusive {
        Exclusive::No => false,
        Exclusive::Phase => same_phase,
        Exclusive::Order => true,
    };
    if lowers_prices && (alone(one.exclusive) || alone(other.exclusive)) {
        return Err(Because::text(Reason::Exclusive, "winner", &*winner.id));
    }
    if let Some(group) = one
        .order_groups
        .iter()
        .find(|group| other.order_groups.contains(group))
    {
        let name = ruleset.symbols.text(*group).to_owned();
        let parameters = vec![
            ("group", Parameter::Text(name)),
            ("winner", Parameter::Text(winner.id.to_string())),
        ];
        return Err(Because {
            reason: Reason::Group,
            parameters,
        });
    }
    Ok(())
}

impl Choice<'_> {
    /// Why an open promotion isn't in the plan: what refuses it beside the chosen ones, or how much
    /// less they would give together with it.
    pub(crate) fn why_not(&self, place: usize, plan: &Plan, list: &Prices) -> Because {
        let chosen = &plan.chosen;
        if let Some(open) = self.open.get(place)
            && let Err(because) = self.check_company(open, chosen)
        {
            return because;
        }
        let mut walk = Walk::new(list.clone());
        let mut own = None;
        for candidate in 0..self.open.len() {
            if candidate == place {
                own = walk.take(self, candidate).err();
            } else if chosen.binary_search(&candidate).is_ok() {
                let _refused = walk.take(self, candidate);
            }
        }
        own.unwrap_or_else(|| {
            let lost = plan.benefit - walk.benefit;
            Because::money(
                Reason::BetterPlan,
                "lost_by",
                self.request.cart.currency,
                lost,
            )
        })
    }
}
