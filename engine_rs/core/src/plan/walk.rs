//! A walk through the pipeline: what was taken so far, and what it left.

use super::company::Company;
use super::{Choice, Open, Stop};
use crate::apply::{self, Applying, Draft, Picked};
use crate::condition::{self, View};
use crate::model::{Benefit, Condition, Phase};
use crate::reason::{Because, Reason};
use crate::symbols::Symbol;
use crate::units::{Mark, Prices};

/// What was taken so far, and the prices that it left.
#[derive(Clone)]
pub(crate) struct Walk {
    prices: Prices,
    phase: Option<Phase>,
    /// The promotion of several steps that was run last.
    promotion: Option<usize>,
    /// A promotion whose budget isn't asked, to see what it would cost.
    without_budget: Option<usize>,
    /// What was run, with the number of sets that was asked for.
    pub(crate) taken: Vec<(Stop, i64)>,
    /// Whom what was taken lives with.
    company: Company,
    /// What each promotion of several steps has given so far.
    given: Vec<(usize, Given)>,
    /// Price reductions and the value of gifts.
    pub(crate) benefit: i64,
    /// What the rewards count for among plans of equal benefit.
    pub(crate) reward_worth: i64,
}

/// What a promotion has given so far.
#[derive(Clone, Copy, Default)]
struct Given {
    /// Whether it was anything at all.
    something: bool,
    /// Whether others have taken units of a step that gave nothing.
    units_taken: bool,
    /// What its budget pays: discounts, gifts and cashback.
    cost: i64,
}

/// Where in a walk a promotion's step comes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Moment {
    /// The phase that the pipeline is in.
    pub(super) phase: Option<Phase>,
    /// Whether another step of the promotion was run just before, whose base it shares.
    pub(super) begun: bool,
    /// What the budget has paid for the promotion so far.
    pub(super) given: i64,
}

impl Walk {
    pub(crate) fn new(prices: Prices) -> Self {
        Self {
            prices,
            phase: None,
            promotion: None,
            without_budget: None,
            taken: Vec::new(),
            company: Company::default(),
            given: Vec::new(),
            benefit: 0,
            reward_worth: 0,
        }
    }

    pub(crate) fn prices(&self) -> &Prices {
        &self.prices
    }

    pub(super) fn moment(&self, open: usize) -> Moment {
        let begun = self.promotion == Some(open);
        Moment { phase: self.phase, begun, given: self.given_by(open) }
    }

    /// Whether an exclusion group was used.
    pub(super) fn has_used(&self, group: Symbol) -> bool {
        self.company.is_of_group(group)
    }

    /// Whether nothing was taken yet that lowers prices.
    pub(super) fn lowers_nothing(&self) -> bool {
        self.company.lowers_nothing()
    }

    /// Whether what was taken stands alone in the order, and was run to its end.
    pub(super) fn stands_alone(&self) -> bool {
        self.company.stands_alone() && self.given.is_empty()
    }

    /// Whether a promotion lives with what was taken.
    pub(super) fn admits(&self, open: &Open<'_>) -> bool {
        self.company.admits(open.promotion)
    }

    pub(crate) fn has_taken(&self, open: usize) -> bool {
        self.taken.iter().any(|(stop, _)| stop.open == open)
    }

    /// A promotion of several steps that has given nothing in any of them.
    pub(crate) fn gives_nothing(&self) -> Option<usize> {
        self.given.iter().find(|(_, given)| !given.something).map(|(open, _)| *open)
    }

    /// Why a promotion of several steps has given nothing in any of them, when it hasn't.
    pub(super) fn why_nothing(&self, open: usize) -> Option<Reason> {
        let (_, given) = self.given.iter().find(|(of, given)| *of == open && !given.something)?;
        Some(if given.units_taken { Reason::UnitsTaken } else { Reason::NoEffect })
    }

