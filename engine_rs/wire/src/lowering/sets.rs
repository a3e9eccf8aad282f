//! Rules that work on sets of units: buy_x_get_y, combo, package, mix_match, upsell, and the primitive
//! set_offer.

use dealwright_core::model::{
    AddOn, Amounts, Benefit, Gift, LineFilter, LineKind, PercentBase, Phase, Reduction, Role, Selector,
    SetOffer, Slot, UnitLimit, UnitOrder,
};

use super::Lowering;
use super::rules::{Offer, step};
use super::selector::Kinds;
use crate::diagnostics::{At, Code};
use crate::limits::{SET_UNITS_MAX, SLOTS_MAX};
use crate::proto;

/// A slot for so many units without any rule on them.
fn slot(selector: Selector, quantity: i64, role: Role) -> Slot {
    Slot {
        selector,
        minimum: quantity,
        optional_minimum: quantity,
        maximum: quantity,
        role,
        order: if role == Role::Reward { UnitOrder::Cheapest } else { UnitOrder::Dearest },
        same_product: false,
        different_products: false,
        reduction: None,
    }
}

/// An offer on sets that may be repeated as often as the units allow.
fn offer(slots: Vec<Slot>, set_price: Amounts, max_sets: i64) -> SetOffer {
    SetOffer { slots, set_price, max_sets, partial: false, same_product: false }
}

/// Some units free for buying others of the same cart; as many as there are, when not all are.
pub(super) fn free_beside(bought: Selector, quantity: i64, gift: &Gift, max_sets: i64) -> SetOffer {
    let whole = Reduction::Percent { ppm: 1_000_000, base: PercentBase::Current };
    let free = Slot { reduction: Some(whole), ..slot(gift.selector.clone(), gift.quantity, Role::Reward) };
    let bought = slot(bought, quantity, Role::Qualifier);
    SetOffer { partial: true, ..offer(vec![bought, free], Amounts::default(), max_sets) }
}

pub(super) fn in_sets(offer: SetOffer) -> Offer {
    Offer::of(step(Phase::Set, Benefit::Set(offer)))
}

