//! What is left of a market behind a node of the search, and prices at which its bound is close (S-7.3). Prices of the
//! whole market are bad ones where much of it is used up; a few rounds make them good again.

use super::Choice;
use super::market::{Contender, Market};
use super::walk::Walk;
use crate::symbols::Symbol;

/// After so many rounds that made nothing better, steps are halved.
const PATIENCE: usize = 4;

/// What may still be taken, and what it would use.
pub(super) struct Rest<'a> {
    claims: Vec<Claim<'a>>,
    /// How much is left of each scarce thing.
    left: Vec<i64>,
}

/// What a contender may still take.
struct Claim<'a> {
    of: &'a Contender,
    /// How many sets there can be.
    times: i64,
}

impl<'a> Rest<'a> {
    /// The whole market.
    pub(super) fn whole(market: &'a Market) -> Self {
        let claims = market.contenders.iter().map(|of| Claim { of, times: of.times }).collect();
        Self { claims, left: market.supply.clone() }
    }

    /// What plans can still take that go on from a walk; of the next stop at most so many sets.
    pub(super) fn behind(
        choice: &Choice<'_>,
        market: &'a Market,
        walk: &Walk,
        depth: usize,
        sets_max: i64,
    ) -> Self {
        let free = |group: &Symbol| i64::from(!walk.has_used(*group));
        let mut left: Vec<i64> = market.groups.iter().map(free).collect();
        let mut unused = vec![0_i64; choice.request.cart.lines.len()];
        for run in walk.prices().runs().iter().filter(|run| !run.used) {
            if let Some(line) = unused.get_mut(run.line) {
                *line = line.saturating_add(run.count);
            }
        }
        let of_line = |line: &usize| unused.get(*line).copied().unwrap_or(0);
        left.extend(market.pools.iter().map(|pool| pool.iter().map(of_line).fold(0, i64::saturating_add)));
        let has = |thing: usize| left.get(thing).copied().unwrap_or(0);
        let ahead = choice.pricing.iter().zip(&market.contenders).enumerate().skip(depth);
        let claims = ahead.filter_map(|(place, (stop, of))| {
            let begun = stop.step > 0 && walk.has_taken(stop.open);
            let admitted = begun || choice.open.get(stop.open).is_some_and(|open| walk.admits(open));
            let times = if place == depth { of.times.min(sets_max) } else { of.times };
            let times = of.units.iter().fold(times, |times, (pool, count)| times.min(has(*pool) / count));
            admitted.then_some(Claim { of, times })
        });
        Self { claims: claims.collect(), left }
    }

    /// At prices not below 0 no plan gives more, promotions that stand alone in the order left aside.
    pub(super) fn bound(&self, prices: &[i64]) -> i64 {
        let stock = prices.iter().zip(&self.left).map(|(price, left)| price.saturating_mul(*left));
        let gains = self.claims.iter().map(|claim| claim.of.gain(prices, claim.times));
        stock.chain(gains).fold(0, i64::saturating_add)
    }

    /// Makes prices better in so many rounds, or until the bound says that nothing above what is known can be had;
    /// returns the bound. `met` sees the prices on the way.
    pub(super) fn haggle(
        &self,
        prices: &mut Vec<i64>,
        known: i64,
        rounds: usize,
        mut met: impl FnMut(usize, &[i64]),
    ) -> i64 {
        let mut best = (self.bound(prices), prices.clone());
        let (mut halvings, mut idle, mut bound) = (0, 0, best.0);
        for round in 1..=rounds {
            let over = self.demand_over_supply(prices);
            let slope: i128 = over.iter().map(|over| i128::from(*over) * i128::from(*over)).sum();
            let room = i128::from(bound) - i128::from(known);
            if slope == 0 || room <= 0 {
                break;
            }
            for (price, over) in prices.iter_mut().zip(over) {
                let step = room * i128::from(over) / slope / (1 << halvings);
                *price = i64::try_from((i128::from(*price) + step).max(0)).unwrap_or(i64::MAX);
            }
            bound = self.bound(prices);
            if bound < best.0 {
                best.0 = bound;
                best.1.clone_from(prices);
                idle = 0;
            } else {
                idle += 1;
            }
            if idle == PATIENCE {
                (halvings, idle) = (halvings + 1, 0);
                prices.clone_from(&best.1);
                bound = best.0;
            }
            met(round, prices);
        }
        *prices = best.1;
        best.0
    }

    /// How much more of each scarce thing is asked for at some prices than there is, 0 where it costs nothing
    /// and isn't asked for.
    fn demand_over_supply(&self, prices: &[i64]) -> Vec<i64> {
        let mut over: Vec<i64> = self.left.iter().map(|left| -left).collect();
        let mut ask = |thing: usize, count: i64| {
            if let Some(over) = over.get_mut(thing) {
                *over = over.saturating_add(count);
            }
        };
        for Claim { of, times } in self.claims.iter().filter(|claim| claim.of.gain(prices, claim.times) > 0) {
            of.groups.iter().for_each(|group| ask(*group, 1));
            let sets = if of.gain_of_set(prices) > 0 { *times } else { 0 };
            of.units.iter().for_each(|(pool, count)| ask(*pool, count.saturating_mul(sets)));
        }
        for (over, price) in over.iter_mut().zip(prices) {
            if *price == 0 {
                *over = (*over).max(0);
            }
        }
        over
    }
}