    /// Takes over another walk, and keeps the memory.
    pub(super) fn copy_from(&mut self, other: &Self) {
        let Self { prices, phase, promotion, without_budget, taken, company, given, benefit, reward_worth } =
            other;
        self.without_budget = *without_budget;
        self.prices.copy_from(prices);
        self.company.copy_from(company);
        self.taken.clone_from(taken);
        self.given.clone_from(given);
        (self.phase, self.promotion) = (*phase, *promotion);
        (self.benefit, self.reward_worth) = (*benefit, *reward_worth);
    }

    pub(super) fn ignore_budget_of(&mut self, open: usize) {
        self.without_budget = Some(open);
    }

    /// What the budget has paid for a promotion of several steps.
    pub(super) fn cost_of(&self, open: usize) -> i64 {
        self.given_by(open)
    }

    pub(crate) fn into_prices(self) -> Prices {
        self.prices
    }

    /// Runs a step that comes after everything taken so far, or says why it can't be run.
    pub(crate) fn take(&mut self, choice: &Choice<'_>, stop: Stop, sets_max: i64) -> Result<Draft, Because> {
        let draft = self.consider(choice, stop, sets_max)?;
        self.commit(choice, stop, sets_max, &draft);
        Ok(draft)
    }

    /// Works out what a step would do, without doing it.
    pub(crate) fn consider(
        &mut self,
        choice: &Choice<'_>,
        stop: Stop,
        sets_max: i64,
    ) -> Result<Draft, Because> {
        let Some((open, step)) = choice.step(stop) else { return Err(Because::plain(Reason::NoEffect)) };
        if stop.step == 0 && !self.admits(open) {
            choice.check_company(stop.open, &self.taken)?;
        }
        let several = open.promotion.steps.len() > 1;
        self.enter(step.phase, Some(stop.open).filter(|_| several));
        if stop.step == 0 {
            check_purchase(choice, open, self)?;
        }
        let moment = self.moment(stop.open);
        let mut applying = choice.applying(open, stop, step, moment, sets_max);
        let asks_budget = self.without_budget != Some(stop.open);
        if !asks_budget {
            applying.budget = None;
        }
        let mut formed = 0;
        let drafted = check_step(choice, open, step.condition.as_ref(), self)
            .and_then(|()| apply::draft(&applying, &self.prices))
            .and_then(|draft| {
                formed = draft.formed;
                check_effect(open, &applying, &self.prices, asks_budget, draft)
            });
        match drafted {
            // One of several steps may give nothing, of as many sets as it forms; whether all do is seen at the end.
            Err(because) if several && !is_final(because.reason) => {
                let units_taken = because.reason == Reason::UnitsTaken;
                Ok(Draft { units_taken, formed, ..Draft::default() })
            }
            drafted => drafted,
        }
    }

    /// Does what was worked out.
    pub(crate) fn commit(&mut self, choice: &Choice<'_>, stop: Stop, sets_max: i64, draft: &Draft) {
        let Some((open, _)) = choice.step(stop) else { return };
        let stacking = &open.promotion.stacking;
        let mark = Mark {
            by: choice.bit(stop.open),
            closes: stacking.closes_units,
            groups: stacking.unit_groups,
            uses: draft.uses,
        };
        self.prices.apply(&draft.cuts, mark);
        // The plan says how many sets there are, so that another promotion beside it adds none.
        self.taken.push((stop, if draft.formed > 0 { draft.formed } else { sets_max }));
        if stop.step == 0 {
            self.company.join(open.promotion);
        }
        self.benefit = self.benefit.saturating_add(draft.benefit());
        self.reward_worth = self.reward_worth.saturating_add(draft.reward_worth());
        if open.promotion.steps.len() > 1 {
            self.add_given(stop.open, draft);
        }
    }

    /// Comes to a phase, and in it to a promotion of several steps.
    fn enter(&mut self, phase: Phase, promotion: Option<usize>) {
        if self.phase != Some(phase) {
            self.phase = Some(phase);
            self.promotion = None;
            self.prices.start_phase();
        }
        if promotion.is_some() && self.promotion != promotion {
            self.prices.start_promotion();
        }
        self.promotion = promotion;
    }

