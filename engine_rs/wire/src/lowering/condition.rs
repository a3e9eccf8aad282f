//! Conditions, thresholds and the questions inside them.

use dealwright_core::model::{
    AttributeOwner, Basis, Condition, CustomerTest, Extent, PaymentTest, Threshold,
};

use super::Lowering;
use super::selector::Kinds;
use crate::diagnostics::{At, Code};
use crate::limits::{CONDITION_DEPTH_MAX, CONDITION_NODES_MAX};
use crate::proto;
use crate::proto::condition::Condition as Node;

/// Days of a year, leap years included: birthdays lie no farther apart.
const YEAR_DAYS: i64 = 366;

impl Lowering<'_> {
    /// A condition that may be left out.
    pub(super) fn condition(
        &mut self,
        condition: Option<&proto::Condition>,
        at: &At<'_>,
        field: &'static str,
    ) -> Option<Condition> {
        let lowered = self.node(condition?, &at.field(field), 1);
        if self.condition_nodes > CONDITION_NODES_MAX {
            self.findings.add(
                Code::ConditionTooLarge,
                &at.field(field),
                &[("limit", CONDITION_NODES_MAX.into())],
            );
        }
        lowered
    }

    fn node(&mut self, condition: &proto::Condition, at: &At<'_>, depth: usize) -> Option<Condition> {
        self.condition_nodes += 1;
        if depth > CONDITION_DEPTH_MAX {
            self.findings.add(Code::ConditionTooDeep, at, &[("limit", CONDITION_DEPTH_MAX.into())]);
            return None;
        }
        let Some(node) = &condition.condition else {
            self.required(at);
            return None;
        };
        Some(match node {
            Node::All(list) => Condition::All(self.parts(list, &at.field("all"), depth)),
            Node::Any(list) => Condition::Any(self.parts(list, &at.field("any"), depth)),
            Node::Not(part) if matches!(part.condition, Some(Node::Not(_))) => {
                self.remark(Code::NegatedTwice, &at.field("not"), &[]);
                Condition::Not(Box::new(self.node(part, &at.field("not"), depth + 1)?))
            }
            Node::Not(part) => Condition::Not(Box::new(self.node(part, &at.field("not"), depth + 1)?)),
            Node::Threshold(threshold) => {
                Condition::Threshold(self.threshold(threshold, &at.field("threshold")))
            }
            Node::Quantity(test) => {
                let at = at.field("quantity");
                let selector = test.selector.as_ref();
                let selector =
                    selector.map(|selector| self.selector(selector, Kinds::ANY, &at.field("selector")));
                let units = self.required_number_range(test.units.as_ref(), &at, "units");
                if units.minimum <= 0 && units.maximum == i64::MAX {
                    self.remark(Code::AlwaysHolds, &at.field("units"), &[]);
                }
                self.remark_count(test.units.as_ref(), &at.field("units"));
                Condition::Quantity(selector, units)
            }
            Node::Payment(test) => Condition::Payment(self.payment_test(test, &at.field("payment"))),
            Node::Customer(test) => Condition::Customer(self.customer_test(test, &at.field("customer"))),
            Node::Attribute(test) => self.owned_attribute(test, &at.field("attribute"))?,
            Node::AccumulatedSpend(test) => {
                let at = at.field("accumulated_spend");
                Condition::AccumulatedSpend {
                    brands: self.names(&test.brand_ids, &at, "brand_ids", false),
                    minimum: self.required_amounts(&test.minimum, &at, "minimum"),
                    period: self.name(&test.period, &at.field("period")),
                }
            }
        })
    }

    fn parts(&mut self, list: &proto::ConditionList, at: &At<'_>, depth: usize) -> Vec<Condition> {
        if list.conditions.is_empty() {
            self.required(&at.field("conditions"));
        }
        self.remark_parts(&list.conditions, at);
        let part = |(index, part)| self.node(part, &at.item("conditions", index), depth + 1);
        list.conditions.iter().enumerate().filter_map(part).collect()
    }

    /// Parts of a list that ask the same, or the opposite, of an earlier one.
    fn remark_parts(&mut self, parts: &[proto::Condition], at: &At<'_>) {
        if !self.is_asked() || parts.len() > CONDITION_NODES_MAX {
            return;
        }
        let denies = |one: &proto::Condition, other: &proto::Condition| match &one.condition {
            Some(Node::Not(part)) => **part == *other,
            _ => false,
        };
        for (index, part) in parts.iter().enumerate() {
            let at = at.item("conditions", index);
            let mut earlier = parts.iter().take(index);
            if earlier.clone().any(|earlier| earlier == part) {
                self.remark(Code::ConditionRepeated, &at, &[]);
            } else if earlier.any(|earlier| denies(earlier, part) || denies(part, earlier)) {
                self.remark(Code::ConditionContradictory, &at, &[]);
            }
        }
    }

    /// Counts and days that can't be below 0.
    fn remark_count(&mut self, range: Option<&proto::NumberRange>, at: &At<'_>) {
        if let Some(maximum) = range.and_then(|range| range.maximum).filter(|maximum| *maximum < 0) {
            self.remark(Code::BelowZero, &at.field("maximum"), &[("maximum", maximum.into())]);
        }
    }

    pub(super) fn min_purchase(
        &mut self,
        threshold: Option<&proto::Threshold>,
        at: &At<'_>,
    ) -> Option<Threshold> {
        threshold.map(|threshold| self.threshold(threshold, &at.field("min_purchase")))
    }

    pub(super) fn threshold(&mut self, threshold: &proto::Threshold, at: &At<'_>) -> Threshold {
        let extent: Option<proto::Extent> = self.known(threshold.extent, &at.field("extent"));
        if threshold.selector.is_some() && threshold.extent != 0 {
            self.not_allowed(&at.field("extent"), "the selector names the lines");
        }
        let extent = match (&threshold.selector, extent) {
            (Some(selector), _) => Extent::Lines(self.selector(selector, Kinds::ANY, &at.field("selector"))),
            (None, Some(proto::Extent::Cart)) => Extent::Cart,
            (None, _) => Extent::Scope,
        };
        Threshold {
            minimum: self.required_amounts(&threshold.minimum, at, "minimum"),
            basis: self.basis(threshold.basis, at),
            extent,
        }
    }

    pub(super) fn basis(&mut self, number: i32, at: &At<'_>) -> Basis {
        match self.known(number, &at.field("basis")) {
            Some(proto::Basis::List) => Basis::List,
            Some(proto::Basis::Current) => Basis::Current,
            Some(proto::Basis::Unspecified | proto::Basis::PhaseStart) | None => Basis::PhaseStart,
        }
    }

    pub(super) fn payment_test(&mut self, test: &proto::PaymentTest, at: &At<'_>) -> PaymentTest {
        if *test == proto::PaymentTest::default() {
            self.required(at);
        }
        PaymentTest {
            methods: self.names(&test.methods, at, "methods", true),
            card_classes: self.names(&test.card_classes, at, "card_classes", true),
            issuers: self.names(&test.issuers, at, "issuers", true),
        }
    }

    fn customer_test(&mut self, test: &proto::CustomerTest, at: &At<'_>) -> CustomerTest {
        if *test == proto::CustomerTest::default() {
            self.required(at);
        }
        let range = |lowering: &mut Self, range: Option<&proto::NumberRange>, field| {
            lowering.remark_count(range, &at.field(field));
            range.map(|range| lowering.number_range(range, &at.field(field)))
        };
        if let Some(days) = test.birthday_within_days {
            self.check_range(days.into(), 0, YEAR_DAYS, &at.field("birthday_within_days"));
            if i64::from(days) >= YEAR_DAYS / 2 {
                self.remark(Code::AlwaysHolds, &at.field("birthday_within_days"), &[]);
            }
        }
        CustomerTest {
            completed_orders: range(self, test.completed_orders.as_ref(), "completed_orders"),
            days_since_last_order: range(self, test.days_since_last_order.as_ref(), "days_since_last_order"),
            birthday_within_days: test.birthday_within_days,
        }
    }

    fn owned_attribute(&mut self, test: &proto::OwnedAttributeTest, at: &At<'_>) -> Option<Condition> {
        let owner = match self.known(test.owner, &at.field("owner"))? {
            proto::AttributeOwner::Unspecified => {
                self.required(&at.field("owner"));
                return None;
            }
            proto::AttributeOwner::Cart => AttributeOwner::Cart,
            proto::AttributeOwner::Customer => AttributeOwner::Customer,
            proto::AttributeOwner::Payment => AttributeOwner::Payment,
        };
        let Some(asked) = &test.test else {
            self.required(&at.field("test"));
            return None;
        };
        Some(Condition::Attribute(owner, self.attribute_test(asked, &at.field("test"))))
    }

    fn required_number_range(
        &mut self,
        range: Option<&proto::NumberRange>,
        at: &At<'_>,
        field: &'static str,
    ) -> dealwright_core::model::NumberRange {
        if range.is_none() {
            self.required(&at.field(field));
        }
        let anything = proto::NumberRange { minimum: Some(0), maximum: None };
        self.number_range(range.unwrap_or(&anything), &at.field(field))
    }
}
