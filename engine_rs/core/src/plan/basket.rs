//! A plan that is good by the market, put together and bettered without running it: one to try first.

use smallvec::SmallVec;

use super::Choice;
use super::company::exclude_each_other;
use super::market::{Contender, Market};

/// How often a basket is gone through for exchanges.
const EXCHANGES: usize = 4;

/// What was chosen on a market.
pub(super) struct Basket<'a> {
    choice: &'a Choice<'a>,
    market: &'a Market,
    /// By stop: how many sets, or whether.
    pub(super) sets: Vec<i64>,
    /// What is left of each scarce thing.
    left: Vec<i64>,
    /// By group: the stop that has it.
    holders: Vec<Option<usize>>,
    /// What it gives, were no promotion in another's way.
    pub(super) worth: i64,
}

impl<'a> Basket<'a> {
    pub(super) fn new(choice: &'a Choice<'a>, market: &'a Market) -> Self {
        let sets = vec![0; market.contenders.len()];
        let holders = vec![None; market.groups.len()];
        Self { choice, market, sets, left: market.supply.clone(), holders, worth: 0 }
    }

    fn has(&self, place: usize) -> i64 {
        self.sets.get(place).copied().unwrap_or(0)
    }

    /// Puts in as many sets as there is room for.
    pub(super) fn fill(&mut self, place: usize) {
        let Some(contender) = self.market.contenders.get(place) else { return };
        let left = |thing: &usize| self.left.get(*thing).copied().unwrap_or(0);
        let is_in = self.has(place) > 0;
        if !is_in && contender.groups.iter().any(|group| left(group) < 1) || !self.admits(place) {
            return;
        }
        let room = contender.units.iter().map(|(pool, count)| left(pool) / count);
        let sets = room.fold(contender.times - self.has(place), i64::min);
        if sets > 0 && contender.each > 0 {
            self.add(place, sets);
        }
    }

    /// Exchanges what is in for something else, as long as that gains.
    pub(super) fn exchange_all(&mut self) {
        for _ in 0..EXCHANGES {
            let before = self.worth;
            (0..self.sets.len()).for_each(|place| self.exchange(place));
            (0..self.sets.len()).for_each(|place| self.fill(place));
            if self.worth == before {
                break;
            }
        }
    }

    /// Puts in as many sets as there are of a stop in place of others, when that gains.
    fn exchange(&mut self, place: usize) {
        let Some(contender) = self.market.contenders.get(place) else { return };
        if self.has(place) > 0 || contender.times < 1 || !self.admits(place) {
            return;
        }
        let holder = |group: &usize| self.holders.get(*group).copied().flatten();
        let holders: SmallVec<[usize; 2]> = contender.groups.iter().filter_map(holder).collect();
        let held =
            |place: &usize| self.market.contenders.get(*place).map_or(0, |of| of.each * self.has(*place));
        if holders.iter().any(|place| held(place) >= contender.each.saturating_mul(contender.times)) {
            return;
        }
        let before = (self.sets.clone(), self.left.clone(), self.holders.clone(), self.worth);
        for place in holders {
            self.add(place, -self.has(place));
        }
        for (pool, count) in &contender.units {
            while self.left.get(*pool).is_some_and(|left| left < count) {
                let uses = |other: &Contender| other.units.iter().any(|(used, _)| used == pool);
                let Some(holder) = self.cheapest(uses) else { break };
                self.add(holder, -1);
            }
        }
        self.fill(place);
        if self.worth <= before.3 {
            (self.sets, self.left, self.holders, self.worth) = before;
        }
    }

    /// The stop in the basket that gives least for a set, of those that meet a test.
    fn cheapest(&self, meets: impl Fn(&Contender) -> bool) -> Option<usize> {
        let inside = self.market.contenders.iter().enumerate().filter(|(place, _)| self.has(*place) > 0);
        inside.filter(|(_, of)| meets(of)).min_by_key(|(_, of)| of.each).map(|(place, _)| place)
    }

    fn add(&mut self, place: usize, sets: i64) {
        let Some(contender) = self.market.contenders.get(place) else { return };
        let before = self.has(place);
        if let Some(of) = self.sets.get_mut(place) {
            *of += sets;
        }
        let used = i64::from(before + sets > 0) - i64::from(before > 0);
        for group in &contender.groups {
            if let Some(holder) = self.holders.get_mut(*group) {
                *holder = (before + sets > 0).then_some(place);
            }
        }
        let groups = contender.groups.iter().map(|group| (*group, used));
        let units = contender.units.iter().map(|(pool, count)| (*pool, count * sets));
        for (thing, count) in groups.chain(units) {
            if let Some(left) = self.left.get_mut(thing) {
                *left -= count;
            }
        }
        self.worth = self.worth.saturating_add(contender.each.saturating_mul(sets));
    }

    /// Whether the stop begins a promotion that lives with those in the basket; groups left aside.
    fn admits(&self, place: usize) -> bool {
        let promotion = |place: usize| {
            let stop = self.choice.pricing.get(place).filter(|stop| stop.step == 0)?;
            self.choice.open.get(stop.open).map(|open| open.promotion)
        };
        if !self.market.some_exclude {
            return promotion(place).is_some();
        }
        let Some(own) = promotion(place) else { return false };
        let inside = (0..self.sets.len()).filter(|other| *other != place && self.has(*other) > 0);
        !inside.filter_map(promotion).any(|other| exclude_each_other(own, other))
    }
}
