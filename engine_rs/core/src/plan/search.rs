//! The search for the best plan: exact, within a budget that is counted in nodes (S-7.2, S-7.3).

use std::cell::Cell;

use super::market::Market;
use super::rest::Rest;
use super::shadow::{Proposal, Shadow};
use super::{Choice, Plan, Proof, Stop, Walk};
use crate::apply::sets_at_most;
use crate::model::Benefit;
use crate::reason::{Because, Reason};
use crate::units::Prices;

/// So many nodes are looked at before prices are found anew at each: most searches have ended by then.
const HAGGLE_FROM_NODE: i64 = 32;
/// Rounds of finding prices for one node.
const HAGGLE_ROUNDS: usize = 4;
/// It is given up after so many tries, and this many more for each node that could be left for it.
const HAGGLE_TRIES: u32 = 64;
const HAGGLE_SHARE: u32 = 4;

/// A part of the search that is still to be looked at: the plans that go on from a walk.
struct Node {
    /// How many stops of the pipeline lie behind.
    depth: usize,
    walk: Walk,
    /// The most sets that the next stop may still form, when more were tried already.
    sets_max: i64,
    /// What the walk would have come to, had none of its promotions been in another's way.
    unhindered: i64,
}

/// The best plan: that of each part, put together. Rewards look at the whole, so that where plans of a part are
/// equal without them, and rewards could decide, the whole is searched at once.
pub(super) fn best(choice: &Choice<'_>, list: &Prices) -> Plan {
    let nodes_max = choice.ruleset.policy.search_nodes(choice.request.cart.lines.len());
    let parts = choice.parts();
    if parts.len() > 1
        && let Some(plan) = best_of_parts(choice, parts, list, nodes_max)
    {
        return plan;
    }
    let Found { walk, gap, nodes, .. } = search(choice, list, nodes_max);
    Plan::of(walk, gap, nodes)
}

fn best_of_parts(choice: &Choice<'_>, parts: Vec<Vec<Stop>>, list: &Prices, nodes_max: i64) -> Option<Plan> {
    let (mut taken, mut benefit, mut gap, mut nodes) = (Vec::new(), 0_i64, 0_i64, 0);
    for part in parts {
        let found = search(&choice.part(part), list, nodes_max - nodes);
        if found.has_equals && !choice.rewarding.is_empty() {
            return None;
        }
        taken.extend(found.walk.taken);
        benefit = benefit.saturating_add(found.walk.benefit);
        gap = gap.saturating_add(found.gap);
        nodes += found.nodes;
    }
    let mut walk = Walk::new(list.clone());
    for stop in &choice.pricing {
        if let Some((_, sets)) = taken.iter().find(|(of, _)| of == stop) {
            walk.take(choice, *stop, *sets).ok()?;
        }
    }
    let walk = choice.with_rewards(walk).filter(|walk| walk.benefit == benefit)?;
    Some(Plan::of(walk, gap, nodes))
}

impl Plan {
    fn of(walk: Walk, gap: i64, nodes: i64) -> Self {
        let proof = if gap > 0 { Proof::Bounded(gap) } else { Proof::Proven };
        Self { benefit: walk.benefit, taken: walk.taken, proof, nodes }
    }
}

/// What came of a search.
struct Found {
    walk: Walk,
    /// The most by which another plan could be better.
    gap: i64,
    nodes: i64,
    /// Whether there may be other plans of the same benefit.
    has_equals: bool,
}

/// Depth first, with before without and more sets before fewer, so that the first plan met is what
/// `priority` would take, and of equal plans the one that comes first in the pipeline is met first. A
/// node is left when even its bound can't beat the best plan found, or doesn't reach one that was proposed.
fn search(choice: &Choice<'_>, list: &Prices, nodes_max: i64) -> Found {
    let at_list = Walk::new(list.clone());
    let mut search = Search {
        choice,
        list,
        own: choice.pricing.iter().map(|stop| choice.most(*stop, &at_list, i64::MAX)).collect(),
        units_matter: choice.units_matter(),
        compounds: choice.compounds(),
        shadow: None,
        market: None,
        prices: Cell::default(),
        haggled: Cell::default(),
        best: None,
        proposed: None,
        nodes: 0,
        nodes_max,
        left: i64::MIN,
        equal: Cell::new(i64::MIN),
        most_rewards: choice.most_rewards(list),
        spare: Vec::new(),
    };
    let mut stack = vec![Node { depth: 0, walk: Walk::new(list.clone()), sets_max: i64::MAX, unhindered: 0 }];
    while let Some(node) = stack.pop() {
        search.visit(node, &mut stack);
    }
    let Search { best, proposed, left, equal, nodes, .. } = search;
    let better = |best: &Walk, proposed: &Walk| proposed.benefit > best.benefit;
    let walk = match (best, proposed) {
        (Some(best), Some(proposed)) if better(&best, &proposed) => proposed,
        (best, _) => best.unwrap_or_else(|| Walk::new(list.clone())),
    };
    let gap = left.saturating_sub(walk.benefit).max(0);
    let has_equals = equal.get().max(left) >= walk.benefit;
    Found { walk, gap, nodes, has_equals }
}

