//! Rules that lower prices line by line: percent_discount, amount_discount, happy_hour,
//! payment_discount, and the primitives reduce and spread.

use dealwright_core::model::{
    Amounts, Benefit, PercentBase, Phase, Reduction, SpreadAmount, Step, UnitLimit, UnitOrder,
};

use super::Lowering;
use super::rules::Offer;
use super::selector::Kinds;
use crate::diagnostics::At;
use crate::limits::SET_UNITS_MAX;
use crate::proto;

impl Lowering<'_> {
    pub(super) fn percent_discount(&mut self, rule: &proto::PercentDiscount, at: &At<'_>) -> Option<Offer> {
        let ppm = self.share(rule.percent_off_ppm, &at.field("percent_off_ppm"));
        let base = self.percent_base(rule.percent_base, at);
        let units = self.unit_limit(rule.units.as_ref(), at);
        let phase = self.price_phase(rule.phase, at);
        let scope = self.scope(rule.scope.as_ref(), kinds_of(phase), at, "scope");
        let min_purchase = self.min_purchase(rule.min_purchase.as_ref(), at);
        let max_discount = self.amounts(&rule.max_discount, at, "max_discount");
        let phase = phase?;
        if phase != Phase::Delivery && max_discount.is_empty() && rule.units.is_none() {
            self.remark_whole(rule.percent_off_ppm, rule.scope.as_ref(), &at.field("percent_off_ppm"));
        }
        let benefit = match phase {
            Phase::Item => Benefit::Reduce { scope, reduction: Reduction::Percent { ppm, base }, units },
            _ => {
                self.refuse_units(rule.units.as_ref(), at);
                Benefit::Spread { scope, amount: SpreadAmount::Percent { ppm, base } }
            }
        };
        let step = Step { number: 0, phase, condition: None, benefit, max_discount };
        Some(Offer { min_purchase, ..Offer::of(step) })
    }

    pub(super) fn amount_discount(&mut self, rule: &proto::AmountDiscount, at: &At<'_>) -> Option<Offer> {
        let amounts = self.required_amounts(&rule.amount_off, at, "amount_off");
        let per: Option<proto::AmountPer> = self.known(rule.per, &at.field("per"));
        let units = self.unit_limit(rule.units.as_ref(), at);
        let phase = self.price_phase(rule.phase, at);
        let scope = self.scope(rule.scope.as_ref(), kinds_of(phase), at, "scope");
        let min_purchase = self.min_purchase(rule.min_purchase.as_ref(), at);
        let max_discount = self.amounts(&rule.max_discount, at, "max_discount");
        let phase = phase?;
        let benefit = match (phase, per?) {
            (Phase::Item, proto::AmountPer::Unspecified | proto::AmountPer::Unit) => {
                Benefit::Reduce { scope, reduction: Reduction::AmountOff(amounts), units }
            }
            (_, proto::AmountPer::Unit) => {
                self.not_allowed(&at.field("per"), "only the item phase works on units");
                return None;
            }
            (_, proto::AmountPer::Unspecified | proto::AmountPer::Scope) => {
                self.refuse_units(rule.units.as_ref(), at);
                self.remark_cap(&rule.max_discount, &amounts, at, "max_discount");
                if phase != Phase::Delivery {
                    self.remark_minimum(rule.min_purchase.as_ref(), rule.scope.as_ref(), &amounts, at);
                }
                Benefit::Spread { scope, amount: SpreadAmount::Amount(amounts) }
            }
        };
        let step = Step { number: 0, phase, condition: None, benefit, max_discount };
        Some(Offer { min_purchase, ..Offer::of(step) })
    }

    pub(super) fn happy_hour(
        &mut self,
        rule: &proto::HappyHour,
        schedule: Option<&proto::Schedule>,
        at: &At<'_>,
    ) -> Option<Offer> {
        if schedule.is_none_or(|schedule| schedule.daily_windows.is_empty()) {
            self.required(&at.field("schedule").field("daily_windows"));
        }
        let at = at.field("happy_hour");
        let scope = self.scope(rule.scope.as_ref(), Kinds::ITEMS, &at, "scope");
        let reduction = self.required_reduction(rule.reduction.as_ref(), &at);
        let units = self.unit_limit(rule.units.as_ref(), &at);
        let max_discount = self.amounts(&rule.max_discount, &at, "max_discount");
        let min_purchase = self.min_purchase(rule.min_purchase.as_ref(), &at);
        if let (Some(Reduction::Percent { ppm, .. }), None, true) =
            (&reduction, &rule.units, max_discount.is_empty())
        {
            self.remark_whole(*ppm, rule.scope.as_ref(), &at.field("reduction").field("percent_off_ppm"));
        }
        let benefit = Benefit::Reduce { scope, reduction: reduction?, units };
        let step = Step { number: 0, phase: Phase::Item, condition: None, benefit, max_discount };
        Some(Offer { min_purchase, ..Offer::of(step) })
    }

    pub(super) fn payment_discount(&mut self, rule: &proto::PaymentDiscount, at: &At<'_>) -> Option<Offer> {
        use proto::payment_discount::Discount;
        let payment = rule.payment.as_ref().map(|test| self.payment_test(test, &at.field("payment")));
        if payment.is_none() {
            self.required(&at.field("payment"));
        }
        let base = self.percent_base(rule.percent_base, at);
        let amount = match &rule.discount {
            None => {
                self.required(&at.field("discount"));
                None
            }
            Some(Discount::PercentOffPpm(ppm)) => {
                Some(SpreadAmount::Percent { ppm: self.share(*ppm, &at.field("percent_off_ppm")), base })
            }
            Some(Discount::AmountOff(amounts)) => {
                Some(SpreadAmount::Amount(self.amounts_of(amounts, &at.field("amount_off"))))
            }
        };
        let scope = self.scope(rule.scope.as_ref(), Kinds::ITEMS, at, "scope");
        let max_discount = self.amounts(&rule.max_discount, at, "max_discount");
        let min_purchase = self.min_purchase(rule.min_purchase.as_ref(), at);
        match &amount {
            Some(SpreadAmount::Percent { ppm, .. }) if max_discount.is_empty() => {
                self.remark_whole(*ppm, rule.scope.as_ref(), &at.field("percent_off_ppm"));
            }
            Some(SpreadAmount::Amount(amounts)) => {
                self.remark_base(rule.percent_base, at);
                self.remark_cap(&rule.max_discount, amounts, at, "max_discount");
                self.remark_minimum(rule.min_purchase.as_ref(), rule.scope.as_ref(), amounts, at);
            }
            Some(SpreadAmount::Percent { .. } | SpreadAmount::DownTo(_)) | None => {}
        }
        let benefit = Benefit::Spread { scope, amount: amount? };
        let step = Step { number: 0, phase: Phase::Payment, condition: None, benefit, max_discount };
        Some(Offer { min_purchase, payment, ..Offer::of(step) })
    }

    pub(super) fn reduce(
        &mut self,
        reduce: &proto::Reduce,
        kinds: Kinds,
        at: &At<'_>,
    ) -> Option<(Benefit, Amounts)> {
        let scope = self.scope(reduce.scope.as_ref(), kinds, at, "scope");
        let reduction = self.required_reduction(reduce.reduction.as_ref(), at);
        let units = self.unit_limit(reduce.units.as_ref(), at);
        let max_discount = self.amounts(&reduce.max_discount, at, "max_discount");
        Some((Benefit::Reduce { scope, reduction: reduction?, units }, max_discount))
    }

    pub(super) fn spread(
        &mut self,
        spread: &proto::Spread,
        kinds: Kinds,
        at: &At<'_>,
    ) -> Option<(Benefit, Amounts)> {
        use proto::spread::Spread;
        let scope = self.scope(spread.scope.as_ref(), kinds, at, "scope");
        let base = self.percent_base(spread.percent_base, at);
        let max_discount = self.amounts(&spread.max_discount, at, "max_discount");
        let amount = match &spread.spread {
            None => {
                self.required(&at.field("spread"));
                return None;
            }
            Some(Spread::PercentOffPpm(ppm)) => {
                SpreadAmount::Percent { ppm: self.share(*ppm, &at.field("percent_off_ppm")), base }
            }
            Some(Spread::AmountOff(amounts)) => {
                SpreadAmount::Amount(self.amounts_of(amounts, &at.field("amount_off")))
            }
            Some(Spread::FixedTotal(amounts)) => SpreadAmount::DownTo(self.prices(
                &amounts.per_currency,
                &at.field("fixed_total"),
                "per_currency",
            )),
        };
        if !matches!(amount, SpreadAmount::Percent { .. }) {
            self.remark_base(spread.percent_base, at);
        }
        if let SpreadAmount::Amount(amounts) = &amount {
            self.remark_cap(&spread.max_discount, amounts, at, "max_discount");
        }
        Some((Benefit::Spread { scope, amount }, max_discount))
    }

    pub(super) fn required_reduction(
        &mut self,
        reduction: Option<&proto::Reduction>,
        at: &At<'_>,
    ) -> Option<Reduction> {
        use proto::reduction::Reduction as Kind;
        let at = at.field("reduction");
        let Some((reduction, kind)) = reduction.and_then(|of| of.reduction.as_ref().map(|kind| (of, kind)))
        else {
            self.required(&at);
            return None;
        };
        let base = self.percent_base(reduction.percent_base, &at);
        if !matches!(kind, Kind::PercentOffPpm(_)) {
            self.remark_base(reduction.percent_base, &at);
        }
        Some(match kind {
            Kind::PercentOffPpm(ppm) => {
                Reduction::Percent { ppm: self.share(*ppm, &at.field("percent_off_ppm")), base }
            }
            Kind::AmountOff(amounts) => {
                Reduction::AmountOff(self.amounts_of(amounts, &at.field("amount_off")))
            }
            Kind::FixedPrice(amounts) => Reduction::FixedPrice(self.prices(
                &amounts.per_currency,
                &at.field("fixed_price"),
                "per_currency",
            )),
        })
    }

    /// A phase that a plain discount can be in: item, order or delivery.
    fn price_phase(&mut self, number: i32, at: &At<'_>) -> Option<Phase> {
        let at = at.field("phase");
        match self.known(number, &at)? {
            proto::Phase::Item => Some(Phase::Item),
            proto::Phase::Order => Some(Phase::Order),
            proto::Phase::Delivery => Some(Phase::Delivery),
            proto::Phase::Unspecified => {
                self.required(&at);
                None
            }
            proto::Phase::Set | proto::Phase::Payment | proto::Phase::Reward => {
                self.not_allowed(&at, "a discount is taken off items, the order or delivery");
                None
            }
        }
    }

    pub(super) fn percent_base(&mut self, number: i32, at: &At<'_>) -> PercentBase {
        match self.known(number, &at.field("percent_base")) {
            Some(proto::PercentBase::List) => PercentBase::List,
            Some(proto::PercentBase::PhaseStart) => PercentBase::PhaseStart,
            Some(proto::PercentBase::Unspecified | proto::PercentBase::Current) | None => {
                PercentBase::Current
            }
        }
    }

    fn unit_limit(&mut self, limit: Option<&proto::UnitLimit>, at: &At<'_>) -> UnitLimit {
        let all = proto::UnitLimit::default();
        let limit = limit.unwrap_or(&all);
        let at = at.field("units");
        let per_line = at.field("max_units_per_line");
        self.remark_limit(limit.max_units_per_line, limit.max_units, &per_line);
        if limit.order != 0 && limit.max_units.is_none() && limit.max_units_per_line.is_none() {
            self.without_effect(&at.field("order"), "all units are taken");
        }
        UnitLimit {
            max_units: self.optional_range(limit.max_units, 1, SET_UNITS_MAX, &at.field("max_units")),
            max_units_per_line: self.optional_range(limit.max_units_per_line, 1, SET_UNITS_MAX, &per_line),
            order: self.unit_order(limit.order, &at.field("order")).unwrap_or(UnitOrder::Cheapest),
        }
    }

    /// An order of units; unset is the default of its place.
    pub(super) fn unit_order(&mut self, number: i32, at: &At<'_>) -> Option<UnitOrder> {
        match self.known(number, at)? {
            proto::UnitOrder::Unspecified => None,
            proto::UnitOrder::Cheapest => Some(UnitOrder::Cheapest),
            proto::UnitOrder::Dearest => Some(UnitOrder::Dearest),
            proto::UnitOrder::Cart => Some(UnitOrder::Cart),
        }
    }

    fn remark_base(&mut self, percent_base: i32, at: &At<'_>) {
        if percent_base != 0 {
            self.without_effect(&at.field("percent_base"), "no percentage is given");
        }
    }

    /// A minimum that looks at the same lines as the amount that is taken off.
    fn remark_minimum(
        &mut self,
        minimum: Option<&proto::Threshold>,
        scope: Option<&proto::Selector>,
        amounts: &Amounts,
        at: &At<'_>,
    ) {
        let Some(minimum) = minimum.filter(|minimum| minimum.selector.is_none()) else { return };
        if scope.is_none() || minimum.extent != proto::Extent::Cart as i32 {
            self.remark_free_minimum(&minimum.minimum, amounts, &at.field("min_purchase"));
        }
    }

    fn refuse_units(&mut self, units: Option<&proto::UnitLimit>, at: &At<'_>) {
        if units.is_some() {
            self.not_allowed(&at.field("units"), "what is spread over lines isn't given per unit");
        }
    }
}

fn kinds_of(phase: Option<Phase>) -> Kinds {
    if phase == Some(Phase::Delivery) { Kinds::DELIVERY } else { Kinds::ITEMS }
}
