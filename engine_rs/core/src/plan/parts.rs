//! Splits a choice into parts that have nothing to do with each other: no line, group or threshold that one part
//! lowers or uses concerns another. The best plans of the parts are the best plan together.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::company::exclude_each_other;
use super::{Choice, Open, Stop};
use crate::model::{Basis, Condition, Exclusive, Extent, Phase, Promotion, Threshold};
use crate::symbols::Symbol;

impl Choice<'_> {
    /// The parts, by their first stops; each with its stops that lower prices, in pipeline order. One part when
    /// rewards depend on what a promotion lowers that gives both.
    pub(super) fn parts(&self) -> Vec<Vec<Stop>> {
        let whole = || vec![self.pricing.clone()];
        if self.pricing.len() < 2 || self.rewarding.iter().any(|stop| stop.step > 0) {
            return whole();
        }
        let mut ties = Ties { next: (0..self.open.len()).collect() };
        self.tie_by_lines(&mut ties);
        self.tie_by_company(&mut ties);
        self.tie_by_thresholds(&mut ties);
        let mut parts: Vec<Vec<Stop>> = Vec::new();
        let mut of_root: Vec<Option<usize>> = vec![None; self.open.len()];
        for stop in &self.pricing {
            let Some(part) = of_root.get_mut(ties.root(stop.open)) else { continue };
            let part = *part.get_or_insert(parts.len());
            if part == parts.len() {
                parts.push(Vec::new());
            }
            parts.get_mut(part).into_iter().for_each(|part| part.push(*stop));
        }
        parts
    }

    fn priced(&self) -> impl Iterator<Item = (usize, &Open<'_>)> {
        let lowers = |promotion: &Promotion| promotion.steps.iter().any(|step| step.phase != Phase::Reward);
        self.open.iter().enumerate().filter(move |(_, open)| lowers(open.promotion))
    }

    fn tie_by_lines(&self, ties: &mut Ties) {
        let mut first: Vec<Option<usize>> = vec![None; self.request.cart.lines.len()];
        for (place, open) in self.priced() {
            let pools = (0..open.promotion.steps.len()).flat_map(|step| open.scope.pools(step));
            for line in pools.flatten() {
                match first.get_mut(*line) {
                    Some(Some(other)) => ties.tie(place, *other),
                    Some(free) => *free = Some(place),
                    None => {}
                }
            }
        }
    }

    fn tie_by_company(&self, ties: &mut Ties) {
        let mut first: HashMap<Symbol, usize, FixedState> = HashMap::default();
        for (place, open) in self.priced() {
            for group in &open.promotion.stacking.order_groups {
                ties.tie(place, *first.entry(*group).or_insert(place));
            }
            if open.promotion.stacking.exclusive != Exclusive::No {
                for (other, with) in self.priced() {
                    if exclude_each_other(open.promotion, with.promotion) {
                        ties.tie(place, other);
                    }
                }
            }
        }
    }

    /// A threshold over more than a promotion's own lines depends on all that comes before.
    fn tie_by_thresholds(&self, ties: &mut Ties) {
        let first_phase = self.priced().map(|(_, open)| open.promotion.phase()).min();
        for (place, open) in self.priced() {
            let Some(last) = last_phase_read(open.promotion) else { continue };
            if first_phase.is_some_and(|first| first <= last) {
                for (other, before) in self.priced() {
                    if before.promotion.phase() <= last {
                        ties.tie(place, other);
                    }
                }
            }
        }
    }
}

/// The last phase of which the discounts matter to a threshold of the promotion over more than its own lines.
fn last_phase_read(promotion: &Promotion) -> Option<Phase> {
    let steps = promotion.steps.iter().filter_map(|step| Some((step.phase, step.condition.as_ref()?)));
    let conditions = promotion.condition.iter().map(|condition| (promotion.phase(), condition)).chain(steps);
    let of_conditions = conditions.filter_map(|(phase, condition)| read_by(condition, phase));
    let purchase = promotion.min_purchase.as_ref().and_then(|of| read_by_threshold(of, promotion.phase()));
    of_conditions.chain(purchase).max()
}

fn read_by(condition: &Condition, phase: Phase) -> Option<Phase> {
    match condition {
        Condition::All(parts) | Condition::Any(parts) => {
            parts.iter().filter_map(|part| read_by(part, phase)).max()
        }
        Condition::Not(part) => read_by(part, phase),
        Condition::Threshold(threshold) => read_by_threshold(threshold, phase),
        _ => None,
    }
}

fn read_by_threshold(threshold: &Threshold, phase: Phase) -> Option<Phase> {
    match (&threshold.extent, threshold.basis) {
        (Extent::Scope, _) | (_, Basis::List) => None,
        (Extent::Cart | Extent::Lines(_), Basis::Current) => Some(phase),
        (Extent::Cart | Extent::Lines(_), Basis::PhaseStart) => phase.before(),
    }
}

/// Which promotions belong together.
struct Ties {
    next: Vec<usize>,
}

impl Ties {
    fn tie(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        if let Some(next) = self.next.get_mut(one.max(other)) {
            *next = one.min(other);
        }
    }

    fn root(&mut self, mut place: usize) -> usize {
        while let Some(next) = self.next.get(place).copied().filter(|next| *next != place) {
            // Halves the way for the next time.
            let after = self.next.get(next).copied().unwrap_or(next);
            if let Some(shorter) = self.next.get_mut(place) {
                *shorter = after;
            }
            place = after;
        }
        place
    }
}
