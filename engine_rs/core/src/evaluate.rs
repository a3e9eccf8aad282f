//! Prices a cart: screening, choice of the plan, one walk through the pipeline, verdicts.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::apply::Draft;
use crate::eligibility::{Screened, screen};
use crate::model::{Cart, GivenCode, Phase};
pub use crate::plan::Proof;
use crate::plan::{Choice, Open, Walk};
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
    /// The sum of the discounts.
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
    /// The phase in which it was applied.
    pub phase: Phase,
    /// How its amount came about.
    pub draft: Draft,
    /// The units that it lowered, in cart order.
    pub units: Vec<LoweredUnits>,
}

/// Some consecutive units of a line that lost the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoweredUnits {
    /// The line's place in the cart.
    pub line: usize,
    /// The first unit, counted from 0 in the line.
    pub first_unit: i64,
    /// How many.
    pub count: i64,
    /// What each lost.
    pub each: i64,
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
    let mut choice = Choice {
        ruleset,
        request,
        open: Vec::new(),
    };
    let mut open_places = Vec::new();
    for (place, promotion) in ruleset.promotions().iter().enumerate() {
        let (because, candidate) = match screen(promotion, request, &list) {
            Screened::Refused { because, candidate } => (because, candidate),
            Screened::Open(scope) => {
                let allowance = request.allowance(promotion.symbol);
                choice.open.push(Open {
                    promotion,
                    scope,
                    allowance,
                });
                open_places.push(place);
                (Because::plain(Reason::NoEffect), true)
            }
        };
        verdicts.push(Verdict { because, candidate });
    }
    let plan = choice.choose(&list);
    let mut walk = Walk::new(list.clone());
    let mut applied = Vec::with_capacity(plan.chosen.len());
    for (open, place) in open_places.iter().enumerate() {
        let because = match plan.chosen.binary_search(&open) {
            Err(_) => choice.why_not(open, &plan, &list),
            Ok(_) => match take(&mut walk, &choice, open, *place) {
                Err(because) => because,
                Ok(step) => {
                    let given = step.draft.given;
                    applied.push(step);
                    Because::money(Reason::Applied, "discount", request.cart.currency, given)
                }
            },
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

fn take(
    walk: &mut Walk,
    choice: &Choice<'_>,
    open: usize,
    promotion: usize,
) -> Result<Applied, Because> {
    let before = walk.prices().clone();
    let draft = walk.take(choice, open)?;
    let phase = choice
        .open
        .get(open)
        .map_or(Phase::Item, |open| open.promotion.step.phase);
    let units = lowered_units(&before, &draft);
    Ok(Applied {
        promotion,
        phase,
        draft,
        units,
    })
}

/// Where in their lines the cut units lie.
fn lowered_units(before: &Prices, draft: &Draft) -> Vec<LoweredUnits> {
    let mut units: Vec<LoweredUnits> = Vec::with_capacity(draft.cuts.len());
    let mut cuts = draft.cuts.iter().peekable();
    let (mut line, mut first) = (0, 0);
    for (index, run) in before.runs().iter().enumerate() {
        if run.line != line {
            (line, first) = (run.line, 0);
        }
        while let Some(cut) = cuts.next_if(|cut| cut.run == index) {
            let lowered = LoweredUnits {
                line,
                first_unit: first + cut.skip,
                count: cut.count,
                each: cut.each,
            };
            match units.last_mut() {
                Some(last) if joins(last, &lowered) => last.count += lowered.count,
                _ if cut.each > 0 => units.push(lowered),
                _ => {}
            }
        }
        first += run.count;
    }
    units
}

fn joins(last: &LoweredUnits, next: &LoweredUnits) -> bool {
    last.line == next.line
        && last.each == next.each
        && last.first_unit + last.count == next.first_unit
}

fn left_to_pay(cart: &Cart, prices: &Prices) -> Vec<Vec<LeftToPay>> {
    let mut lines: Vec<Vec<LeftToPay>> = vec![Vec::new(); cart.lines.len()];
    for run in prices.runs() {
        let Some(line) = lines.get_mut(run.line) else {
            continue;
        };
        match line.last_mut() {
            Some(last) if last.each == run.left => last.count += run.count,
            _ => line.push(LeftToPay {
                count: run.count,
                each: run.left,
            }),
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
