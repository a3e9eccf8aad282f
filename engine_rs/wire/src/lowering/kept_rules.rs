//! Checks of the types that this version keeps but doesn't apply yet.

use super::Lowering;
use super::selector::Kinds;
use crate::diagnostics::{At, Code};
use crate::limits::{LIST_MAX, SET_UNITS_MAX};
use crate::proto;

impl Lowering<'_> {
    pub(super) fn buy_x_get_y(&mut self, rule: &proto::BuyXGetY, at: &At<'_>) {
        self.required_scope(rule.buy.as_ref(), at, "buy");
        self.scope(rule.get.as_ref(), Kinds::ITEMS, at, "get");
        self.check_range(
            rule.buy_quantity,
            1,
            SET_UNITS_MAX,
            &at.field("buy_quantity"),
        );
        self.check_range(
            rule.get_quantity,
            1,
            SET_UNITS_MAX,
            &at.field("get_quantity"),
        );
        self.required_reduction(rule.reduction.as_ref(), at);
        self.max_sets(rule.max_sets, at);
        self.known::<proto::Grouping>(rule.grouping, &at.field("grouping"));
        self.known::<proto::UnitOrder>(rule.buy_order, &at.field("buy_order"));
        self.known::<proto::UnitOrder>(rule.get_order, &at.field("get_order"));
    }

    pub(super) fn combo(&mut self, rule: &proto::Combo, at: &At<'_>) {
        self.check_count(rule.items.len(), LIST_MAX, &at.field("items"));
        let mut units = 0;
        for (index, item) in rule.items.iter().enumerate() {
            let at = at.item("items", index);
            self.name(&item.product_id, &at.field("product_id"));
            if rule
                .items
                .iter()
                .take(index)
                .any(|earlier| earlier.product_id == item.product_id)
            {
                let value = item.product_id.as_str().into();
                self.findings.add(
                    Code::Duplicate,
                    &at.field("product_id"),
                    &[("value", value)],
                );
            }
            units += self
                .optional_range(item.quantity, 1, SET_UNITS_MAX, &at.field("quantity"))
                .unwrap_or(1);
        }
        if rule.items.is_empty() {
            self.required(&at.field("items"));
        } else if units < 2 {
            self.add(Code::SetTooSmall, &at.field("items"));
        }
        self.prices(&rule.set_price, at, "set_price");
        self.max_sets(rule.max_sets, at);
    }

    pub(super) fn package(&mut self, rule: &proto::Package, at: &At<'_>) {
        if rule.slots.is_empty() {
            self.required(&at.field("slots"));
        }
        self.check_count(rule.slots.len(), LIST_MAX, &at.field("slots"));
        for (index, slot) in rule.slots.iter().enumerate() {
            let at = at.item("slots", index);
            let earlier = rule.slots.iter().take(index).map(|slot| slot.name.as_str());
            self.unique_name(&slot.name, earlier, &at);
            self.package_slot(slot, &at);
        }
        self.prices(&rule.set_price, at, "set_price");
        self.max_sets(rule.max_sets, at);
    }

    fn package_slot(&mut self, slot: &proto::PackageSlot, at: &At<'_>) {
        use proto::package_slot::Content;
        match &slot.content {
            None => self.required(&at.field("content")),
            Some(Content::ProductId(product)) => {
                self.name(product, &at.field("product_id"));
                self.optional_range(slot.quantity, 1, SET_UNITS_MAX, &at.field("quantity"));
            }
            Some(Content::Pick(pick)) => {
                if slot.quantity.is_some() {
                    self.not_allowed(&at.field("quantity"), "a pick says how many itself");
                }
                let at = at.field("pick");
                self.name(&pick.category_id, &at.field("category_id"));
                let minimum =
                    self.check_range(pick.min_picks, 1, SET_UNITS_MAX, &at.field("min_picks"));
                self.optional_range(
                    pick.max_picks,
                    minimum,
                    SET_UNITS_MAX,
                    &at.field("max_picks"),
                );
            }
        }
    }

    pub(super) fn mix_match(&mut self, rule: &proto::MixMatch, at: &At<'_>) {
        use proto::mix_match::Price;
        self.required_scope(rule.scope.as_ref(), at, "scope");
        self.check_range(
            rule.required_quantity,
            2,
            SET_UNITS_MAX,
            &at.field("required_quantity"),
        );
        match &rule.price {
            None => self.required(&at.field("price")),
            Some(Price::SetPrice(price)) => {
                self.prices(&price.per_currency, &at.field("set_price"), "per_currency");
            }
            Some(Price::UnitPrice(price)) => {
                self.prices(&price.per_currency, &at.field("unit_price"), "per_currency");
            }
        }
        self.max_sets(rule.max_sets, at);
    }

    pub(super) fn free_item(&mut self, rule: &proto::FreeItem, at: &At<'_>) {
        match &rule.gift {
            None => self.required(&at.field("gift")),
            Some(gift) => self.gift(gift, &at.field("gift")),
        }
        self.min_purchase(rule.min_purchase.as_ref(), at);
        self.scope(rule.trigger.as_ref(), Kinds::ITEMS, at, "trigger");
        self.optional_range(
            rule.trigger_quantity,
            1,
            SET_UNITS_MAX,
            &at.field("trigger_quantity"),
        );
        self.optional_range(rule.max_gifts, 1, SET_UNITS_MAX, &at.field("max_gifts"));
    }

    fn gift(&mut self, gift: &proto::Gift, at: &At<'_>) {
        let source: Option<proto::GiftSource> = self.known(gift.source, &at.field("source"));
        let added = source != Some(proto::GiftSource::InCart);
        if added || gift.selector.is_none() {
            self.name(&gift.product_id, &at.field("product_id"));
        }
        if added {
            self.prices(&gift.unit_value, at, "unit_value");
        } else if !gift.unit_value.is_empty() {
            self.not_allowed(
                &at.field("unit_value"),
                "a unit of the cart has a price of its own",
            );
        }
        self.scope(gift.selector.as_ref(), Kinds::ITEMS, at, "selector");
        self.optional_range(gift.quantity, 1, SET_UNITS_MAX, &at.field("quantity"));
    }

    pub(super) fn happy_hour(
        &mut self,
        rule: &proto::HappyHour,
        schedule: Option<&proto::Schedule>,
        at: &At<'_>,
    ) {
        if schedule.is_none_or(|schedule| schedule.daily_windows.is_empty()) {
            self.required(&at.field("schedule").field("daily_windows"));
        }
        let at = at.field("happy_hour");
        self.scope(rule.scope.as_ref(), Kinds::ITEMS, &at, "scope");
        self.required_reduction(rule.reduction.as_ref(), &at);
        self.amounts(&rule.max_discount, &at, "max_discount");
        self.min_purchase(rule.min_purchase.as_ref(), &at);
        self.unit_limit(rule.units.as_ref(), &at);
    }

    pub(super) fn payment_discount(&mut self, rule: &proto::PaymentDiscount, at: &At<'_>) {
        use proto::payment_discount::Discount;
        match &rule.payment {
            None => self.required(&at.field("payment")),
            Some(test) => {
                self.payment_test(test, &at.field("payment"));
            }
        }
        match &rule.discount {
            None => self.required(&at.field("discount")),
            Some(Discount::PercentOffPpm(ppm)) => {
                self.share(*ppm, &at.field("percent_off_ppm"));
            }
            Some(Discount::AmountOff(amounts)) => {
                self.required_amounts(
                    &amounts.per_currency,
                    &at.field("amount_off"),
                    "per_currency",
                );
            }
        }
        self.scope(rule.scope.as_ref(), Kinds::ITEMS, at, "scope");
        self.amounts(&rule.max_discount, at, "max_discount");
        self.min_purchase(rule.min_purchase.as_ref(), at);
        self.percent_base(rule.percent_base, at);
    }

    pub(super) fn cashback(&mut self, rule: &proto::Cashback, at: &At<'_>) {
        use proto::cashback::Cashback;
        match &rule.cashback {
            None => self.required(&at.field("cashback")),
            Some(Cashback::CashbackPpm(ppm)) => {
                self.share(*ppm, &at.field("cashback_ppm"));
            }
            Some(Cashback::CashbackAmount(amounts)) => {
                self.required_amounts(
                    &amounts.per_currency,
                    &at.field("cashback_amount"),
                    "per_currency",
                );
            }
        }
        self.scope(rule.scope.as_ref(), Kinds::ANY, at, "scope");
        self.amounts(&rule.max_cashback, at, "max_cashback");
        self.min_purchase(rule.min_purchase.as_ref(), at);
        if let Some(test) = &rule.payment {
            self.payment_test(test, &at.field("payment"));
        }
        self.known::<proto::CreditKind>(rule.credit_as, &at.field("credit_as"));
    }

    pub(super) fn threshold_tier(&mut self, rule: &proto::ThresholdTier, at: &At<'_>) {
        if rule.tiers.is_empty() {
            self.required(&at.field("tiers"));
        }
        self.check_count(rule.tiers.len(), LIST_MAX, &at.field("tiers"));
        for (index, tier) in rule.tiers.iter().enumerate() {
            let at = at.item("tiers", index);
            let earlier = rule.tiers.iter().take(index).map(|tier| tier.name.as_str());
            self.unique_name(&tier.name, earlier, &at);
            let before = index
                .checked_sub(1)
                .and_then(|before| rule.tiers.get(before));
            self.tier(tier, before, &at);
        }
        self.scope(rule.scope.as_ref(), Kinds::ITEMS, at, "scope");
        self.basis(rule.basis, at);
    }

    fn tier(&mut self, tier: &proto::Tier, before: Option<&proto::Tier>, at: &At<'_>) {
        use proto::tier::Benefit;
        self.required_amounts(&tier.minimum, at, "minimum");
        self.amounts(&tier.below, at, "below");
        let in_currency = |amounts: &[proto::Money], code: &str| {
            amounts
                .iter()
                .find(|money| money.currency_code == code)
                .map(|money| money.minor)
        };
        for (index, minimum) in tier.minimum.iter().enumerate() {
            let of_before =
                before.and_then(|before| in_currency(&before.minimum, &minimum.currency_code));
            if of_before.is_some_and(|of_before| of_before >= minimum.minor) {
                self.add(Code::TiersNotRising, &at.item("minimum", index));
            }
        }
        for (index, below) in tier.below.iter().enumerate() {
            if in_currency(&tier.minimum, &below.currency_code)
                .is_some_and(|minimum| minimum >= below.minor)
            {
                self.add(Code::TierBelowMinimum, &at.item("below", index));
            }
        }
        match &tier.benefit {
            None => self.required(&at.field("benefit")),
            Some(Benefit::PercentOffPpm(ppm)) => {
                self.share(*ppm, &at.field("percent_off_ppm"));
            }
            Some(Benefit::AmountOff(amounts)) => {
                self.required_amounts(
                    &amounts.per_currency,
                    &at.field("amount_off"),
                    "per_currency",
                );
            }
            Some(Benefit::Gift(gift)) => self.gift(gift, &at.field("gift")),
            Some(Benefit::PointsMultiplierPpm(ppm)) => {
                self.multiplier(*ppm, &at.field("points_multiplier_ppm"))
            }
        }
        self.amounts(&tier.max_discount, at, "max_discount");
    }

    pub(super) fn upsell(&mut self, rule: &proto::Upsell, at: &At<'_>) {
        self.scope(rule.required.as_ref(), Kinds::ITEMS, at, "required");
        self.optional_range(
            rule.required_quantity,
            1,
            SET_UNITS_MAX,
            &at.field("required_quantity"),
        );
        self.name(&rule.upsell_product_id, &at.field("upsell_product_id"));
        self.prices(&rule.special_price, at, "special_price");
        self.required_texts(&rule.message, at, "message");
        self.optional_range(rule.max_units, 1, SET_UNITS_MAX, &at.field("max_units"));
    }

    pub(super) fn custom(&mut self, rule: &proto::Custom, at: &At<'_>) {
        if rule.steps.is_empty() {
            self.required(&at.field("steps"));
        }
        self.check_count(rule.steps.len(), LIST_MAX, &at.field("steps"));
        for (index, step) in rule.steps.iter().enumerate() {
            self.custom_step(step, &at.item("steps", index));
        }
    }

    fn custom_step(&mut self, step: &proto::Step, at: &At<'_>) {
        use proto::step::Primitive;
        let phase: Option<proto::Phase> = self.known(step.phase, &at.field("phase"));
        self.condition(step.condition.as_ref(), at, "condition");
        let in_rewards = phase == Some(proto::Phase::Reward);
        let kinds = if phase == Some(proto::Phase::Delivery) {
            Kinds::DELIVERY
        } else {
            Kinds::ITEMS
        };
        match &step.primitive {
            None => self.required(&at.field("primitive")),
            Some(Primitive::Reduce(reduce)) => {
                let at = at.field("reduce");
                self.scope(reduce.scope.as_ref(), kinds, &at, "scope");
                self.required_reduction(reduce.reduction.as_ref(), &at);
                self.unit_limit(reduce.units.as_ref(), &at);
                self.amounts(&reduce.max_discount, &at, "max_discount");
            }
            Some(Primitive::Spread(spread)) => self.spread(spread, kinds, &at.field("spread")),
            Some(Primitive::SetOffer(offer)) => self.set_offer(offer, &at.field("set_offer")),
            Some(Primitive::Gift(gift)) => self.gift(gift, &at.field("gift")),
            Some(Primitive::Reward(reward)) => self.reward(reward, &at.field("reward")),
        }
        match phase {
            Some(proto::Phase::Unspecified) => self.required(&at.field("phase")),
            Some(_) if in_rewards != matches!(step.primitive, Some(Primitive::Reward(_))) => {
                self.not_allowed(
                    &at.field("phase"),
                    "rewards, and only they, are given in the reward phase",
                );
            }
            _ => {}
        }
    }

    fn spread(&mut self, spread: &proto::Spread, kinds: Kinds, at: &At<'_>) {
        use proto::spread::Spread;
        self.scope(spread.scope.as_ref(), kinds, at, "scope");
        match &spread.spread {
            None => self.required(&at.field("spread")),
            Some(Spread::PercentOffPpm(ppm)) => {
                self.share(*ppm, &at.field("percent_off_ppm"));
            }
            Some(Spread::AmountOff(amounts)) => {
                self.required_amounts(
                    &amounts.per_currency,
                    &at.field("amount_off"),
                    "per_currency",
                );
            }
            Some(Spread::FixedTotal(amounts)) => {
                self.prices(
                    &amounts.per_currency,
                    &at.field("fixed_total"),
                    "per_currency",
                );
            }
        }
        self.percent_base(spread.percent_base, at);
        self.amounts(&spread.max_discount, at, "max_discount");
    }

    fn set_offer(&mut self, offer: &proto::SetOffer, at: &At<'_>) {
        if offer.slots.is_empty() {
            self.required(&at.field("slots"));
        }
        self.check_count(offer.slots.len(), LIST_MAX, &at.field("slots"));
        for (index, slot) in offer.slots.iter().enumerate() {
            let at = at.item("slots", index);
            let earlier = offer
                .slots
                .iter()
                .take(index)
                .map(|slot| slot.name.as_str());
            self.unique_name(&slot.name, earlier, &at);
            self.slot(slot, offer, &at);
        }
        let reduces = offer.slots.iter().any(|slot| slot.reduction.is_some());
        if !reduces {
            self.prices(&offer.set_price, at, "set_price");
        }
        self.max_sets(offer.max_sets, at);
        self.known::<proto::Grouping>(offer.grouping, &at.field("grouping"));
        self.amounts(&offer.max_discount, at, "max_discount");
    }

    fn slot(&mut self, slot: &proto::Slot, offer: &proto::SetOffer, at: &At<'_>) {
        self.required_scope(slot.selector.as_ref(), at, "selector");
        let least = if slot.optional { 0 } else { 1 };
        let minimum = self.check_range(slot.minimum, least, SET_UNITS_MAX, &at.field("minimum"));
        self.optional_range(
            slot.maximum,
            minimum.max(1),
            SET_UNITS_MAX,
            &at.field("maximum"),
        );
        self.known::<proto::Role>(slot.role, &at.field("role"));
        self.known::<proto::UnitOrder>(slot.order, &at.field("order"));
        if slot.same_product && slot.different_products {
            self.not_allowed(
                &at.field("different_products"),
                "its units are to be of one product",
            );
        }
        if let Some(reduction) = &slot.reduction {
            if !offer.set_price.is_empty() {
                self.not_allowed(&at.field("reduction"), "the set has a price");
            }
            self.required_reduction(Some(reduction), at);
        }
    }

    fn reward(&mut self, reward: &proto::Reward, at: &At<'_>) {
        use proto::reward::Reward;
        match &reward.reward {
            None => self.required(&at.field("reward")),
            Some(Reward::CashbackPpm(ppm)) => {
                self.share(*ppm, &at.field("cashback_ppm"));
            }
            Some(Reward::CashbackAmount(amounts)) => {
                self.required_amounts(
                    &amounts.per_currency,
                    &at.field("cashback_amount"),
                    "per_currency",
                );
            }
            Some(Reward::Points(points)) => {
                self.check_range(*points, 1, i64::from(i32::MAX), &at.field("points"));
            }
            Some(Reward::PointsPer(per)) => {
                let at = at.field("points_per");
                self.check_range(per.points, 1, i64::from(i32::MAX), &at.field("points"));
                self.required_amounts(&per.step, &at, "step");
            }
            Some(Reward::PointsMultiplierPpm(ppm)) => {
                self.multiplier(*ppm, &at.field("points_multiplier_ppm"))
            }
            Some(Reward::VoucherPromotionId(id)) => {
                self.name(id, &at.field("voucher_promotion_id"));
            }
        }
        self.scope(reward.scope.as_ref(), Kinds::ANY, at, "scope");
        self.amounts(&reward.max_reward, at, "max_reward");
        self.known::<proto::CreditKind>(reward.credit_as, &at.field("credit_as"));
    }

    fn required_reduction(&mut self, reduction: Option<&proto::Reduction>, at: &At<'_>) {
        use proto::reduction::Reduction;
        let at = at.field("reduction");
        let Some(reduction) = reduction else {
            return self.required(&at);
        };
        match &reduction.reduction {
            None => self.required(&at),
            Some(Reduction::PercentOffPpm(ppm)) => {
                self.share(*ppm, &at.field("percent_off_ppm"));
            }
            Some(Reduction::AmountOff(amounts)) => {
                self.required_amounts(
                    &amounts.per_currency,
                    &at.field("amount_off"),
                    "per_currency",
                );
            }
            Some(Reduction::FixedPrice(amounts)) => {
                self.prices(
                    &amounts.per_currency,
                    &at.field("fixed_price"),
                    "per_currency",
                );
            }
        }
        self.percent_base(reduction.percent_base, &at);
    }

    fn multiplier(&mut self, ppm: i32, at: &At<'_>) {
        self.check_range(ppm.into(), 1, i32::MAX.into(), at);
    }

    fn max_sets(&mut self, sets: Option<i64>, at: &At<'_>) {
        self.optional_range(sets, 1, SET_UNITS_MAX, &at.field("max_sets"));
    }

    /// The name of a part, unlike those of the parts before it.
    fn unique_name<'n>(
        &mut self,
        name: &str,
        mut earlier: impl Iterator<Item = &'n str>,
        at: &At<'_>,
    ) {
        let at = at.field("name");
        self.name(name, &at);
        if !name.is_empty() && earlier.any(|earlier| earlier == name) {
            self.findings
                .add(Code::Duplicate, &at, &[("value", name.into())]);
        }
    }
}
