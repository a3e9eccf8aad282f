//! Can a set still be completed? (S-6.3) A question of assignment: every place that is open needs a
//! unit of its own.

use std::collections::{BTreeMap, VecDeque};

use super::half::{Half, Stock};
use crate::model::Slot;

/// Whether the places that are open in a half-filled set can all get units from the stock.
pub(super) fn can_complete(slots: &[Slot], half: &Half, stocks: &[Stock]) -> bool {
    let open: Vec<usize> = (0..slots.len()).filter(|slot| half.need(*slot) > 0).collect();
    if open.iter().any(|slot| available(*slot, half, stocks) < half.need(*slot)) {
        return false;
    }
    if open.iter().all(|slot| stands_alone(slots, *slot, half, stocks)) {
        return true;
    }
    choose_products(slots, half, stocks, &open)
}

fn available(slot: usize, half: &Half, stocks: &[Stock]) -> i64 {
    stocks.iter().filter(|stock| half.accepts(slot, stock)).map(|stock| stock.count).sum()
}

/// Whether a slot has enough units that no other slot could want, and no rule on their products.
fn stands_alone(slots: &[Slot], slot: usize, half: &Half, stocks: &[Stock]) -> bool {
    let free = slots.get(slot).is_some_and(|of| !of.same_product && !of.different_products);
    let own = stocks.iter().filter(|stock| stock.mask == 1 << slot && half.accepts(slot, stock));
    free && own.map(|stock| stock.count).sum::<i64>() >= half.need(slot)
}

/// Tries each product for each slot whose units are to be of one product.
fn choose_products(slots: &[Slot], half: &Half, stocks: &[Stock], open: &[usize]) -> bool {
    let undecided = open
        .iter()
        .copied()
        .find(|slot| slots.get(*slot).is_some_and(|of| of.same_product) && half.product(*slot).is_none());
    let Some(slot) = undecided else { return flows(slots, half, stocks, open) };
    let mut products: Vec<usize> =
        stocks.iter().filter(|stock| half.accepts(slot, stock)).map(|stock| stock.product()).collect();
    products.sort_unstable();
    products.dedup();
    products.into_iter().any(|product| {
        let mut decided = half.clone();
        decided.settle(slot, product);
        choose_products(slots, &decided, stocks, open)
    })
}

/// Whether as much flows from the open slots over products to the stock as the slots need.
fn flows(slots: &[Slot], half: &Half, stocks: &[Stock], open: &[usize]) -> bool {
    let mut groups: BTreeMap<(usize, u32), i64> = BTreeMap::new();
    for stock in stocks.iter().filter(|stock| stock.count > 0) {
        *groups.entry((stock.product(), stock.mask)).or_default() += stock.count;
    }
    let mut network = Network::default();
    let (source, sink) = (network.node(), network.node());
    let ends: Vec<((usize, u32), usize)> = groups
        .iter()
        .map(|(key, count)| {
            let node = network.node();
            network.edge(node, sink, *count);
            (*key, node)
        })
        .collect();
    let mut needed = 0;
    for slot in open {
        let of_slot = network.node();
        network.edge(source, of_slot, half.need(*slot));
        needed += half.need(*slot);
        let different = slots.get(*slot).is_some_and(|of| of.different_products);
        for products in ends.chunk_by(|((one, _), _), ((other, _), _)| one == other) {
            let Some(((product, _), _)) = products.first() else { continue };
            if !half.accepts_product(*slot, *product) {
                continue;
            }
            let of_product = network.node();
            network.edge(of_slot, of_product, if different { 1 } else { i64::MAX });
            for ((_, mask), node) in products.iter().filter(|((_, mask), _)| mask & (1 << slot) != 0) {
                debug_assert_ne!(*mask, 0);
                network.edge(of_product, *node, i64::MAX);
            }
        }
    }
    network.max_flow(source, sink) == needed
}

/// A small flow network.
#[derive(Default)]
struct Network {
    /// The edges that leave each node, by their places; an edge and its reverse lie side by side.
    leaving: Vec<Vec<usize>>,
    edges: Vec<(usize, i64)>,
}

impl Network {
    fn node(&mut self) -> usize {
        self.leaving.push(Vec::new());
        self.leaving.len() - 1
    }

    fn edge(&mut self, from: usize, to: usize, capacity: i64) {
        for (from, to, capacity) in [(from, to, capacity), (to, from, 0)] {
            if let Some(leaving) = self.leaving.get_mut(from) {
                leaving.push(self.edges.len());
                self.edges.push((to, capacity));
            }
        }
    }

    /// Pushes along shortest paths until there is none.
    fn max_flow(&mut self, source: usize, sink: usize) -> i64 {
        let mut flow = 0;
        while let Some(path) = self.path(source, sink) {
            let narrowest = path.iter().filter_map(|edge| self.edges.get(*edge)).map(|(_, left)| *left).min();
            let amount = narrowest.unwrap_or(0);
            for edge in path {
                for (edge, change) in [(edge, -amount), (edge ^ 1, amount)] {
                    if let Some((_, left)) = self.edges.get_mut(edge) {
                        *left = left.saturating_add(change);
                    }
                }
            }
            flow += amount;
        }
        flow
    }

    fn path(&self, source: usize, sink: usize) -> Option<Vec<usize>> {
        let mut reached: Vec<Option<usize>> = vec![None; self.leaving.len()];
        let mut queue = VecDeque::from([source]);
        while let Some(node) = queue.pop_front() {
            for edge in self.leaving.get(node)? {
                let (to, left) = self.edges.get(*edge)?;
                let place = reached.get_mut(*to)?;
                if *left > 0 && place.is_none() && *to != source {
                    *place = Some(*edge);
                    queue.push_back(*to);
                }
            }
        }
        let mut path = Vec::new();
        let mut node = sink;
        while node != source {
            let edge = (*reached.get(node)?)?;
            path.push(edge);
            node = self.edges.get(edge ^ 1)?.0;
        }
        Some(path)
    }
}
