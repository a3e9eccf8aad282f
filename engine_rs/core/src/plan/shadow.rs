//! Shadow prices: what the scarce things are worth that promotions compete for. An exclusion group is used by one
//! promotion, and a unit by one set. At any prices not below 0, no plan has more benefit than all scarce things cost
//! together, and what each promotion gives above the price of what it uses (Lagrange's bound). Good prices are
//! found once for a cart; a bound then takes one look at what is left (S-7.3).

use super::Choice;
use super::basket::Basket;
use super::market::{Contender, Market};
use super::rest::Rest;
use super::walk::Walk;
use crate::symbols::Symbol;

/// How often prices are made better. They are good enough long before they are exact.
const ROUNDS: usize = 60;
/// So often prices on the way are asked for a plan.
const ROUNDS_A_SUGGESTION: usize = 4;

/// The bound, as far as it doesn't depend on what was taken.
pub(super) struct Shadow {
    /// What the stops give and use, at the prices.
    gains: Vec<Gain>,
    /// From each stop on: what stops give above the price of what they use.
    ahead: Vec<i64>,
    /// From each stop on: the most that a promotion gives which stands alone in the order.
    alone: Vec<i64>,
    /// What an exclusion group costs, by symbol, and the last stop that asks for it.
    groups: Vec<(Symbol, i64, usize)>,
    /// By line: what a unit costs that no set has used, and the last stop that asks for it; none without sets.
    units: Vec<(i64, usize)>,
}

/// What a stop gives above the price of what it uses.
#[derive(Clone, Copy)]
struct Gain {
    in_all: i64,
    of_set: i64,
    times: i64,
    /// What its exclusion groups cost.
    groups: i64,
    own: i64,
}

/// How many sets of each stop to take, or whether to take it: a plan that is to be tried.
pub(super) type Proposal = Vec<i64>;

impl Market {
    /// Prices at which the bound comes close to the best plan, whose benefit is at least the known one; and the
    /// best plan that prices on the way there suggest, if there can be a better one.
    pub(super) fn prices(&self, choice: &Choice<'_>, known: i64) -> (Vec<i64>, Option<Proposal>) {
        let mut prices = self.prices_of_groups();
        if Rest::whole(self).bound(&prices) <= known {
            return (prices, None);
        }
        let mut suggested = self.basket(choice, &prices);
        Rest::whole(self).haggle(&mut prices, known, ROUNDS, |round, prices| {
            if round % ROUNDS_A_SUGGESTION == 0 {
                let basket = self.basket(choice, prices);
                if basket.worth > suggested.worth {
                    suggested = basket;
                }
            }
        });
        suggested.exchange_all();
        (prices, Some(suggested.sets))
    }

    /// Each group in turn costs what its two best members have in the middle.
    fn prices_of_groups(&self) -> Vec<i64> {
        let mut prices = self.free();
        for group in 0..self.groups.len() {
            let (mut first, mut second) = (0, 0);
            for contender in self.contenders.iter().filter(|contender| contender.groups.contains(&group)) {
                let gain = contender.gain_in_all(&prices);
                second = second.max(gain.min(first));
                first = first.max(gain);
            }
            if let Some(price) = prices.get_mut(group) {
                *price = second + (first - second) / 2;
            }
        }
        prices
    }

    /// A plan of the promotions that are worth most.
    pub(super) fn dearest(&self, choice: &Choice<'_>) -> Proposal {
        self.basket(choice, &self.free()).sets
    }

    /// The promotions that gain most above some prices, one after another, as long as they can be had together.
    fn basket<'a>(&'a self, choice: &'a Choice<'a>, prices: &[i64]) -> Basket<'a> {
        let gain = |(place, of): (usize, &Contender)| (std::cmp::Reverse(of.gain_in_all(prices)), place);
        let mut order: Vec<_> = self.contenders.iter().enumerate().map(gain).collect();
        order.sort_unstable();
        let mut basket = Basket::new(choice, self);
        order.iter().for_each(|(_, place)| basket.fill(*place));
        basket
    }
}

impl Gain {
    fn of_sets(&self, sets: i64) -> i64 {
        let sets = self.of_set.saturating_mul(sets);
        sets.min(self.own).saturating_sub(self.groups).max(0)
    }
}

impl Contender {
    fn at(&self, prices: &[i64]) -> Gain {
        let groups = self.groups.iter().filter_map(|group| prices.get(*group));
        Gain {
            in_all: self.gain_in_all(prices),
            of_set: self.gain_of_set(prices).saturating_add(self.incomplete),
            times: self.times,
            groups: groups.fold(0, |sum: i64, price| sum.saturating_add(*price)),
            own: self.own.max(self.alone),
        }
    }
}

