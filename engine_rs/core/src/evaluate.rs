//! Prices a cart: screening, choice of the plan, one walk through the pipeline, verdicts.

use std::collections::HashMap;

use jiff::Timestamp;

pub use crate::apply::{Draft, GiftDraft, Promise};
use crate::eligibility::{Scope, Screened, screen};
use crate::model::{Cart, GivenCode, Phase, Role};
pub use crate::plan::Proof;
use crate::plan::{Choice, Open, Plan, Walk};
use crate::reason::{Because, Reason};
use crate::ruleset::{CodeOwner, Ruleset};
use crate::symbols::Symbol;
use crate::units::Prices;

/// What an evaluation is asked.
pub struct Request<'a> {
    /// The cart.
    pub cart: &'a Cart,
    /// The instant that it is evaluated at.
    pub at: Timestamp,
    /// What is left of limits, by promotion; one that isn't listed is unlimited.
    pub allowances: HashMap<Symbol, Allowance>,
}

impl Request<'_> {
    pub(crate) fn allowance(&self, promotion: Symbol) -> Option<Allowance> {
        self.allowances.get(&promotion).copied()
    }
}

/// What is left of a promotion's limits for this cart.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allowance {
    /// How many more times it may be granted.
    pub uses_left: Option<i64>,
    /// What the budget still pays, in minor units.
    pub budget_left: Option<i64>,
}

/// The answer.
pub struct Evaluation {
    /// What was applied, in the order of the pipeline.
    pub applied: Vec<Applied>,
    /// A verdict on every promotion of the ruleset, in its order.
    pub verdicts: Vec<Verdict>,
    /// What is left to pay for each line, as runs of units.
    pub lines: Vec<Vec<LeftToPay>>,
    /// Price reductions and the value of gifts.
    pub benefit: i64,
    /// How good the plan is known to be.
    pub proof: Proof,
    /// How many nodes the search visited.
    pub nodes: i64,
    /// What became of each code, in the cart's order.
    pub codes: Vec<CodeOutcome>,
}

/// One promotion as applied.
pub struct Applied {
    /// Its place in the ruleset.
    pub promotion: usize,
    /// The step's place in it.
    pub step: usize,
    /// The phase in which it was applied.
    pub phase: Phase,
    /// How its amount came about.
    pub draft: Draft,
    /// The units that took part, in cart order.
    pub units: Vec<TouchedUnits>,
}

/// Some consecutive units of a line to which an application did the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TouchedUnits {
    /// The line's place in the cart.
    pub line: usize,
    /// The first unit, counted from 0 in the line.
    pub first_unit: i64,
    /// How many.
    pub count: i64,
    /// What each lost.
    pub each: i64,
    /// What they are to the promotion.
    pub role: Role,
}

impl TouchedUnits {
    fn joins(&self, next: &Self) -> bool {
        self.line == next.line
            && self.each == next.each
            && self.role == next.role
            && self.first_unit + self.count == next.first_unit
    }
}

/// Some consecutive units of a line with the same price left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeftToPay {
    /// How many.
    pub count: i64,
    /// What is left to pay for each.
    pub each: i64,
}

/// Whether a promotion was applied, and why not.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The reason.
    pub because: Because,
    /// Whether it was a candidate: its place fits, and a line is in scope or its code was given.
    pub candidate: bool,
}

/// What became of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeOutcome {
    /// It belongs to this promotion, whose verdict says the rest.
    Of(CodeOwner),
    /// No promotion knows it.
    Unknown,
    /// It was given before.
    Duplicate,
}

/// Prices the cart.
pub fn evaluate(ruleset: &Ruleset, request: &Request<'_>) -> Evaluation {
    let list = Prices::of(request.cart);
    let mut verdicts = Vec::with_capacity(ruleset.promotions().len());
    let mut open = Vec::new();
    let mut places = Vec::new();
    for (place, promotion) in ruleset.promotions().iter().enumerate() {
        verdicts.push(match screen(promotion, request, &list) {
            Screened::Refused { because, candidate } => Verdict { because, candidate },
            Screened::Open(Scope { pools, lines }) => {
                let allowance = request.allowance(promotion.symbol);
                open.push(Open { promotion, pools, scope: lines, allowance });
                places.push(place);
                Verdict { because: Because::plain(Reason::NoEffect), candidate: true }
            }
        });
    }
    let choice = Choice::new(ruleset, request, open);
    let plan = choice.choose(&list);
    let (applied, walk) = run(&choice, &plan, &list, &places);
    for (open, place) in places.iter().enumerate() {
        let mut discounts = applied.iter().filter(|applied| applied.promotion == *place).peekable();
        let because = if discounts.peek().is_some() {
            let discount = discounts.map(|applied| applied.draft.given).sum();
            Because::money(Reason::Applied, "discount", request.cart.currency, discount)
        } else {
            choice.why_not(open, &plan, &list)
        };
        if let Some(verdict) = verdicts.get_mut(*place) {
            verdict.because = because;
        }
    }
    let lines = left_to_pay(request.cart, walk.prices());
    let codes = code_outcomes(ruleset, request.cart);
    Evaluation {
        applied,
        verdicts,
        lines,
        benefit: plan.benefit,
        proof: plan.proof,
        nodes: plan.nodes,
        codes,
    }
}

/// Runs the chosen plan once more, and records what each step did.
fn run(choice: &Choice<'_>, plan: &Plan, list: &Prices, places: &[usize]) -> (Vec<Applied>, Walk) {
    let mut walk = Walk::new(list.clone());
    let mut applied = Vec::with_capacity(plan.taken.len());
    for (stop, sets) in &plan.taken {
        let before = walk.prices().clone();
        let Ok(draft) = walk.take(choice, *stop, *sets) else { continue };
        let phase = choice.step(*stop).map_or(Phase::Reward, |(_, step)| step.phase);
        if let Some(promotion) = places.get(stop.open).filter(|_| !draft.is_empty()) {
            let units = touched_units(&before, &draft);
            applied.push(Applied { promotion: *promotion, step: stop.step, phase, draft, units });
        }
    }
    (applied, walk)
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

fn left_to_pay(cart: &Cart, prices: &Prices) -> Vec<Vec<LeftToPay>> {
    let mut lines: Vec<Vec<LeftToPay>> = vec![Vec::new(); cart.lines.len()];
    for run in prices.runs() {
        let Some(line) = lines.get_mut(run.line) else {
            continue;
        };
        match line.last_mut() {
            Some(last) if last.each == run.left => last.count += run.count,
            _ => line.push(LeftToPay { count: run.count, each: run.left }),
        }
    }
    lines
}

fn code_outcomes(ruleset: &Ruleset, cart: &Cart) -> Vec<CodeOutcome> {
    let outcome = |given: &GivenCode| {
        if given.repeated {
            return CodeOutcome::Duplicate;
        }
        let owner = match given.voucher_of {
            Some(promotion) => ruleset.owner_of_voucher(promotion),
            None => ruleset.owner_of_code(given.code),
        };
        owner.map_or(CodeOutcome::Unknown, CodeOutcome::Of)
    };
    cart.codes.iter().map(outcome).collect()
}
