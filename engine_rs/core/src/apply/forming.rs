//! Forms sets of units (S-6.3): one after another, each slot in its order, as long as the set can still
//! be completed. Sets that take the same from the same runs are formed at once, so that the work doesn't
//! depend on quantities.

use super::fill::can_complete;
use super::half::{Half, Stock};
use super::pick::{Picked, sort};
use crate::model::{Role, SetOffer, Slot, UnitOrder};

/// Units of one stock that one slot takes in one set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) slot: usize,
    pub(super) stock: usize,
    pub(super) count: i64,
}

/// Some sets that are alike.
#[derive(Clone, Debug)]
pub(super) struct Formed {
    pub(super) times: i64,
    pub(super) parts: Vec<Part>,
}

/// The units that are left while sets are formed.
pub(super) struct Forming<'a> {
    slots: &'a [Slot],
    same_product: bool,
    pub(super) stocks: Vec<Stock>,
    /// For each slot, the stocks in the order in which it takes them.
    orders: Vec<Vec<usize>>,
}

impl<'a> Forming<'a> {
    /// Units are in cart order; `picks` says which slots can take each.
    pub(super) fn new(offer: &'a SetOffer, units: Vec<(Picked, u32)>) -> Self {
        let stocks: Vec<Stock> =
            units.into_iter().map(|(picked, mask)| Stock { picked, mask, count: picked.count }).collect();
        let orders =
            offer.slots.iter().enumerate().map(|(slot, rules)| order(&stocks, slot, rules.order)).collect();
        Self { slots: &offer.slots, same_product: offer.same_product, stocks, orders }
    }

    /// How many units a slot could take if it were alone.
    pub(super) fn available(&self, slot: usize) -> i64 {
        self.stocks.iter().filter(|stock| stock.mask & (1 << slot) != 0).map(|stock| stock.count).sum()
    }

    /// Forms sets up to a number, first with every slot's minimum, then with what slots may take beyond.
    pub(super) fn form(&mut self, at_most: i64) -> Vec<Formed> {
        let mut sets: Vec<Formed> = Vec::new();
        let mut left = at_most;
        while left > 0 {
            let Some(parts) = self.minimum_set() else { break };
            let times = 1 + self.repeats(&parts).min(left - 1);
            self.take(&parts, times - 1);
            left -= times;
            sets.push(Formed { times, parts });
        }
        self.add_extras(sets)
    }

    /// One more group of which some rewards are missing, but not all (S-6.10).
    pub(super) fn partial(&mut self) -> Option<Formed> {
        self.products().into_iter().find_map(|product| {
            let needs = self.needs_of_partial(product)?;
            let parts = self.fill(Half::new(needs, product))?;
            Some(Formed { times: 1, parts })
        })
    }

    /// What such a group holds: all that are no rewards, and as many rewards as there are, slot by slot.
    fn needs_of_partial(&self, product: Option<usize>) -> Option<Vec<i64>> {
        let is_reward = |slot: &Slot| slot.role == Role::Reward;
        let mut needs: Vec<i64> =
            self.slots.iter().map(|slot| if is_reward(slot) { 0 } else { slot.minimum }).collect();
        for (place, slot) in self.slots.iter().enumerate().filter(|(_, slot)| is_reward(slot)) {
            // What completes with some units completes with fewer of them.
            let (mut low, mut high) = (0, slot.minimum);
            while low < high {
                let middle = low + (high - low + 1) / 2;
                let attempt = with_need(&needs, place, middle);
                let completes = can_complete(self.slots, &Half::new(attempt, product), &self.stocks);
                if completes { low = middle } else { high = middle - 1 }
            }
            needs = with_need(&needs, place, low);
        }
        let rewards = self.slots.iter().zip(&needs).filter(|(slot, need)| is_reward(slot) && **need > 0);
        (rewards.count() > 0).then_some(needs)
    }

    fn minimum_set(&mut self) -> Option<Vec<Part>> {
        let needs: Vec<i64> = self.slots.iter().map(|slot| slot.minimum).collect();
        self.products().into_iter().find_map(|product| self.fill(Half::new(needs.clone(), product)))
    }

    /// The products that a set may be of when it is to be of one, that with the dearest unit first; else
    /// no one product.
    fn products(&self) -> Vec<Option<usize>> {
        if !self.same_product {
            return vec![None];
        }
        let mut left: Vec<Picked> =
            self.stocks.iter().filter(|stock| stock.count > 0).map(|stock| stock.picked).collect();
        sort(&mut left, UnitOrder::Dearest);
        let mut products: Vec<Option<usize>> = Vec::new();
        for picked in left {
            if !products.contains(&Some(picked.product)) {
                products.push(Some(picked.product));
            }
        }
        products
    }

    /// Fills the needs of a set, and takes its units, or takes nothing.
    fn fill(&mut self, mut half: Half) -> Option<Vec<Part>> {
        if !can_complete(self.slots, &half, &self.stocks) {
            return None;
        }
        let mut parts = Vec::new();
        for slot in 0..self.slots.len() {
            for stock in self.orders.get(slot).cloned().unwrap_or_default() {
                let count = self.most_that_completes(slot, stock, &mut half);
                if count > 0 {
                    parts.push(Part { slot, stock, count });
                }
            }
        }
        Some(parts)
    }

