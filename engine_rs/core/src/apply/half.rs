//! A set that is being filled, and the units that it is filled from (S-6.3).

use super::pick::Picked;
use crate::model::Slot;

/// Units of one run that slots can take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stock {
    pub(super) picked: Picked,
    /// The slots that can take them, as bits.
    pub(super) mask: u32,
    /// How many are left.
    pub(super) count: i64,
}

impl Stock {
    pub(super) fn product(&self) -> usize {
        self.picked.product
    }
}

/// A set that is being filled.
#[derive(Clone, Debug)]
pub(super) struct Half {
    needs: Vec<i64>,
    /// The one product of each slot that has to keep to one.
    products: Vec<Option<usize>>,
    /// The products that slots which must differ hold already.
    held: Vec<(usize, usize)>,
    /// The one product of the whole set.
    of_set: Option<usize>,
}

impl Half {
    pub(super) fn new(needs: Vec<i64>, of_set: Option<usize>) -> Self {
        Self { products: vec![None; needs.len()], needs, held: Vec::new(), of_set }
    }

    pub(super) fn need(&self, slot: usize) -> i64 {
        self.needs.get(slot).copied().unwrap_or(0)
    }

    pub(super) fn product(&self, slot: usize) -> Option<usize> {
        self.products.get(slot).copied().flatten()
    }

    pub(super) fn settle(&mut self, slot: usize, product: usize) {
        if let Some(place) = self.products.get_mut(slot) {
            *place = Some(product);
        }
    }

    /// Whether the slot could take a unit of the product.
    pub(super) fn accepts_product(&self, slot: usize, product: usize) -> bool {
        self.of_set.is_none_or(|of_set| of_set == product)
            && self.product(slot).is_none_or(|settled| settled == product)
            && !self.held.contains(&(slot, product))
    }

    /// Whether the slot could take a unit of the stock.
    pub(super) fn accepts(&self, slot: usize, stock: &Stock) -> bool {
        stock.count > 0 && stock.mask & (1 << slot) != 0 && self.accepts_product(slot, stock.product())
    }

    pub(super) fn take(&mut self, slot: usize, rules: &Slot, product: usize, count: i64) {
        if let Some(need) = self.needs.get_mut(slot) {
            *need -= count;
        }
        if rules.same_product {
            self.settle(slot, product);
        }
        if rules.different_products {
            self.held.push((slot, product));
        }
    }
}
