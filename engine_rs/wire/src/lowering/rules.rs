//! What each type of promotion gives, as steps of the pipeline (S-12.1).

use dealwright_core::model::{AddOn, Benefit, PaymentTest, Phase, Step, Threshold};

use super::Lowering;
use super::selector::Kinds;
use crate::diagnostics::{At, Code};
use crate::limits::LIST_MAX;
use crate::proto;
use crate::proto::promotion::Rule;

/// What a rule comes to.
pub(super) struct Offer {
    pub(super) min_purchase: Option<Threshold>,
    /// The way of paying that the type asks for.
    pub(super) payment: Option<PaymentTest>,
    /// In the order of phases.
    pub(super) steps: Vec<Step>,
    /// The add-on that it suggests.
    pub(super) suggestion: Option<AddOn>,
}

impl Offer {
    pub(super) fn of(step: Step) -> Self {
        Self { min_purchase: None, payment: None, steps: vec![step], suggestion: None }
    }
}

/// A step without a condition and without a cap.
pub(super) fn step(phase: Phase, benefit: Benefit) -> Step {
    Step { number: 0, phase, condition: None, benefit, max_discount: Default::default() }
}

impl Lowering<'_> {
    /// What the promotion's rule comes to; nothing when something is wrong with it.
    pub(super) fn rule(&mut self, definition: &proto::Promotion, at: &At<'_>) -> Option<Offer> {
        let Some(rule) = &definition.rule else {
            self.required(&at.field("rule"));
            return None;
        };
        match rule {
            Rule::PercentDiscount(rule) => self.percent_discount(rule, &at.field("percent_discount")),
            Rule::AmountDiscount(rule) => self.amount_discount(rule, &at.field("amount_discount")),
            Rule::BuyXGetY(rule) => self.buy_x_get_y(rule, &at.field("buy_x_get_y")),
            Rule::Combo(rule) => Some(self.combo(rule, &at.field("combo"))),
            Rule::FreeItem(rule) => self.free_item(rule, &at.field("free_item")),
            Rule::HappyHour(rule) => self.happy_hour(rule, definition.schedule.as_ref(), at),
            Rule::Cashback(rule) => self.cashback(rule, &at.field("cashback")),
            Rule::PaymentDiscount(rule) => self.payment_discount(rule, &at.field("payment_discount")),
            Rule::Package(rule) => Some(self.package(rule, &at.field("package"))),
            Rule::MixMatch(rule) => self.mix_match(rule, &at.field("mix_match")),
            Rule::Upsell(rule) => Some(self.upsell(rule, &at.field("upsell"))),
            Rule::ThresholdTier(rule) => Some(self.threshold_tier(rule, &at.field("threshold_tier"))),
            Rule::Custom(rule) => Some(self.custom(rule, &at.field("custom"))),
        }
    }

    fn custom(&mut self, rule: &proto::Custom, at: &At<'_>) -> Offer {
        if rule.steps.is_empty() {
            self.required(&at.field("steps"));
        }
        self.check_count(rule.steps.len(), LIST_MAX, &at.field("steps"));
        self.remark_steps(&rule.steps, at);
        let step = |(index, step)| self.custom_step(index, step, &at.item("steps", index));
        let mut steps: Vec<Step> = rule.steps.iter().enumerate().filter_map(step).collect();
        steps.sort_by_key(|step| step.phase);
        Offer { min_purchase: None, payment: None, steps, suggestion: None }
    }

    fn remark_steps(&mut self, steps: &[proto::Step], at: &At<'_>) {
        if !self.is_asked() || self.findings.refuse() {
            return;
        }
        for (index, step) in steps.iter().enumerate() {
            if let Some(other) = steps.iter().take(index).position(|earlier| earlier == step) {
                self.remark(Code::StepRepeated, &at.item("steps", index), &[("other", other.into())]);
            }
        }
    }

    fn custom_step(&mut self, index: usize, step: &proto::Step, at: &At<'_>) -> Option<Step> {
        use proto::step::Primitive;
        let condition = self.condition(step.condition.as_ref(), at, "condition");
        let phase = self.custom_phase(step.phase, &at.field("phase"));
        let kinds = if phase == Some(Phase::Delivery) { Kinds::DELIVERY } else { Kinds::ITEMS };
        let (benefit, max_discount) = match &step.primitive {
            None => {
                self.required(&at.field("primitive"));
                return None;
            }
            Some(Primitive::Reduce(reduce)) => self.reduce(reduce, kinds, &at.field("reduce"))?,
            Some(Primitive::Spread(spread)) => self.spread(spread, kinds, &at.field("spread"))?,
            Some(Primitive::SetOffer(offer)) => self.set_offer(offer, &at.field("set_offer")),
            Some(Primitive::Gift(gift)) => {
                (Benefit::Gift(self.gift(gift, &at.field("gift"))), Default::default())
            }
            Some(Primitive::Reward(reward)) => self.reward(reward, &at.field("reward"))?,
        };
        let phase = phase?;
        let rewards = matches!(benefit, Benefit::Reward { .. });
        if rewards != (phase == Phase::Reward) {
            self.not_allowed(&at.field("phase"), "rewards, and only they, are given in the reward phase");
        }
        let number = i32::try_from(index).unwrap_or(i32::MAX);
        Some(Step { number, phase, condition, benefit, max_discount })
    }

    fn custom_phase(&mut self, number: i32, at: &At<'_>) -> Option<Phase> {
        Some(match self.known(number, at)? {
            proto::Phase::Unspecified => {
                self.required(at);
                return None;
            }
            proto::Phase::Item => Phase::Item,
            proto::Phase::Set => Phase::Set,
            proto::Phase::Order => Phase::Order,
            proto::Phase::Delivery => Phase::Delivery,
            proto::Phase::Payment => Phase::Payment,
            proto::Phase::Reward => Phase::Reward,
        })
    }
}