    fn given_by(&self, open: usize) -> i64 {
        self.given.iter().find(|(of, _)| *of == open).map_or(0, |(_, given)| given.cost)
    }

    fn add_given(&mut self, open: usize, draft: &Draft) {
        let place = self.given.iter().position(|(of, _)| *of == open).unwrap_or_else(|| {
            self.given.push((open, Given::default()));
            self.given.len() - 1
        });
        if let Some((_, given)) = self.given.get_mut(place) {
            given.something |= !draft.is_empty();
            given.units_taken |= draft.units_taken;
            given.cost = given.cost.saturating_add(draft.cost());
        }
    }
}

/// Whether a reason refuses a promotion of several steps as a whole.
fn is_final(reason: Reason) -> bool {
    matches!(reason, Reason::Budget | Reason::Error)
}

fn view<'a>(choice: &'a Choice<'_>, open: &'a Open<'_>, walk: &'a Walk) -> View<'a> {
    View {
        request: choice.request,
        scope: &open.scope.lines,
        prices: &walk.prices,
        current: walk.phase,
        phase: walk.phase.unwrap_or(open.promotion.phase()),
    }
}

/// What the promotion as a whole asks for, at the prices as its first step finds them.
fn check_purchase(choice: &Choice<'_>, open: &Open<'_>, walk: &Walk) -> Result<(), Because> {
    let view = view(choice, open, walk);
    if let Some(threshold) = &open.promotion.min_purchase {
        condition::reached(threshold, &view)?;
    }
    open.promotion.condition.as_ref().map_or(Ok(()), |condition| condition::check(condition, &view))
}

fn check_step(
    choice: &Choice<'_>,
    open: &Open<'_>,
    condition: Option<&Condition>,
    walk: &Walk,
) -> Result<(), Because> {
    condition.map_or(Ok(()), |condition| condition::check(condition, &view(choice, open, walk)))
}

/// A promotion that would give nothing isn't applied; nor one that its budget can't pay.
fn check_effect(
    open: &Open<'_>,
    applying: &Applying<'_>,
    prices: &Prices,
    asks_budget: bool,
    draft: Draft,
) -> Result<Draft, Because> {
    // What an empty budget leaves nothing of is told as such, not as an offer that gives nothing.
    let emptied = draft.is_empty() && applying.budget == Some(0);
    if emptied && open.promotion.steps.len() > 1 {
        // Other steps are given what was left, as a partial budget says, or cost it nothing.
        return Err(Because::plain(Reason::NoEffect));
    }
    let whole = if emptied { apply::draft(&Applying { budget: None, ..*applying }, prices)? } else { draft };
    if whole.is_empty() {
        return Err(why_empty(open, applying, prices));
    }
    // A budget is asked for all steps of the promotion together.
    let needed = whole.cost().saturating_add(applying.spent);
    let left = open.allowance.and_then(|allowance| allowance.budget_left).filter(|_| asks_budget);
    match left.map(|left| left.max(0)) {
        Some(left) if emptied || needed > left => {
            Err(Because::amounts(Reason::Budget, applying.cart.currency, needed, left))
        }
        _ => Ok(whole),
    }
}

/// Nothing is given: because others have taken some of the units, or because there is nothing to give.
fn why_empty(open: &Open<'_>, applying: &Applying<'_>, prices: &Prices) -> Because {
    let uses = matches!(applying.step.benefit, Benefit::Set(_) | Benefit::Gift(_));
    let count = |units: &mut dyn Iterator<Item = Picked>| units.map(|picked| picked.count).sum::<i64>();
    let free = count(&mut apply::open_units(applying, prices, &open.scope.lines, |run| !uses || !run.used));
    let lines = open.scope.lines.iter().filter_map(|place| applying.cart.lines.get(*place));
    let in_scope: i64 = lines.map(|line| line.quantity).sum();
    Because::plain(if free < in_scope { Reason::UnitsTaken } else { Reason::NoEffect })
}
