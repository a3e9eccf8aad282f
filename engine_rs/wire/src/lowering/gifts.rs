//! Rules that give units for free or promise something for later: free_item, cashback, threshold_tier,
//! and the primitives gift and reward.

use std::cmp::Ordering;

use dealwright_core::model::{
    Amounts, Benefit, Credit, Gift, GiftSource, LineKind, PercentBase, Phase, Reward, Selector, SpreadAmount,
    Step, Tier, TierBenefit, Tiers,
};

use super::Lowering;
use super::amounts::WHOLE_PPM;
use super::rules::{Offer, step};
use super::selector::Kinds;
use super::sets::{free_beside, in_sets};
use crate::diagnostics::{At, Code};
use crate::limits::{LIST_MAX, SET_UNITS_MAX};
use crate::proto;

impl Lowering<'_> {
    pub(super) fn free_item(&mut self, rule: &proto::FreeItem, at: &At<'_>) -> Option<Offer> {
        let trigger = rule.trigger.as_ref();
        let trigger = trigger.map(|trigger| self.selector(trigger, Kinds::ITEMS, &at.field("trigger")));
        let quantity =
            self.optional_range(rule.trigger_quantity, 1, SET_UNITS_MAX, &at.field("trigger_quantity"));
        let max_gifts = self.optional_range(rule.max_gifts, 1, SET_UNITS_MAX, &at.field("max_gifts"));
        let min_purchase = self.min_purchase(rule.min_purchase.as_ref(), at);
        if trigger.is_none() {
            let without = [(quantity, "trigger_quantity"), (max_gifts, "max_gifts")];
            for (_, field) in without.iter().filter(|(given, _)| given.is_some()) {
                self.without_effect(&at.field(field), "there is no trigger");
            }
        }
        let Some(gift) = &rule.gift else {
            self.required(&at.field("gift"));
            return None;
        };
        let mut gift = self.gift(gift, &at.field("gift"));
        let quantity = quantity.unwrap_or(1);
        let max_times = max_gifts.unwrap_or(1);
        match trigger {
            // What is bought and what is free lie in the same cart: a set of both.
            Some(trigger) if gift.source == GiftSource::InCart => {
                let offer = free_beside(trigger, quantity, &gift, max_times);
                return Some(Offer { min_purchase, ..in_sets(offer) });
            }
            Some(trigger) => {
                gift.scope = trigger;
                gift.trigger_quantity = Some(quantity);
                gift.max_times = max_times;
            }
            None => {}
        }
        Some(Offer { min_purchase, ..Offer::of(step(Phase::Set, Benefit::Gift(gift))) })
    }

    pub(super) fn gift(&mut self, gift: &proto::Gift, at: &At<'_>) -> Gift {
        let source = match self.known(gift.source, &at.field("source")) {
            Some(proto::GiftSource::InCart) => GiftSource::InCart,
            Some(proto::GiftSource::AddMissing) => GiftSource::AddMissing,
            Some(proto::GiftSource::Unspecified | proto::GiftSource::Add) | None => GiftSource::Add,
        };
        let in_cart = source == GiftSource::InCart;
        let of_product = if in_cart && gift.product_id.is_empty() && gift.selector.is_some() {
            None
        } else {
            Some(self.product(&gift.product_id, &at.field("product_id")))
        };
        let selector = gift.selector.as_ref();
        let selector = selector.map(|selector| self.selector(selector, Kinds::ITEMS, &at.field("selector")));
        let unit_value = if in_cart {
            if !gift.unit_value.is_empty() {
                self.not_allowed(&at.field("unit_value"), "a unit of the cart has a price of its own");
            }
            Amounts::default()
        } else {
            self.required_amounts(&gift.unit_value, at, "unit_value")
        };
        let product = self.symbols.intern(&gift.product_id);
        let items = Selector::every(LineKind::Item);
        Gift {
            scope: items.clone(),
            trigger_quantity: None,
            max_times: 1,
            product,
            selector: selector.or(of_product).unwrap_or(items),
            gift_lines: Gift::lines_of(product),
            quantity: self
                .optional_range(gift.quantity, 1, SET_UNITS_MAX, &at.field("quantity"))
                .unwrap_or(1),
            source,
            unit_value,
        }
    }

    pub(super) fn cashback(&mut self, rule: &proto::Cashback, at: &At<'_>) -> Option<Offer> {
        use proto::cashback::Cashback;
        let scope = self.scope(rule.scope.as_ref(), Kinds::ANY, at, "scope");
        let max_discount = self.amounts(&rule.max_cashback, at, "max_cashback");
        let min_purchase = self.min_purchase(rule.min_purchase.as_ref(), at);
        let payment = rule.payment.as_ref().map(|test| self.payment_test(test, &at.field("payment")));
        let credit = self.credit(rule.credit_as, at);
        if let (Some(Cashback::CashbackPpm(ppm)), true) = (&rule.cashback, max_discount.is_empty()) {
            self.remark_whole(*ppm, rule.scope.as_ref(), &at.field("cashback_ppm"));
        }
        let reward = match &rule.cashback {
            None => {
                self.required(&at.field("cashback"));
                return None;
            }
            Some(Cashback::CashbackPpm(ppm)) => {
                Reward::CashbackPercent { ppm: self.share(*ppm, &at.field("cashback_ppm")), credit }
            }
            Some(Cashback::CashbackAmount(amounts)) => Reward::CashbackAmount {
                amounts: self.amounts_of(amounts, &at.field("cashback_amount")),
                credit,
            },
        };
        if let Reward::CashbackAmount { amounts, .. } = &reward {
            self.remark_cap(&rule.max_cashback, amounts, at, "max_cashback");
        }
        let benefit = Benefit::Reward { scope, reward };
        let step = Step { number: 0, phase: Phase::Reward, condition: None, benefit, max_discount };
        Some(Offer { min_purchase, payment, ..Offer::of(step) })
    }

    pub(super) fn reward(&mut self, reward: &proto::Reward, at: &At<'_>) -> Option<(Benefit, Amounts)> {
        use proto::reward::Reward as Kind;
        let scope = self.scope(reward.scope.as_ref(), Kinds::ANY, at, "scope");
        let max_reward = self.amounts(&reward.max_reward, at, "max_reward");
        let credit = self.credit(reward.credit_as, at);
        let lowered = match &reward.reward {
            None => {
                self.required(&at.field("reward"));
                return None;
            }
            Some(Kind::CashbackPpm(ppm)) => {
                Reward::CashbackPercent { ppm: self.share(*ppm, &at.field("cashback_ppm")), credit }
            }
            Some(Kind::CashbackAmount(amounts)) => Reward::CashbackAmount {
                amounts: self.amounts_of(amounts, &at.field("cashback_amount")),
                credit,
            },
            Some(Kind::Points(points)) => Reward::Points(self.points(*points, &at.field("points"))),
            Some(Kind::PointsPer(per)) => {
                let at = at.field("points_per");
                let points = self.points(per.points, &at.field("points"));
                Reward::PointsPer { points, step: self.required_amounts(&per.step, &at, "step") }
            }
            Some(Kind::PointsMultiplierPpm(ppm)) => self.multiplier(*ppm, &at.field("points_multiplier_ppm")),
            Some(Kind::VoucherPromotionId(id)) => {
                self.name(id, &at.field("voucher_promotion_id"));
                Reward::Voucher(id.as_str().into())
            }
        };
        match &lowered {
            Reward::CashbackPercent { .. } => {}
            Reward::CashbackAmount { amounts, .. } => {
                self.remark_cap(&reward.max_reward, amounts, at, "max_reward");
            }
            Reward::Points(_) | Reward::PointsPer { .. } | Reward::Multiplier(_) | Reward::Voucher(_) => {
                if !max_reward.is_empty() {
                    self.without_effect(&at.field("max_reward"), "only cashback has a cap");
                }
                if reward.credit_as != 0 {
                    self.without_effect(&at.field("credit_as"), "only cashback is credited");
                }
            }
        }
        Some((Benefit::Reward { scope, reward: lowered }, max_reward))
    }

    pub(super) fn threshold_tier(&mut self, rule: &proto::ThresholdTier, at: &At<'_>) -> Offer {
        if rule.tiers.is_empty() {
            self.required(&at.field("tiers"));
        }
        self.check_count(rule.tiers.len(), LIST_MAX, &at.field("tiers"));
        let mut tiers = Vec::with_capacity(rule.tiers.len());
        for (index, tier) in rule.tiers.iter().enumerate() {
            let at = at.item("tiers", index);
            let earlier = rule.tiers.iter().take(index).map(|tier| tier.name.as_str());
            self.unique_name(&tier.name, earlier, &at);
            let before = index.checked_sub(1).and_then(|before| rule.tiers.get(before));
            self.check_rising(tier, before, &at);
            self.remark_tiers(tier, before, &at);
            tiers.extend(self.tier(tier, &at));
        }
        let scope = self.scope(rule.scope.as_ref(), Kinds::ITEMS, at, "scope");
        let basis = self.basis(rule.basis, at);
        Offer::of(step(Phase::Order, Benefit::Tiers(Tiers { scope, basis, tiers })))
    }

    fn tier(&mut self, tier: &proto::Tier, at: &At<'_>) -> Option<Tier> {
        use proto::tier::Benefit as Kind;
        let minimum = self.required_amounts(&tier.minimum, at, "minimum");
        let below = self.amounts(&tier.below, at, "below");
        let max_discount = self.amounts(&tier.max_discount, at, "max_discount");
        let benefit = match &tier.benefit {
            None => {
                self.required(&at.field("benefit"));
                return None;
            }
            Some(Kind::PercentOffPpm(ppm)) => {
                let ppm = self.share(*ppm, &at.field("percent_off_ppm"));
                let base = PercentBase::Current;
                TierBenefit::Spread(SpreadAmount::Percent { ppm, base })
            }
            Some(Kind::AmountOff(amounts)) => {
                TierBenefit::Spread(SpreadAmount::Amount(self.amounts_of(amounts, &at.field("amount_off"))))
            }
            Some(Kind::Gift(gift)) => TierBenefit::Gift(self.gift(gift, &at.field("gift"))),
            Some(Kind::PointsMultiplierPpm(ppm)) => {
                TierBenefit::Reward(self.multiplier(*ppm, &at.field("points_multiplier_ppm")))
            }
        };
        match &benefit {
            TierBenefit::Spread(SpreadAmount::Amount(amounts)) => {
                self.remark_cap(&tier.max_discount, amounts, at, "max_discount");
                self.remark_free_minimum(&tier.minimum, amounts, at);
            }
            TierBenefit::Spread(_) => {}
            TierBenefit::Gift(_) | TierBenefit::Reward(_) => {
                if !max_discount.is_empty() {
                    self.without_effect(&at.field("max_discount"), "the tier has no discount");
                }
            }
        }
        Some(Tier { minimum, below, benefit, max_discount })
    }

    /// A tier beside the one before it.
    fn remark_tiers(&mut self, tier: &proto::Tier, before: Option<&proto::Tier>, at: &At<'_>) {
        use proto::tier::Benefit as Kind;
        let Some(before) = before else { return };
        for (index, minimum) in tier.minimum.iter().enumerate() {
            let code = &minimum.currency_code;
            let Some(below) = in_currency(&before.below, code) else { continue };
            let found = match below.cmp(&minimum.minor) {
                Ordering::Greater => Code::TiersOverlap,
                Ordering::Less => Code::TiersApart,
                Ordering::Equal => continue,
            };
            let parameters = [("below", below.into()), ("minimum", minimum.minor.into())];
            self.remark(found, &at.item("minimum", index), &parameters);
        }
        if tier.max_discount != before.max_discount {
            return;
        }
        match (&tier.benefit, &before.benefit) {
            (Some(Kind::PercentOffPpm(ppm)), Some(Kind::PercentOffPpm(before))) => {
                self.remark_less((*ppm).into(), (*before).into(), &at.field("percent_off_ppm"));
            }
            (Some(Kind::PointsMultiplierPpm(ppm)), Some(Kind::PointsMultiplierPpm(before))) => {
                self.remark_less((*ppm).into(), (*before).into(), &at.field("points_multiplier_ppm"));
            }
            (Some(Kind::AmountOff(amounts)), Some(Kind::AmountOff(before))) => {
                let at = at.field("amount_off");
                for (index, money) in amounts.per_currency.iter().enumerate() {
                    if let Some(before) = in_currency(&before.per_currency, &money.currency_code) {
                        self.remark_less(money.minor, before, &at.item("per_currency", index));
                    }
                }
            }
            _ => {}
        }
    }

    fn remark_less(&mut self, value: i64, before: i64, at: &At<'_>) {
        if value <= before {
            self.remark(Code::TierGivesLess, at, &[("value", value.into()), ("before", before.into())]);
        }
    }

    fn check_rising(&mut self, tier: &proto::Tier, before: Option<&proto::Tier>, at: &At<'_>) {
        for (index, minimum) in tier.minimum.iter().enumerate() {
            let of_before = before.and_then(|before| in_currency(&before.minimum, &minimum.currency_code));
            if of_before.is_some_and(|of_before| of_before >= minimum.minor) {
                self.findings.add(Code::TiersNotRising, &at.item("minimum", index), &[]);
            }
        }
        for (index, below) in tier.below.iter().enumerate() {
            if in_currency(&tier.minimum, &below.currency_code).is_some_and(|minimum| minimum >= below.minor)
            {
                self.findings.add(Code::TierBelowMinimum, &at.item("below", index), &[]);
            }
        }
    }

    fn points(&mut self, points: i64, at: &At<'_>) -> i64 {
        self.check_range(points, 1, i64::from(i32::MAX), at)
    }

    fn multiplier(&mut self, ppm: i32, at: &At<'_>) -> Reward {
        self.check_range(ppm.into(), 1, i32::MAX.into(), at);
        if (1..=WHOLE_PPM).contains(&ppm.into()) {
            self.remark(Code::MultiplierTooSmall, at, &[("value", i64::from(ppm).into())]);
        }
        Reward::Multiplier(ppm)
    }

    fn credit(&mut self, number: i32, at: &At<'_>) -> Credit {
        match self.known(number, &at.field("credit_as")) {
            Some(proto::CreditKind::Wallet) => Credit::Wallet,
            Some(proto::CreditKind::Payment) => Credit::Payment,
            Some(proto::CreditKind::Unspecified | proto::CreditKind::Points) | None => Credit::Points,
        }
    }
}

fn in_currency(amounts: &[proto::Money], code: &str) -> Option<i64> {
    amounts.iter().find(|money| money.currency_code == code).map(|money| money.minor)
}