impl Lowering<'_> {
    pub(super) fn buy_x_get_y(&mut self, rule: &proto::BuyXGetY, at: &At<'_>) -> Option<Offer> {
        let buy = self.required_scope(rule.buy.as_ref(), at, "buy");
        let get = rule.get.as_ref().map(|get| self.selector(get, Kinds::ITEMS, &at.field("get")));
        let buy_quantity = self.check_range(rule.buy_quantity, 1, SET_UNITS_MAX, &at.field("buy_quantity"));
        let get_quantity = self.check_range(rule.get_quantity, 1, SET_UNITS_MAX, &at.field("get_quantity"));
        let reduction = self.required_reduction(rule.reduction.as_ref(), at);
        let max_sets = self.max_sets(rule.max_sets, at);
        let grouping: Option<proto::Grouping> = self.known(rule.grouping, &at.field("grouping"));
        let buy_order = self.unit_order(rule.buy_order, &at.field("buy_order"));
        let get_order = self.unit_order(rule.get_order, &at.field("get_order"));
        if rule.grouping != 0 && get_order.is_some() {
            self.not_allowed(&at.field("get_order"), "the grouping says which units are lowered");
        }
        let same_lines = get.as_ref().is_none_or(|get| *get == buy);
        if rule.grouping != 0 && !same_lines {
            self.without_effect(&at.field("grouping"), "other units are got than bought");
        }
        if let Some(get) = get.as_ref().filter(|_| rule.same_product) {
            self.remark_common_product(&buy, get, &at.field("same_product"));
        }
        // Groups are formed dearest first, and the cheapest of each group are lowered (S-6.4).
        let of_groups = same_lines && grouping != Some(proto::Grouping::Merchant);
        let default = if of_groups { UnitOrder::Dearest } else { UnitOrder::Cheapest };
        let bought = Slot {
            order: buy_order.unwrap_or(UnitOrder::Dearest),
            ..slot(buy.clone(), buy_quantity, Role::Qualifier)
        };
        let got = Slot {
            order: get_order.unwrap_or(default),
            reduction: Some(reduction?),
            ..slot(get.unwrap_or(buy), get_quantity, Role::Reward)
        };
        let offer = offer(vec![bought, got], Amounts::default(), max_sets);
        Some(in_sets(SetOffer { partial: rule.partial, same_product: rule.same_product, ..offer }))
    }

    pub(super) fn combo(&mut self, rule: &proto::Combo, at: &At<'_>) -> Offer {
        self.check_count(rule.items.len(), SLOTS_MAX, &at.field("items"));
        let mut units: i64 = 0;
        let mut slots = Vec::with_capacity(rule.items.len());
        for (index, item) in rule.items.iter().enumerate() {
            let at = at.item("items", index);
            let selector = self.product(&item.product_id, &at.field("product_id"));
            if rule.items.iter().take(index).any(|earlier| earlier.product_id == item.product_id) {
                let value = item.product_id.as_str().into();
                self.findings.add(Code::Duplicate, &at.field("product_id"), &[("value", value)]);
            }
            let quantity =
                self.optional_range(item.quantity, 1, SET_UNITS_MAX, &at.field("quantity")).unwrap_or(1);
            units = units.saturating_add(quantity);
            slots.push(slot(selector, quantity, Role::Plain));
        }
        if rule.items.is_empty() {
            self.required(&at.field("items"));
        } else if units < 2 {
            self.findings.add(Code::SetTooSmall, &at.field("items"), &[]);
        }
        let price = self.prices(&rule.set_price, at, "set_price");
        in_sets(offer(slots, price, self.max_sets(rule.max_sets, at)))
    }

    pub(super) fn package(&mut self, rule: &proto::Package, at: &At<'_>) -> Offer {
        if rule.slots.is_empty() {
            self.required(&at.field("slots"));
        }
        self.check_count(rule.slots.len(), SLOTS_MAX, &at.field("slots"));
        let mut slots = Vec::with_capacity(rule.slots.len());
        for (index, slot) in rule.slots.iter().enumerate() {
            let at = at.item("slots", index);
            let earlier = rule.slots.iter().take(index).map(|slot| slot.name.as_str());
            self.unique_name(&slot.name, earlier, &at);
            if let Some(mut lowered) = self.package_slot(slot, &at) {
                lowered.selector.unmodified = !rule.allow_modification;
                slots.push(lowered);
            }
        }
        if rule.slots.iter().all(|slot| slot.optional) && !rule.slots.is_empty() {
            self.findings.add(Code::SetTooSmall, &at.field("slots"), &[]);
        }
        let price = self.prices(&rule.set_price, at, "set_price");
        in_sets(offer(slots, price, self.max_sets(rule.max_sets, at)))
    }

    fn package_slot(&mut self, written: &proto::PackageSlot, at: &At<'_>) -> Option<Slot> {
        use proto::package_slot::Content;
        let mut lowered = match &written.content {
            None => {
                self.required(&at.field("content"));
                return None;
            }
            Some(Content::ProductId(product)) => {
                let selector = self.product(product, &at.field("product_id"));
                let quantity = self.optional_range(written.quantity, 1, SET_UNITS_MAX, &at.field("quantity"));
                slot(selector, quantity.unwrap_or(1), Role::Plain)
            }
            Some(Content::Pick(pick)) => {
                if written.quantity.is_some() {
                    self.not_allowed(&at.field("quantity"), "a pick says how many itself");
                }
                let at = at.field("pick");
                let category = self.name(&pick.category_id, &at.field("category_id"));
                let filter = LineFilter { categories: vec![category], ..LineFilter::default() };
                let selector = Selector { include: vec![filter], ..Selector::every(LineKind::Item) };
                let minimum = self.check_range(pick.min_picks, 1, SET_UNITS_MAX, &at.field("min_picks"));
                let maximum =
                    self.optional_range(pick.max_picks, minimum, SET_UNITS_MAX, &at.field("max_picks"));
                Slot { maximum: maximum.unwrap_or(minimum), ..slot(selector, minimum, Role::Plain) }
            }
        };
        if written.optional {
            lowered.minimum = 0;
        }
        Some(lowered)
    }

    pub(super) fn mix_match(&mut self, rule: &proto::MixMatch, at: &At<'_>) -> Option<Offer> {
        use proto::mix_match::Price;
        let scope = self.required_scope(rule.scope.as_ref(), at, "scope");
        let quantity =
            self.check_range(rule.required_quantity, 2, SET_UNITS_MAX, &at.field("required_quantity"));
        let max_sets = self.max_sets(rule.max_sets, at);
        if rule.different_products {
            self.remark_variety(&scope, quantity, &at.field("scope"));
        }
        let mut units = slot(scope, quantity, Role::Plain);
        units.different_products = rule.different_products;
        let set_price = match &rule.price {
            None => {
                self.required(&at.field("price"));
                return None;
            }
            Some(Price::SetPrice(price)) => {
                self.prices(&price.per_currency, &at.field("set_price"), "per_currency")
            }
            Some(Price::UnitPrice(price)) => {
                let price = self.prices(&price.per_currency, &at.field("unit_price"), "per_currency");
                units.reduction = Some(Reduction::FixedPrice(price));
                Amounts::default()
            }
        };
        Some(in_sets(offer(vec![units], set_price, max_sets)))
    }

    pub(super) fn upsell(&mut self, rule: &proto::Upsell, at: &At<'_>) -> Offer {
        let required = rule.required.as_ref();
        let required = required.map(|required| self.selector(required, Kinds::ITEMS, &at.field("required")));
        let quantity =
            self.optional_range(rule.required_quantity, 1, SET_UNITS_MAX, &at.field("required_quantity"));
        let add_on = self.product(&rule.upsell_product_id, &at.field("upsell_product_id"));
        let special_price = self.prices(&rule.special_price, at, "special_price");
        let message = self.required_texts(&rule.message, at, "message");
        let max_units = self.optional_range(rule.max_units, 1, SET_UNITS_MAX, &at.field("max_units"));
        let product = self.symbols.intern(&rule.upsell_product_id);
        let suggestion = Some(AddOn { product, special_price: special_price.clone(), message });
        let reduction = Reduction::FixedPrice(special_price);
        if rule.required_quantity.is_some() && required.is_none() {
            self.without_effect(&at.field("required_quantity"), "nothing is required");
        }
        let Some(required) = required else {
            let units = UnitLimit { max_units, max_units_per_line: None, order: UnitOrder::Cheapest };
            let benefit = Benefit::Reduce { scope: add_on, reduction, units };
            return Offer { suggestion, ..Offer::of(step(Phase::Item, benefit)) };
        };
        let bought = slot(required, quantity.unwrap_or(1), Role::Qualifier);
        let added = Slot { reduction: Some(reduction), ..slot(add_on, 1, Role::Reward) };
        let offer = offer(vec![bought, added], Amounts::default(), max_units.unwrap_or(i64::MAX));
        Offer { suggestion, ..in_sets(offer) }
    }

    pub(super) fn set_offer(&mut self, written: &proto::SetOffer, at: &At<'_>) -> (Benefit, Amounts) {
        if written.slots.is_empty() {
            self.required(&at.field("slots"));
        }
        self.check_count(written.slots.len(), SLOTS_MAX, &at.field("slots"));
        let mut slots = Vec::with_capacity(written.slots.len());
        for (index, slot) in written.slots.iter().enumerate() {
            let at = at.item("slots", index);
            let earlier = written.slots.iter().take(index).map(|slot| slot.name.as_str());
            self.unique_name(&slot.name, earlier, &at);
            slots.push(self.slot(slot, !written.set_price.is_empty(), &at));
        }
        if written.slots.iter().all(|slot| slot.optional) && !written.slots.is_empty() {
            self.findings.add(Code::SetTooSmall, &at.field("slots"), &[]);
        }
        let lower = |grouping| {
            let grouped = grouping != Some(proto::Grouping::Merchant);
            if grouped { UnitOrder::Dearest } else { UnitOrder::Cheapest }
        };
        let of_groups = lower(self.known(written.grouping, &at.field("grouping")));
        let qualifiers: Vec<Selector> = slots
            .iter()
            .filter(|slot| slot.role == Role::Qualifier)
            .map(|slot| slot.selector.clone())
            .collect();
        for (slot, written) in slots.iter_mut().zip(&written.slots) {
            let same_lines = slot.role == Role::Reward && qualifiers.contains(&slot.selector);
            if same_lines && written.order == proto::UnitOrder::Unspecified as i32 {
                slot.order = of_groups;
            }
        }
        // Rewards are taken from what the others leave.
        slots.sort_by_key(|slot| slot.role == Role::Reward);
        let set_price = if slots.iter().any(|slot| slot.reduction.is_some()) {
            Amounts::default()
        } else {
            self.prices(&written.set_price, at, "set_price")
        };
        let max_discount = self.amounts(&written.max_discount, at, "max_discount");
        let offer = offer(slots, set_price, self.max_sets(written.max_sets, at));
        (Benefit::Set(SetOffer { partial: written.partial, ..offer }), max_discount)
    }

    fn slot(&mut self, written: &proto::Slot, has_price: bool, at: &At<'_>) -> Slot {
        let selector = self.required_scope(written.selector.as_ref(), at, "selector");
        let minimum = self.check_range(written.minimum, 1, SET_UNITS_MAX, &at.field("minimum"));
        let maximum = self.optional_range(written.maximum, minimum, SET_UNITS_MAX, &at.field("maximum"));
        let role = match self.known(written.role, &at.field("role")) {
            Some(proto::Role::Qualifier) => Role::Qualifier,
            Some(proto::Role::Reward) => Role::Reward,
            Some(proto::Role::Unspecified) | None => Role::Plain,
        };
        if written.same_product && written.different_products {
            self.not_allowed(&at.field("different_products"), "its units are to be of one product");
        }
        if written.different_products {
            self.remark_variety(&selector, minimum, &at.field("selector"));
        }
        if has_price && written.reduction.is_some() {
            self.not_allowed(&at.field("reduction"), "the set has a price");
        }
        if role == Role::Qualifier && (written.optional || maximum.is_some_and(|maximum| maximum > minimum)) {
            self.not_allowed(&at.field("role"), "more qualifiers than needed would only be used up");
        }
        let plain = slot(selector, minimum, role);
        Slot {
            minimum: if written.optional { 0 } else { minimum },
            maximum: maximum.unwrap_or(minimum),
            order: self.unit_order(written.order, &at.field("order")).unwrap_or(plain.order),
            same_product: written.same_product,
            different_products: written.different_products,
            reduction: match &written.reduction {
                None => None,
                Some(reduction) => self.required_reduction(Some(reduction), at),
            },
            ..plain
        }
    }

    /// The lines of one product.
    pub(super) fn product(&mut self, id: &str, at: &At<'_>) -> Selector {
        let product = self.name(id, at);
        let filter = LineFilter { products: vec![product], ..LineFilter::default() };
        Selector { include: vec![filter], ..Selector::every(LineKind::Item) }
    }

    fn max_sets(&mut self, sets: Option<i64>, at: &At<'_>) -> i64 {
        self.optional_range(sets, 1, SET_UNITS_MAX, &at.field("max_sets")).unwrap_or(i64::MAX)
    }

    /// The name of a part, unlike those of the parts before it.
    pub(super) fn unique_name<'n>(
        &mut self,
        name: &str,
        mut earlier: impl Iterator<Item = &'n str>,
        at: &At<'_>,
    ) {
        let at = at.field("name");
        self.name(name, &at);
        if !name.is_empty() && earlier.any(|earlier| earlier == name) {
            self.findings.add(Code::Duplicate, &at, &[("value", name.into())]);
        }
    }
}
