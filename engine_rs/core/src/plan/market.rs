//! What the promotions of a choice give and what they use of things that are scarce: an exclusion group is used by one
//! promotion, and a unit by one set (S-7.3).

use smallvec::SmallVec;

use super::Choice;
use super::walk::Walk;
use crate::model::{Benefit, Exclusive, Promotion, SetOffer};
use crate::symbols::Symbol;
use crate::units::Prices;

/// Slots of several lines that are told apart; more of them are left out, which only loosens the bound.
const POOLS_MAX: usize = 16;

/// What a stop gives and uses.
pub(super) struct Contender {
    /// The most that it gives in all; 0 when it stands alone in the order.
    pub(super) own: i64,
    /// What it gives when it stands alone in the order.
    pub(super) alone: i64,
    /// The most that one set gives; all, where there are no sets.
    pub(super) each: i64,
    /// How many sets there can be.
    pub(super) times: i64,
    /// What a last, incomplete set gives, which may use nothing that is scarce.
    pub(super) incomplete: i64,
    /// Its exclusion groups.
    pub(super) groups: SmallVec<[usize; 2]>,
    /// How many units of each pool a set uses.
    pub(super) units: SmallVec<[(usize, i64); 4]>,
}

/// Scarce things: exclusion groups first, then pools of units.
pub(super) struct Market {
    pub(super) contenders: Vec<Contender>,
    /// How much there is of each.
    pub(super) supply: Vec<i64>,
    pub(super) groups: Vec<Symbol>,
    /// The lines of each pool.
    pub(super) pools: Vec<Vec<usize>>,
    /// Whether a promotion excludes others by itself, not by a group.
    pub(super) some_exclude: bool,
}

impl Market {
    /// What the promotions of a choice give and use; `own` is the most that each stop gives at list prices.
    pub(super) fn of(choice: &Choice<'_>, own: &[i64], list: &Prices) -> Self {
        let excludes = |promotion: &Promotion| promotion.stacking.exclusive != Exclusive::No;
        let some_exclude = choice.open.iter().any(|open| excludes(open.promotion));
        let mut market = Self {
            contenders: Vec::new(),
            supply: Vec::new(),
            groups: Vec::new(),
            pools: Vec::new(),
            some_exclude,
        };
        for stop in &choice.pricing {
            let promotion = choice.open.get(stop.open).map(|open| open.promotion);
            let groups = promotion.filter(|_| stop.step == 0).map(|of| of.stacking.order_groups.as_slice());
            for group in groups.unwrap_or_default() {
                if !market.groups.contains(group) {
                    market.groups.push(*group);
                }
            }
            if let Some((Benefit::Set(offer), pools)) = choice.pools_of(*stop) {
                for (_, pool) in offer.slots.iter().zip(pools).filter(|(slot, _)| slot.minimum > 0) {
                    market.add_pool(pool);
                }
            }
        }
        market.supply = vec![1; market.groups.len()];
        let quantity = |line: &usize| choice.request.cart.lines.get(*line).map_or(0, |line| line.quantity);
        market.supply.extend(market.pools.iter().map(|pool| pool.iter().map(quantity).sum::<i64>()));
        let walk = Walk::new(list.clone());
        for (stop, own) in choice.pricing.iter().zip(own) {
            let contender = market.contender(choice, *stop, *own, &walk);
            market.contenders.push(contender);
        }
        market
    }

    fn add_pool(&mut self, pool: &[usize]) {
        let several = self.pools.iter().filter(|pool| pool.len() > 1).count();
        let has_room = pool.len() == 1 || several < POOLS_MAX;
        if has_room && !self.pools.iter().any(|known| known == pool) {
            self.pools.push(pool.to_vec());
        }
    }

    fn contender(&self, choice: &Choice<'_>, stop: super::Stop, own: i64, walk: &Walk) -> Contender {
        let plain = |groups| Contender {
            own,
            alone: 0,
            each: own,
            times: 1,
            incomplete: 0,
            groups,
            units: SmallVec::new(),
        };
        let Some(open) = choice.open.get(stop.open) else { return plain(SmallVec::new()) };
        let own_groups = open.promotion.stacking.order_groups.iter().filter(|_| stop.step == 0);
        let groups =
            own_groups.filter_map(|group| self.groups.iter().position(|known| known == group)).collect();
        if self.is_alone(choice, stop) {
            return Contender { own: 0, each: 0, alone: own, ..plain(SmallVec::new()) };
        }
        let Some((Benefit::Set(offer), pools)) = choice.pools_of(stop) else { return plain(groups) };
        let times = choice.sets_in(stop, walk, i64::MAX);
        let each = choice.most(stop, walk, 1);
        let incomplete = if offer.partial { each } else { 0 };
        Contender { each, times, incomplete, units: self.units(offer, pools), ..plain(groups) }
    }

    /// A promotion that stands alone in the order competes with all others, and is looked at apart from them.
    pub(super) fn is_alone(&self, choice: &Choice<'_>, stop: super::Stop) -> bool {
        let promotion = choice.open.get(stop.open).map(|open| open.promotion);
        promotion.is_some_and(|of| of.stacking.exclusive == Exclusive::Order && of.steps.len() == 1)
    }

    /// A set uses units of each pool that one of its slots lies in.
    fn units(&self, offer: &SetOffer, slots: &[Vec<usize>]) -> SmallVec<[(usize, i64); 4]> {
        let first = self.groups.len();
        let used = |pool: &Vec<usize>| -> i64 {
            let lies_in = |slot: &Vec<usize>| slot.iter().all(|line| pool.binary_search(line).is_ok());
            offer
                .slots
                .iter()
                .zip(slots)
                .filter(|(_, lines)| lies_in(lines))
                .map(|(slot, _)| slot.minimum)
                .sum()
        };
        let pools = self.pools.iter().enumerate().map(|(place, pool)| (first + place, used(pool)));
        pools.filter(|(_, count)| *count > 0).collect()
    }

    /// Prices of nothing: the bound is then what all promotions give together.
    pub(super) fn free(&self) -> Vec<i64> {
        vec![0; self.supply.len()]
    }
}

impl Contender {
    /// What a set gives above the price of its units.
    pub(super) fn gain_of_set(&self, prices: &[i64]) -> i64 {
        let price =
            |(pool, count): &(usize, i64)| prices.get(*pool).map_or(0, |price| price.saturating_mul(*count));
        let cost = self.units.iter().map(price).fold(0, i64::saturating_add);
        self.each.saturating_sub(cost).max(0)
    }

    /// What it gives in all, above the price of all that it uses.
    pub(super) fn gain_in_all(&self, prices: &[i64]) -> i64 {
        self.gain(prices, self.times)
    }

    /// What it gives at most with so many sets, above the price of all that they use.
    pub(super) fn gain(&self, prices: &[i64], times: i64) -> i64 {
        let sets = self.gain_of_set(prices).saturating_mul(times).saturating_add(self.incomplete);
        let groups = self.groups.iter().filter_map(|group| prices.get(*group));
        sets.min(self.own).saturating_sub(groups.fold(0, |sum: i64, price| sum.saturating_add(*price))).max(0)
    }
}
