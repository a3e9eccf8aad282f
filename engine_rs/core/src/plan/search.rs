//! The search for the best plan: exact, within a budget that is counted in nodes (S-7.2, S-7.3).

use super::{Choice, Moment, Plan, Proof, Stop, Walk};
use crate::apply::{Draft, most_worth};
use crate::model::Benefit;
use crate::units::Prices;

/// A part of the search that is still to be looked at: the plans that go on from a walk.
struct Node {
    /// How many stops of the pipeline lie behind.
    depth: usize,
    walk: Walk,
    /// The most sets that the next stop may still form, when more were tried already.
    sets_max: i64,
}

/// Depth first, with before without and more sets before fewer, so that the first plan met is what
/// `priority` would take, and of equal plans the one that comes first in the pipeline is met first. A
/// node is left when even its bound can't beat the best plan found.
pub(super) fn best(choice: &Choice<'_>, list: &Prices) -> Plan {
    let mut search = Search {
        choice,
        at_list: Vec::new(),
        best: None,
        nodes: 0,
        gap: 0,
        most_rewards: choice.most_rewards(list),
        spare: Vec::new(),
    };
    let mut stack = vec![Node { depth: 0, walk: Walk::new(list.clone()), sets_max: i64::MAX }];
    while let Some(node) = stack.pop() {
        search.visit(node, list, &mut stack);
    }
    let proof = if search.gap > 0 { Proof::Bounded(search.gap) } else { Proof::Proven };
    let walk = search.best.unwrap_or_else(|| Walk::new(list.clone()));
    Plan { benefit: walk.benefit, taken: walk.taken, proof, nodes: search.nodes }
}

struct Search<'a> {
    choice: &'a Choice<'a>,
    /// For each stop, what it and all stops behind it could give at list prices at most.
    at_list: Vec<i64>,
    best: Option<Walk>,
    nodes: i64,
    /// The largest amount by which a plan that wasn't looked at could beat the best one.
    gap: i64,
    /// No plan's rewards count for more.
    most_rewards: i64,
    /// Walks whose memory can be used again.
    spare: Vec<Walk>,
}

/// What the plans behind a node can come to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outlook {
    /// None is better than the best plan found.
    Hopeless,
    /// None has more benefit, but one could be as good and be preferred for something else.
    Even,
    /// One could have more benefit, by the bound.
    Better,
}

