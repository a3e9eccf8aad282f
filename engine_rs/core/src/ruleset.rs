//! A revision of a company's promotions, compiled once and then immutable.

use std::collections::HashMap;

use crate::blocking::Block;
use crate::index::{Candidates, Index};
use crate::model::{Cart, Policy, Promotion, Trigger};
use crate::symbols::{Symbol, Symbols};

/// Everything that an evaluation needs besides the cart.
#[derive(Debug)]
pub struct Ruleset {
    /// The tenant.
    pub company_id: Box<str>,
    /// The revision.
    pub revision: i64,
    /// What holds for all promotions.
    pub policy: Policy,
    /// The promotions in pipeline order.
    promotions: Vec<Promotion>,
    /// Which of them a cart could concern.
    index: Index,
    /// The places of those that suggest an add-on.
    suggesting: Vec<usize>,
    /// Those that this engine can't run, by priority and id.
    pub unsupported: Vec<Unsupported>,
    /// Every name that promotions and reference data mention.
    pub symbols: Symbols,
    /// Which promotion a public code belongs to.
    by_code: HashMap<Symbol, CodeOwner>,
}

/// A promotion that this engine can't run: not applied, but reported (fail closed).
#[derive(Clone, Debug)]
pub struct Unsupported {
    /// Its id, as far as it can be read.
    pub id: Box<str>,
    /// Its priority, as far as it can be read.
    pub priority: i32,
    /// What it needs.
    pub detail: Box<str>,
    /// The codes that set it off, folded.
    pub codes: Vec<Symbol>,
    /// What it keeps from being applied; nothing when it is skipped.
    pub block: Option<Block>,
}

/// The promotion that a public code belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeOwner {
    /// One of the promotions, by its place.
    Promotion(usize),
    /// One of the unsupported, by its place.
    Unsupported(usize),
}

impl Ruleset {
    /// Puts the promotions in the order of the pipeline: phase, priority, id (S-4.2).
    pub fn new(
        company_id: &str,
        revision: i64,
        policy: Policy,
        mut promotions: Vec<Promotion>,
        mut unsupported: Vec<Unsupported>,
        symbols: Symbols,
    ) -> Self {
        promotions.sort_by(|one, other| {
            let rank = |promotion: &Promotion| (promotion.phase(), std::cmp::Reverse(promotion.priority));
            rank(one).cmp(&rank(other)).then_with(|| one.id.cmp(&other.id))
        });
        unsupported
            .sort_by(|one, other| other.priority.cmp(&one.priority).then_with(|| one.id.cmp(&other.id)));
        let by_code = owners_of_codes(&promotions, &unsupported);
        let index = Index::of(&promotions);
        let suggesting = (0..promotions.len())
            .filter(|place| promotions.get(*place).is_some_and(|promotion| promotion.suggestion.is_some()))
            .collect();
        Self {
            company_id: company_id.into(),
            revision,
            policy,
            promotions,
            index,
            suggesting,
            unsupported,
            symbols,
            by_code,
        }
    }

    /// The promotions in the order of the pipeline.
    pub fn promotions(&self) -> &[Promotion] {
        &self.promotions
    }

    /// The promotions that a cart could concern: every candidate is among them.
    pub(crate) fn candidates(&self, cart: &Cart) -> Candidates {
        self.index.candidates(cart)
    }

    /// The places of the promotions that suggest an add-on, rising.
    pub fn suggesting(&self) -> &[usize] {
        &self.suggesting
    }

    /// The promotion that a folded code belongs to; of several, the first in the pipeline.
    pub fn owner_of_code(&self, code: Symbol) -> Option<CodeOwner> {
        self.by_code.get(&code).copied()
    }

    /// The promotion that a voucher names.
    pub fn owner_of_voucher(&self, id: Symbol) -> Option<CodeOwner> {
        let usable = self.promotions.iter().position(|promotion| promotion.symbol == id);
        usable.map(CodeOwner::Promotion).or_else(|| {
            let id = self.symbols.text(id);
            self.unsupported.iter().position(|promotion| *promotion.id == *id).map(CodeOwner::Unsupported)
        })
    }
}

fn owners_of_codes(promotions: &[Promotion], unsupported: &[Unsupported]) -> HashMap<Symbol, CodeOwner> {
    let mut owners = HashMap::new();
    for (index, promotion) in promotions.iter().enumerate() {
        if let Trigger::Code(codes) = &promotion.trigger {
            for code in codes {
                owners.entry(*code).or_insert(CodeOwner::Promotion(index));
            }
        }
    }
    for (index, promotion) in unsupported.iter().enumerate() {
        for code in &promotion.codes {
            owners.entry(*code).or_insert(CodeOwner::Unsupported(index));
        }
    }
    owners
}