struct Search<'a> {
    choice: &'a Choice<'a>,
    list: &'a Prices,
    /// By stop: the most that it gives at list prices.
    own: Vec<i64>,
    /// Whether a promotion may keep others from units in ways that shadow prices don't know.
    units_matter: bool,
    /// Whether percentages of what is left could fall on what others left.
    compounds: bool,
    /// Worked out once there is a plan to beat.
    shadow: Option<Shadow>,
    /// What shadow prices are found on.
    market: Option<Market>,
    /// The prices that were good for the node before: those of the next one are seldom far away.
    prices: Cell<Vec<i64>>,
    /// For how many nodes prices were found anew, and how many of those were left for it.
    haggled: Cell<(u32, u32)>,
    best: Option<Walk>,
    /// A plan that was found by other means: no worse one needs to be looked at.
    proposed: Option<Walk>,
    nodes: i64,
    nodes_max: i64,
    /// The most benefit that a plan could have which wasn't looked at.
    left: i64,
    /// The benefit of the best plan, when another may have had the same.
    equal: Cell<i64>,
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
    fn visit(&mut self, mut node: Node, stack: &mut Vec<Node>) {
        self.pass(&mut node);
        if let Some(best) = &self.best {
            let outlook = self.outlook(&node, best);
            if outlook == Outlook::Hopeless {
                self.spare.push(node.walk);
                return;
            }
            if self.nodes >= self.nodes_max {
                let bound = self.most_step_by_step(&node, i64::MAX).min(self.most(&node));
                let at_better_prices = self.most_at_better_prices(&node, self.target(best));
                self.left = self.left.max(at_better_prices.map_or(bound, |most| most.min(bound)));
                return;
            }
        }
        self.nodes += 1;
        match self.choice.pricing.get(node.depth) {
            None => self.end(node.walk),
            Some(stop) => self.branch(*stop, node, stack),
        }
    }

    /// Passes the stops that no plan from here takes.
    fn pass(&self, node: &mut Node) {
        while let Some(stop) = self.choice.pricing.get(node.depth) {
            if self.may_take(node, *stop) {
                return;
            }
            node.depth += 1;
            node.sets_max = i64::MAX;
        }
    }

    /// Whether the stop, which comes next, can be taken and could lead to a plan that is preferred.
    fn may_take(&self, node: &Node, stop: Stop) -> bool {
        if stop.step > 0 {
            return node.walk.has_taken(stop.open);
        }
        let admitted = self.choice.open.get(stop.open).is_some_and(|open| node.walk.admits(open));
        admitted && self.may_help(node, stop)
    }

    /// Bounds the node by shadow prices, then stop by stop by what still is possible.
    fn outlook(&self, node: &Node, best: &Walk) -> Outlook {
        let most = self.most(node);
        let target = self.target(best);
        if most <= target {
            return self.compare(most, target, node, best);
        }
        let is_unhindered = node.unhindered == node.walk.benefit && !self.units_matter;
        if !is_unhindered {
            let most = self.most_step_by_step(node, target);
            if most <= target {
                return self.compare(most, target, node, best);
            }
        }
        match self.most_at_better_prices(node, target) {
            Some(most) if most <= target => self.compare(most, target, node, best),
            _ => Outlook::Better,
        }
    }

    /// The most that plans behind a node come to, at shadow prices found for what is left there. Only asked for in
    /// searches that turn out to be long, and while it tells something.
    fn most_at_better_prices(&self, node: &Node, target: i64) -> Option<i64> {
        let (asked, told) = self.haggled.get();
        if self.nodes < HAGGLE_FROM_NODE || asked > HAGGLE_TRIES.saturating_add(HAGGLE_SHARE * told) {
            return None;
        }
        let (market, shadow) = (self.market.as_ref()?, self.shadow.as_ref()?);
        let rest = Rest::behind(self.choice, market, &node.walk, node.depth, node.sets_max);
        let mut prices = self.prices.take();
        let known = target.saturating_sub(node.walk.benefit);
        let together = rest.haggle(&mut prices, known, HAGGLE_ROUNDS, |_, _| ());
        self.prices.set(prices);
        let most = shadow.bound_of(&node.walk, node.depth, together);
        self.haggled.set((asked.saturating_add(1), told.saturating_add(u32::from(most <= target))));
        Some(most)
    }

    /// The most that plans behind a node come to, by what each stop still can give; more than enough is told as
    /// any such number.
    fn most_step_by_step(&self, node: &Node, enough: i64) -> i64 {
        if self.compounds {
            let together = self.choice.most_together(&node.walk, node.depth, node.sets_max);
            return node.walk.benefit.saturating_add(together);
        }
        self.choice.bound(node, enough)
    }

    /// What a plan must come to, at least, to be of interest.
    fn target(&self, best: &Walk) -> i64 {
        self.proposed.as_ref().map_or(best.benefit, |proposed| proposed.benefit.max(best.benefit))
    }

    /// The most that plans behind a node come to, by shadow prices.
    fn most(&self, node: &Node) -> i64 {
        self.shadow.as_ref().map_or(i64::MAX, |shadow| shadow.bound(&node.walk, node.depth, node.sets_max))
    }

    fn compare(&self, bound: i64, target: i64, node: &Node, best: &Walk) -> Outlook {
        match bound.cmp(&target) {
            std::cmp::Ordering::Greater => Outlook::Better,
            std::cmp::Ordering::Less => Outlook::Hopeless,
            // The plan that was proposed is one of those behind such nodes.
            std::cmp::Ordering::Equal if target > best.benefit => Outlook::Better,
            std::cmp::Ordering::Equal => {
                self.equal.set(target);
                self.even(node, best)
            }
        }
    }

    /// The outlook of a node whose plans have at most the benefit of the best.
    fn even(&self, node: &Node, best: &Walk) -> Outlook {
        let fewer = self.choice.pricing_count(&node.walk) < self.choice.pricing_count(best);
        let even = (self.most_rewards, fewer) > (best.reward_worth, false);
        if even { Outlook::Even } else { Outlook::Hopeless }
    }

    /// Whether a plan that takes the stop could be at least as good as the best, by shadow prices.
    fn may_help(&self, node: &Node, stop: Stop) -> bool {
        let (Some(best), Some(shadow)) = (&self.best, &self.shadow) else { return true };
        let several = self.choice.open.get(stop.open).is_some_and(|open| open.promotion.steps.len() > 1);
        several || shadow.bound_with(&node.walk, node.depth) >= self.target(best)
    }

    /// Runs the rewards at the end of a plan, and keeps it when it is better than the best so far.
    fn end(&mut self, walk: Walk) {
        let count = self.choice.pricing_count(&walk);
        let Some(walk) = self.choice.with_rewards(walk) else { return };
        if !self.choice.budgets_pay_all_sets(&walk, self.list) {
            return;
        }
        if self.best.as_ref().is_some_and(|best| best.benefit == walk.benefit) {
            self.equal.set(walk.benefit);
        }
        let better = self.best.as_ref().is_none_or(|best| {
            let best_count = self.choice.pricing_count(best);
            (walk.benefit, walk.reward_worth, best_count) > (best.benefit, best.reward_worth, count)
        });
        if better {
            let is_first = self.best.is_none();
            self.best = Some(walk);
            if is_first {
                self.look_around();
            }
        }
    }

    /// With a plan to beat, works out the bound, and looks for better plans among those that it suggests.
    fn look_around(&mut self) {
        let market = Market::of(self.choice, &self.own, self.list);
        let mut prices = market.free();
        if Rest::whole(&market).bound(&prices) > self.known() {
            self.propose(&market.dearest(self.choice));
            let suggested;
            (prices, suggested) = market.prices(self.choice, self.known());
            if let Some(suggested) = suggested {
                self.propose(&suggested);
            }
        }
        self.shadow = Some(Shadow::at(self.choice, &market, &prices));
        self.prices.set(prices);
        self.market = Some(market);
    }

    /// The benefit of the best plan known.
    fn known(&self) -> i64 {
        self.best.as_ref().map_or(0, |best| self.target(best))
    }

    /// Runs a plan that may be good, and keeps it when it is.
    fn propose(&mut self, proposal: &Proposal) {
        let mut walk = Walk::new(self.list.clone());
        for (stop, sets) in self.choice.pricing.iter().zip(proposal) {
            if stop.step > 0 {
                if walk.has_taken(stop.open) && walk.take(self.choice, *stop, i64::MAX).is_err() {
                    return;
                }
            } else if *sets > 0 {
                // A budget has to pay all sets that could be formed (S-9.3).
                let sets = if self.choice.has_budget(*stop) { i64::MAX } else { *sets };
                // What can't be taken beside the others is left out.
                let _refused = walk.take(self.choice, *stop, sets);
            }
        }
        let Some(walk) = self.choice.with_rewards(walk) else { return };
        if !self.choice.budgets_pay_all_sets(&walk, self.list) {
            return;
        }
        if walk.benefit > self.known() {
            self.proposed = Some(walk);
        }
    }

    fn branch(&mut self, stop: Stop, node: Node, stack: &mut Vec<Node>) {
        let depth = node.depth + 1;
        let unhindered = node.unhindered;
        let skip = |walk| Node { depth, walk, sets_max: i64::MAX, unhindered };
        let mut with = self.copy(&node.walk);
        let taken = with.take(self.choice, stop, node.sets_max);
        let fewer = match &taken {
            Ok(draft) if draft.formed > 0 => draft.formed - 1,
            // Of so many sets none may save anything, and of fewer some.
            Err(because) if !asks_for_fewer(because, node.sets_max) => 0,
            Ok(_) | Err(_) => self.choice.sets_in(stop, &node.walk, node.sets_max) - 1,
        };
        if fewer > 0 {
            stack.push(Node { depth: node.depth, walk: node.walk, sets_max: fewer, unhindered });
        } else if stop.step == 0 {
            // A promotion that was begun is run to its end, or the plan is none.
            stack.push(skip(node.walk));
        }
        match taken {
            Ok(draft) => {
                let own = self.own.get(node.depth).copied().unwrap_or(0);
                let alone = if draft.formed > 0 { draft.benefit() } else { own };
                stack.push(Node { unhindered: unhindered.saturating_add(alone), ..skip(with) });
            }
            Err(_) => self.spare.push(with),
        }
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
}

