//! From what a cart has to the promotions that it could concern, so that the cost of an evaluation
//! follows the promotions that match, not those that exist.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use crate::model::{Cart, Line, LineFilter, NameFilter, Promotion, Selector, Trigger};
use crate::symbols::Symbol;

type Postings = HashMap<Symbol, Vec<u32>, FixedState>;

/// Where each promotion is listed: once for each of its keys, in the one dimension that tells most.
#[derive(Debug, Default)]
pub(crate) struct Index {
    by_product: Postings,
    by_category: Postings,
    by_line_brand: Postings,
    by_store: Postings,
    by_region: Postings,
    by_brand: Postings,
    by_channel: Postings,
    by_code: Postings,
    by_voucher: Postings,
    /// Those that any cart could concern.
    anywhere: Vec<u32>,
}

impl Index {
    /// Lists promotions by their places.
    pub(crate) fn of(promotions: &[Promotion]) -> Self {
        let mut index = Self::default();
        for (place, promotion) in promotions.iter().enumerate() {
            // A ruleset has far fewer promotions than 2^32.
            index.add(u32::try_from(place).unwrap_or(u32::MAX), promotion);
        }
        index
    }

    fn add(&mut self, place: u32, promotion: &Promotion) {
        self.add_code(place, promotion);
        let scopes: Vec<&Selector> = promotion.steps.iter().flat_map(|step| step.benefit.scopes()).collect();
        if scopes.iter().all(|selector| is_keyed(selector)) {
            for filter in scopes.iter().flat_map(|selector| &selector.include) {
                let (postings, keys) = match narrowest(filter) {
                    Dimension::Product => (&mut self.by_product, &filter.products),
                    Dimension::Category => (&mut self.by_category, &filter.categories),
                    Dimension::Brand => (&mut self.by_line_brand, &filter.brands),
                };
                list(postings, keys, place);
            }
            return;
        }
        let targeting = &promotion.targeting;
        let places = [
            (&mut self.by_store, &targeting.stores),
            (&mut self.by_region, &targeting.regions),
            (&mut self.by_brand, &targeting.brands),
            (&mut self.by_channel, &targeting.channels),
        ];
        match places.into_iter().find(|(_, filter)| !filter.include.is_empty()) {
            Some((postings, NameFilter { include, .. })) => list(postings, include, place),
            None => self.anywhere.push(place),
        }
    }

    /// A code or a voucher is a reason to answer, whatever lies in the cart.
    fn add_code(&mut self, place: u32, promotion: &Promotion) {
        list(&mut self.by_voucher, &[promotion.symbol], place);
        if let Trigger::Code(codes) = &promotion.trigger {
            list(&mut self.by_code, codes, place);
        }
    }

    /// The places of the promotions that the cart could concern, rising.
    pub(crate) fn candidates(&self, cart: &Cart) -> Vec<u32> {
        let mut found = self.anywhere.clone();
        let mut add = |postings: &Postings, key: Symbol| {
            if let Some(places) = postings.get(&key) {
                found.extend(places);
            }
        };
        let mut before: Option<&Line> = None;
        for line in &cart.lines {
            add(&self.by_product, line.product);
            // Lines of one kind of goods often follow each other.
            if before.is_none_or(|before| before.categories != line.categories) {
                line.categories.iter().for_each(|category| add(&self.by_category, *category));
            }
            if before.is_none_or(|before| before.brand != line.brand) {
                add(&self.by_line_brand, line.brand);
            }
            before = Some(line);
        }
        add(&self.by_store, cart.store.symbol);
        add(&self.by_region, cart.region.symbol);
        add(&self.by_brand, cart.brand.symbol);
        add(&self.by_channel, cart.channel.symbol);
        cart.codes.iter().for_each(|given| add(&self.by_code, given.code));
        cart.vouchers_of.iter().for_each(|promotion| add(&self.by_voucher, *promotion));
        found.sort_unstable();
        found.dedup();
        found
    }
}

enum Dimension {
    Product,
    Category,
    Brand,
}

/// Whether a line must have one of some names to be picked.
fn is_keyed(selector: &Selector) -> bool {
    let keyed = |filter: &LineFilter| {
        !filter.products.is_empty() || !filter.categories.is_empty() || !filter.brands.is_empty()
    };
    !selector.include.is_empty() && selector.include.iter().all(keyed)
}

fn narrowest(filter: &LineFilter) -> Dimension {
    if !filter.products.is_empty() {
        Dimension::Product
    } else if !filter.categories.is_empty() {
        Dimension::Category
    } else {
        Dimension::Brand
    }
}

fn list(postings: &mut Postings, keys: &[Symbol], place: u32) {
    for key in keys {
        postings.entry(*key).or_default().push(place);
    }
}
