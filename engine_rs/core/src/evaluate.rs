//! Prices a cart: screening, choice of the plan, one walk through the pipeline, verdicts.

use std::cell::OnceCell;
use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use smallvec::SmallVec;

pub use crate::apply::{Draft, GiftDraft, Promise};
use crate::eligibility::{Screened, answers_a_code, is_candidate, is_placed, screen};
use crate::model::{Cart, GivenCode, Phase, Role};
pub use crate::plan::Proof;
use crate::plan::{Choice, Open};
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
    /// Which promotions are asked about.
    pub verdicts: Verdicts,
    local_time: OnceCell<DateTime>,
}

/// Which promotions get a verdict; those whose code was given always do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdicts {
    /// No others.
    None,
    /// The candidates.
    Candidates,
    /// All of the ruleset.
    All,
}

impl<'a> Request<'a> {
    /// A request about a cart at an instant.
    pub fn new(
        cart: &'a Cart,
        at: Timestamp,
        allowances: HashMap<Symbol, Allowance>,
        verdicts: Verdicts,
    ) -> Self {
        Self { cart, at, allowances, verdicts, local_time: OnceCell::new() }
    }

    /// The instant on the wall of the place, worked out once.
    pub(crate) fn local_time(&self) -> DateTime {
        *self.local_time.get_or_init(|| self.cart.zone.to_datetime(self.at))
    }

    /// The same request about another cart, of which only the plan matters.
    pub(crate) fn about<'b>(&self, cart: &'b Cart) -> Request<'b> {
        Request::new(cart, self.at, self.allowances.clone(), Verdicts::Candidates)
    }

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
    /// Verdicts on the promotions that are asked about, in the order of the ruleset.
    pub verdicts: Vec<Verdict>,
    /// What is left to pay for each line, as runs of units.
    pub lines: Vec<SmallVec<[LeftToPay; 1]>>,
    /// Price reductions and the value of gifts.
    pub benefit: i64,
    /// How good the plan is known to be.
    pub proof: Proof,
    /// How many nodes the search visited.
    pub nodes: i64,
    /// What became of each code, in the cart's order.
    pub codes: Vec<CodeOutcome>,
}

impl Evaluation {
    /// What a promotion gives in it, gifts included.
    pub(crate) fn given_by(&self, promotion: usize) -> i64 {
        let own = self.applied.iter().filter(|applied| applied.promotion == promotion);
        own.map(|applied| applied.draft.benefit()).fold(0, i64::saturating_add)
    }
}

/// One promotion as applied.
pub struct Applied {
    /// Its place in the ruleset.
    pub promotion: usize,
    /// The step's place in its definition.
    pub step: i32,
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
    pub(crate) fn joins(&self, next: &Self) -> bool {
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
    /// Its place in the ruleset.
    pub promotion: usize,
    /// The reason.
    pub because: Because,
    /// Whether it stands in the list of verdicts, or only answers a code.
    pub listed: bool,
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
    let mut screening = Screening::new(ruleset, request, &list);
    match request.verdicts {
        Verdicts::All => (0..ruleset.promotions().len()).for_each(|place| screening.look_at(place, None)),
        Verdicts::Candidates | Verdicts::None => {
            let candidates = ruleset.candidates(request.cart);
            screening.verdicts.reserve(candidates.len());
            candidates.iter().for_each(|(place, lines)| screening.look_at(place, lines.as_deref()));
        }
    }
    let Screening { mut verdicts, open, .. } = screening;
    let choice = Choice::new(ruleset, request, open);
    let plan = choice.choose(&list);
    let unrolled = choice.unroll(&plan, &list, &mut verdicts);
    Evaluation {
        lines: left_to_pay(request.cart, &unrolled.prices),
        applied: unrolled.applied,
        verdicts,
        benefit: plan.benefit,
        proof: plan.proof,
        nodes: plan.nodes,
        codes: code_outcomes(ruleset, request.cart),
    }
}

struct Screening<'a> {
    ruleset: &'a Ruleset,
    request: &'a Request<'a>,
    list: &'a Prices,
    verdicts: Vec<Verdict>,
    open: Vec<Open<'a>>,
}

impl<'a> Screening<'a> {
    fn new(ruleset: &'a Ruleset, request: &'a Request<'a>, list: &'a Prices) -> Self {
        Self { ruleset, request, list, verdicts: Vec::new(), open: Vec::new() }
    }

    /// Screens a promotion; only the lines `among` can be in its scope, when they are given.
    fn look_at(&mut self, place: usize, among: Option<&[usize]>) {
        let Some(promotion) = self.ruleset.promotions().get(place) else { return };
        let (cart, verdicts) = (self.request.cart, self.request.verdicts);
        // An answer to a code gives the reason of its promotion, be it a candidate or not.
        let answers_a_code = answers_a_code(promotion, cart);
        let placed = is_placed(promotion, cart);
        if !placed && !answers_a_code && verdicts != Verdicts::All {
            return;
        }
        let candidate = placed && is_candidate(promotion, cart, among);
        if !candidate && !answers_a_code && verdicts != Verdicts::All {
            return;
        }
        let listed = match verdicts {
            Verdicts::None => false,
            Verdicts::Candidates => candidate,
            Verdicts::All => true,
        };
        let asked_about = listed || answers_a_code;
        match screen(promotion, self.request, self.list, among) {
            Screened::Refused(because) => self.judge(place, because, asked_about, listed),
            Screened::Open(scope) => {
                let allowance = self.request.allowance(promotion.symbol);
                let verdict = asked_about.then_some(self.verdicts.len());
                self.open.push(Open { place, promotion, scope, allowance, verdict });
                // Whether it is chosen is told when the plan is known.
                self.judge(place, Because::plain(Reason::BetterPlan), asked_about, listed);
            }
        }
    }

    fn judge(&mut self, promotion: usize, because: Because, asked_about: bool, listed: bool) {
        if asked_about {
            self.verdicts.push(Verdict { promotion, because, listed });
        }
    }
}

fn left_to_pay(cart: &Cart, prices: &Prices) -> Vec<SmallVec<[LeftToPay; 1]>> {
    let mut lines = vec![SmallVec::<[LeftToPay; 1]>::new(); cart.lines.len()];
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