impl Choice<'_> {
    /// How many sets a stop could form at most, as far as numbers of units go; 0 when it forms none.
    pub(super) fn sets_in(&self, stop: Stop, walk: &Walk, sets_max: i64) -> i64 {
        let Some((open, step)) = self.step(stop) else { return 0 };
        let Benefit::Set(offer) = &step.benefit else { return 0 };
        let applying = self.applying(open, stop, step, walk.moment(stop.open), sets_max);
        sets_at_most(&applying, offer, walk.prices())
    }

    /// Whether a promotion keeps others from units that it lowered.
    fn units_matter(&self) -> bool {
        self.open
            .iter()
            .map(|open| &open.promotion.stacking)
            .any(|stacking| stacking.closes_units || !stacking.on_discounted || stacking.unit_groups != 0)
    }

    /// No plan that goes on from this node has a higher benefit, as far as that is asked: what is above enough
    /// isn't added up to its end.
    fn bound(&self, node: &Node, enough: i64) -> i64 {
        let mut bound = node.walk.benefit;
        for (distance, stop) in self.pricing.iter().skip(node.depth).enumerate() {
            if bound > enough {
                break;
            }
            let sets_max = if distance == 0 { node.sets_max } else { i64::MAX };
            bound = bound.saturating_add(self.most_in_company(*stop, &node.walk, sets_max));
        }
        bound
    }

    /// The most that a stop could still add to a walk, nothing if what was taken excludes it.
    pub(super) fn most_in_company(&self, stop: Stop, walk: &Walk, sets_max: i64) -> i64 {
        let admitted = || self.open.get(stop.open).is_some_and(|open| walk.admits(open));
        if walk.has_taken(stop.open) || admitted() { self.most(stop, walk, sets_max) } else { 0 }
    }
}

/// Whether an offer that can't make so many sets could make fewer. A budget has to pay all that could be
/// formed; where it can, fewer that cost more, since they take more into each, are only passed over (S-9.3).
fn asks_for_fewer(because: &Because, sets_max: i64) -> bool {
    match because.reason {
        Reason::NoEffect | Reason::UnitsTaken => true,
        Reason::Budget => sets_max < i64::MAX,
        _ => false,
    }
}