impl Search<'_> {
    fn visit(&mut self, node: Node, list: &Prices, stack: &mut Vec<Node>) {
        if let Some(best) = &self.best {
            let outlook = self.outlook(&node, best);
            if outlook == Outlook::Hopeless {
                self.spare.push(node.walk);
                return;
            }
            if self.nodes >= self.choice.ruleset.policy.search_nodes_max {
                self.gap = self.gap.max(self.choice.bound(&node) - best.benefit);
                return;
            }
        }
        self.nodes += 1;
        match self.choice.pricing.get(node.depth) {
            None => self.end(node.walk, list),
            Some(stop) => self.branch(*stop, node, stack),
        }
    }

    /// Bounds the node, first by what was possible at list prices, then stop by stop by what still is.
    fn outlook(&self, node: &Node, best: &Walk) -> Outlook {
        let behind = |depth: usize| self.at_list.get(depth).copied().unwrap_or(0);
        let mut bound = node.walk.benefit;
        for (depth, stop) in self.choice.pricing.iter().enumerate().skip(node.depth) {
            if bound > best.benefit {
                return Outlook::Better;
            }
            if bound.saturating_add(behind(depth)) < best.benefit {
                return Outlook::Hopeless;
            }
            let sets_max = if depth == node.depth { node.sets_max } else { i64::MAX };
            bound = bound.saturating_add(self.choice.most_in_company(*stop, &node.walk, sets_max));
        }
        match bound.cmp(&best.benefit) {
            std::cmp::Ordering::Greater => Outlook::Better,
            std::cmp::Ordering::Less => Outlook::Hopeless,
            std::cmp::Ordering::Equal => {
                let fewer = self.choice.pricing_count(&node.walk) < self.choice.pricing_count(best);
                let even = (self.most_rewards, fewer) > (best.reward_worth, false);
                if even { Outlook::Even } else { Outlook::Hopeless }
            }
        }
    }

    /// Runs the rewards at the end of a plan, and keeps it when it is better than the best so far.
    fn end(&mut self, mut walk: Walk, list: &Prices) {
        let count = self.choice.pricing_count(&walk);
        for stop in &self.choice.rewarding {
            if stop.step == 0 {
                let _refused = walk.take(self.choice, *stop, i64::MAX);
            } else if walk.has_taken(stop.open) && walk.take(self.choice, *stop, i64::MAX).is_err() {
                return;
            }
        }
        let better = self.best.as_ref().is_none_or(|best| {
            let best_count = self.choice.pricing_count(best);
            (walk.benefit, walk.reward_worth, best_count) > (best.benefit, best.reward_worth, count)
        });
        if better && walk.gives_nothing().is_none() {
            if self.best.is_none() {
                self.at_list = self.choice.at_list(list);
            }
            self.best = Some(walk);
        }
    }

    fn branch(&mut self, stop: Stop, node: Node, stack: &mut Vec<Node>) {
        let depth = node.depth + 1;
        let skip = |walk| Node { depth, walk, sets_max: i64::MAX };
        if stop.step > 0 && !node.walk.has_taken(stop.open) {
            stack.push(skip(node.walk));
            return;
        }
        let mut with = self.copy(&node.walk);
        let Ok(draft) = with.take(self.choice, stop, node.sets_max) else {
            self.spare.push(with);
            // A promotion that was begun is run to its end, or the plan is none.
            if stop.step == 0 {
                stack.push(skip(node.walk));
            }
            return;
        };
        if let Some(fewer) = self.fewer_sets(stop, &draft) {
            stack.push(Node { depth: node.depth, walk: node.walk, sets_max: fewer });
        } else if stop.step == 0 {
            stack.push(skip(node.walk));
        }
        stack.push(skip(with));
    }

    fn copy(&mut self, walk: &Walk) -> Walk {
        match self.spare.pop() {
            Some(mut spare) => {
                spare.copy_from(walk);
                spare
            }
            None => walk.clone(),
        }
    }

    /// The next smaller number of sets worth trying.
    fn fewer_sets(&self, stop: Stop, draft: &Draft) -> Option<i64> {
        let (_, step) = self.choice.step(stop)?;
        (matches!(step.benefit, Benefit::Set(_)) && draft.sets > 1).then_some(draft.sets - 1)
    }
}

impl Choice<'_> {
    /// No plan that goes on from this node has a higher benefit.
    fn bound(&self, node: &Node) -> i64 {
        let ahead = self.pricing.iter().skip(node.depth).enumerate();
        ahead.fold(node.walk.benefit, |bound, (distance, stop)| {
            let sets_max = if distance == 0 { node.sets_max } else { i64::MAX };
            bound.saturating_add(self.most_in_company(*stop, &node.walk, sets_max))
        })
    }

    /// The most that a stop could still add to a walk, nothing if what was taken excludes it.
    fn most_in_company(&self, stop: Stop, walk: &Walk, sets_max: i64) -> i64 {
        let goes = walk.has_taken(stop.open) || self.check_company(stop.open, &walk.taken).is_ok();
        if goes { self.most(stop, walk, sets_max) } else { 0 }
    }

    /// For each stop, what it and all stops behind it could give at list prices at most.
    fn at_list(&self, list: &Prices) -> Vec<i64> {
        let walk = Walk::new(list.clone());
        let mut sums: Vec<i64> = Vec::with_capacity(self.pricing.len());
        let mut sum: i64 = 0;
        for stop in self.pricing.iter().rev() {
            sum = sum.saturating_add(self.most(*stop, &walk, i64::MAX));
            sums.push(sum);
        }
        sums.reverse();
        sums
    }

    /// How many promotions of a plan lower prices.
    fn pricing_count(&self, walk: &Walk) -> usize {
        let prices = |stop: &Stop| stop.step == 0 && !self.rewarding.contains(stop);
        walk.taken.iter().filter(|(stop, _)| prices(stop)).count()
    }

    /// No plan's rewards count for more than all of them at list prices.
    fn most_rewards(&self, list: &Prices) -> i64 {
        let worth = |stop: &Stop| {
            let (open, step) = self.step(*stop)?;
            Some(most_worth(&self.applying(open, *stop, step, Moment::default(), i64::MAX), list))
        };
        self.pricing.iter().chain(&self.rewarding).filter_map(worth).fold(0, i64::saturating_add)
    }
}