impl Shadow {
    /// The bound at some prices.
    pub(super) fn at(choice: &Choice<'_>, market: &Market, prices: &[i64]) -> Self {
        let last = |thing: usize| {
            let asks = |contender: &Contender| {
                contender.groups.contains(&thing) || contender.units.iter().any(|(pool, _)| *pool == thing)
            };
            market.contenders.iter().rposition(asks).unwrap_or(0)
        };
        let price = |thing: usize| prices.get(thing).copied().unwrap_or(0);
        let groups = market.groups.iter().enumerate();
        let mut groups: Vec<(Symbol, i64, usize)> =
            groups.map(|(thing, group)| (*group, price(thing), last(thing))).collect();
        groups.sort_unstable_by_key(|(group, ..)| *group);
        let lines = if market.pools.is_empty() { 0 } else { choice.request.cart.lines.len() };
        let mut units = vec![(0_i64, 0); lines];
        for (place, pool) in market.pools.iter().enumerate() {
            let thing = market.groups.len() + place;
            for line in pool {
                if let Some((unit, until)) = units.get_mut(*line) {
                    *unit = unit.saturating_add(price(thing));
                    *until = last(thing).max(*until);
                }
            }
        }
        let gains: Vec<Gain> = market.contenders.iter().map(|contender| contender.at(prices)).collect();
        let (mut ahead, mut alone) = (vec![0_i64], vec![0_i64]);
        for (stop, (gain, contender)) in choice.pricing.iter().zip(gains.iter().zip(&market.contenders)).rev()
        {
            let (behind, best_alone) = (ahead.last().copied(), alone.last().copied().unwrap_or(0));
            ahead.push(behind.unwrap_or(0).saturating_add(gain.in_all));
            let stands_alone = market.is_alone(choice, *stop);
            alone.push(if stands_alone { best_alone.max(contender.alone) } else { best_alone });
        }
        ahead.reverse();
        alone.reverse();
        Self { gains, ahead, alone, groups, units }
    }

    /// No plan that goes on from a walk has more benefit; of the next stop it has at most so many sets.
    pub(super) fn bound(&self, walk: &Walk, depth: usize, sets_max: i64) -> i64 {
        let at = |values: &[i64], depth: usize| values.get(depth).copied().unwrap_or(0);
        let ahead = match self.gains.get(depth) {
            Some(gain) if gain.times > sets_max => {
                at(&self.ahead, depth + 1).saturating_add(gain.of_sets(sets_max))
            }
            _ => at(&self.ahead, depth),
        };
        self.bound_of(walk, depth, self.stock(walk, depth).saturating_add(ahead))
    }

    /// The same, where what can still be taken together comes to so much.
    pub(super) fn bound_of(&self, walk: &Walk, depth: usize, together: i64) -> i64 {
        if walk.stands_alone() {
            return walk.benefit;
        }
        let alone = if walk.lowers_nothing() { self.alone.get(depth).copied().unwrap_or(0) } else { 0 };
        walk.benefit.saturating_add(together.max(alone))
    }

    /// No plan that goes on from a walk by taking the next stop has more benefit.
    pub(super) fn bound_with(&self, walk: &Walk, depth: usize) -> i64 {
        let gain = self.gains.get(depth);
        let ahead = self.ahead.get(depth + 1).copied().unwrap_or(0);
        // The groups of the stop are used up then.
        let taken = gain.map_or(0, |gain| gain.own.saturating_sub(gain.groups));
        walk.benefit.saturating_add(self.stock(walk, depth).saturating_add(ahead).saturating_add(taken))
    }

    /// What the scarce things cost that are left and that a stop from here on asks for.
    fn stock(&self, walk: &Walk, depth: usize) -> i64 {
        let is_free = |group: &&(Symbol, i64, usize)| group.2 >= depth && !walk.has_used(group.0);
        let groups = self.groups.iter().filter(is_free).map(|(_, price, _)| *price);
        let runs = if self.units.is_empty() { &[] } else { walk.prices().runs() };
        let units = runs.iter().filter(|run| !run.used).filter_map(|run| {
            let (price, until) = self.units.get(run.line)?;
            (*until >= depth).then(|| price.saturating_mul(run.count))
        });
        groups.chain(units).fold(0, i64::saturating_add)
    }
}
