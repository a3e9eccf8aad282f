//! Targeting and ties between brands.

use dealwright_core::model::{CrossBrand, CustomerType, NameFilter, SpendSource, Targeting};
use dealwright_core::symbols::Symbol;

use super::Lowering;
use crate::diagnostics::{At, Code};
use crate::proto;

impl Lowering<'_> {
    /// Targeting that may be left out: then everywhere, for everybody.
    pub(super) fn targeting(&mut self, targeting: Option<&proto::Targeting>, at: &At<'_>) -> Targeting {
        let Some(targeting) = targeting else {
            return Targeting::default();
        };
        let at = at.field("targeting");
        Targeting {
            stores: self.name_filter(targeting.store_ids.as_ref(), &at.field("store_ids")),
            brands: self.name_filter(targeting.brand_ids.as_ref(), &at.field("brand_ids")),
            channels: self.name_filter(targeting.channels.as_ref(), &at.field("channels")),
            regions: self.name_filter(targeting.regions.as_ref(), &at.field("regions")),
            tiers: self.name_filter(targeting.member_tiers.as_ref(), &at.field("member_tiers")),
            segments: self.name_filter(targeting.segment_ids.as_ref(), &at.field("segment_ids")),
            members_only: targeting.members_only,
            customer_type: self
                .known(targeting.customer_type, &at.field("customer_type"))
                .and_then(customer_type),
        }
    }

    pub(super) fn name_filter(&mut self, filter: Option<&proto::NameFilter>, at: &At<'_>) -> NameFilter {
        let Some(filter) = filter else {
            return NameFilter::default();
        };
        let lowered = NameFilter {
            include: self.names(&filter.include, at, "include", true),
            exclude: self.names(&filter.exclude, at, "exclude", true),
        };
        self.remark_names(&lowered.include, &lowered.exclude, at);
        lowered
    }

    pub(super) fn cross_brand(&mut self, tie: &proto::CrossBrand, at: &At<'_>) -> CrossBrand {
        let source = match self.known(tie.spend, &at.field("spend")) {
            Some(proto::SpendSource::PastVisits) => SpendSource::PastVisits,
            Some(proto::SpendSource::Both) => SpendSource::Both,
            Some(proto::SpendSource::Unspecified | proto::SpendSource::ThisCart) | None => {
                SpendSource::ThisCart
            }
        };
        if source == SpendSource::ThisCart && !tie.period.is_empty() {
            self.not_allowed(&at.field("period"), "past visits don't count");
        }
        self.remark_brands(tie, source, &at.field("benefit_brand_ids"));
        CrossBrand {
            trigger_brands: self.required_names(&tie.trigger_brand_ids, at, "trigger_brand_ids"),
            minimum_spend: self.amounts(&tie.minimum_spend, at, "minimum_spend"),
            benefit_brands: self.required_names(&tie.benefit_brand_ids, at, "benefit_brand_ids"),
            period: match source {
                SpendSource::ThisCart => Symbol::ABSENT,
                SpendSource::PastVisits | SpendSource::Both => self.name(&tie.period, &at.field("period")),
            },
            source,
        }
    }

    /// Spending in the same cart at the brands that benefit is a minimum purchase, and ties nothing together.
    fn remark_brands(&mut self, tie: &proto::CrossBrand, source: SpendSource, at: &At<'_>) {
        let (trigger, benefit) = (&tie.trigger_brand_ids, &tie.benefit_brand_ids);
        let is_in = |one: &[String], other: &[String]| one.iter().all(|name| other.contains(name));
        if self.is_asked()
            && source == SpendSource::ThisCart
            && !trigger.is_empty()
            && is_in(trigger, benefit)
            && is_in(benefit, trigger)
        {
            self.remark(Code::BrandsEqual, at, &[]);
        }
    }
}

pub(super) fn customer_type(customer_type: proto::CustomerType) -> Option<CustomerType> {
    match customer_type {
        proto::CustomerType::Unspecified => None,
        proto::CustomerType::New => Some(CustomerType::New),
        proto::CustomerType::Returning => Some(CustomerType::Returning),
    }
}