    /// Takes as many units of a stock for a slot as leave the set completable, and says how many.
    fn most_that_completes(&mut self, slot: usize, stock: usize, half: &mut Half) -> i64 {
        let Some((rules, units)) = self.slots.get(slot).zip(self.stocks.get(stock)) else { return 0 };
        let product = units.product();
        if half.need(slot) == 0 || !half.accepts(slot, units) {
            return 0;
        }
        let most = units.count.min(half.need(slot)).min(if rules.different_products { 1 } else { i64::MAX });
        let mut completes = |count: i64| {
            let mut next = half.clone();
            next.take(slot, rules, product, count);
            self.take(&[Part { slot, stock, count }], 1);
            let completes = can_complete(self.slots, &next, &self.stocks);
            self.give_back(&[Part { slot, stock, count }]);
            completes
        };
        // Whatever completes with some units completes with fewer of them.
        let (mut low, mut high) = if completes(most) { (most, most) } else { (0, most - 1) };
        while low < high {
            let middle = low + (high - low + 1) / 2;
            if completes(middle) { low = middle } else { high = middle - 1 }
        }
        if low > 0 {
            half.take(slot, rules, product, low);
            self.take(&[Part { slot, stock, count: low }], 1);
        }
        low
    }

    /// Lets each set in turn take what its slots may hold beyond their minimum.
    fn add_extras(&mut self, sets: Vec<Formed>) -> Vec<Formed> {
        if !self.slots.iter().any(|slot| slot.role != Role::Qualifier && slot.maximum > slot.minimum) {
            return sets;
        }
        let mut done = Vec::with_capacity(sets.len());
        for set in sets {
            let mut left = set.times;
            while left > 0 {
                let extras = self.extras_of(&set.parts);
                let times = if extras.is_empty() { left } else { 1 + self.repeats(&extras).min(left - 1) };
                self.take(&extras, times - 1);
                left -= times;
                done.push(Formed { times, parts: [set.parts.clone(), extras].concat() });
            }
        }
        done
    }

    fn extras_of(&mut self, parts: &[Part]) -> Vec<Part> {
        let mut extras = Vec::new();
        for (place, slot) in self.slots.iter().enumerate().filter(|(_, slot)| slot.role != Role::Qualifier) {
            let mut taken = parts.to_vec();
            let mut wanted = slot.maximum - slot.minimum;
            if slot.minimum == 0 {
                // An optional slot takes its minimum at once or stays empty.
                let needs = with_need(&vec![0; self.slots.len()], place, slot.optional_minimum);
                let Some(minimum) = self.fill(Half::new(needs, self.product_of_set(parts))) else { continue };
                wanted -= slot.optional_minimum;
                taken.extend(&minimum);
                extras.extend(minimum);
            }
            extras.extend(self.take_freely(place, slot, wanted, &taken));
        }
        extras
    }

    /// Takes up to so many units for a slot, in its order and by its rule on products.
    fn take_freely(&mut self, place: usize, rules: &Slot, wanted: i64, parts: &[Part]) -> Vec<Part> {
        let mut half = Half::new(vec![0; self.slots.len()], self.product_of_set(parts));
        for part in parts.iter().filter(|part| part.slot == place) {
            if let Some(stock) = self.stocks.get(part.stock) {
                half.take(place, rules, stock.product(), 0);
            }
        }
        let mut left = wanted;
        let mut taken = Vec::new();
        for stock in self.orders.get(place).cloned().unwrap_or_default() {
            let Some(units) = self.stocks.get(stock) else { continue };
            if left == 0 || !half.accepts(place, units) {
                continue;
            }
            let count = units.count.min(left).min(if rules.different_products { 1 } else { i64::MAX });
            half.take(place, rules, units.product(), 0);
            let part = Part { slot: place, stock, count };
            self.take(&[part], 1);
            left -= count;
            taken.push(part);
        }
        taken
    }

    fn product_of_set(&self, parts: &[Part]) -> Option<usize> {
        let first = parts.first().filter(|_| self.same_product)?;
        self.stocks.get(first.stock).map(Stock::product)
    }

    /// How many more sets like this one the stocks hold.
    fn repeats(&self, parts: &[Part]) -> i64 {
        let of_stock = |stock: usize| -> i64 {
            parts.iter().filter(|part| part.stock == stock).map(|part| part.count).sum()
        };
        let held = parts.iter().filter_map(|part| self.stocks.get(part.stock).map(|stock| (part, stock)));
        held.map(|(part, stock)| stock.count / of_stock(part.stock).max(1)).min().unwrap_or(0)
    }

    fn take(&mut self, parts: &[Part], times: i64) {
        for part in parts {
            if let Some(stock) = self.stocks.get_mut(part.stock) {
                stock.count -= part.count * times;
            }
        }
    }

    fn give_back(&mut self, parts: &[Part]) {
        self.take(parts, -1);
    }
}

fn with_need(needs: &[i64], place: usize, need: i64) -> Vec<i64> {
    needs.iter().enumerate().map(|(at, old)| if at == place { need } else { *old }).collect()
}

/// The stocks that a slot can take, in its order; ties in cart order.
fn order(stocks: &[Stock], slot: usize, order: UnitOrder) -> Vec<usize> {
    let mut places: Vec<usize> = stocks
        .iter()
        .enumerate()
        .filter(|(_, stock)| stock.mask & (1 << slot) != 0)
        .map(|(place, _)| place)
        .collect();
    let left = |place: &usize| stocks.get(*place).map_or(0, |stock| stock.picked.left);
    match order {
        UnitOrder::Cheapest => places.sort_by_key(left),
        UnitOrder::Dearest => places.sort_by_key(|place| std::cmp::Reverse(left(place))),
        UnitOrder::Cart => {}
    }
    places
}
