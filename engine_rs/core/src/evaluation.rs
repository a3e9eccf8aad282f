//! What an evaluation answers.

use smallvec::SmallVec;

pub use crate::apply::{Draft, GiftDraft, Promise};
use crate::model::{Phase, Role};
use crate::reason::Because;
use crate::ruleset::CodeOwner;

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
    /// How many promotions were a candidate.
    pub candidates: usize,
    /// How many of them were eligible.
    pub eligible: usize,
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
