//! Gifts and rewards that what is kept doesn't earn any more (S-11.7).

use std::collections::HashMap;

use dealwright_core::currency::Currency;
use dealwright_core::refund::{GiftsHeld, PaidUnits, charge, unit_value};
use dealwright_core::ruleset::Ruleset;
use foldhash::fast::RandomState;

use super::sale::{Paid, Returns};
use crate::diagnostics::{At, Code, Findings};
use crate::proto;
use crate::proto::claim::Lost;
use crate::proto::reward_grant::Grant;

/// What the sale gave, in its order, as far as the customer still has it.
pub(super) struct Claims {
    gifts: Vec<Gift>,
    rewards: Vec<Reward>,
}

/// The units of one product that one promotion gave.
struct Gift {
    promotion_id: String,
    product_id: String,
    /// How many, granted and found in the cart.
    given: i64,
    /// How many of them came back.
    back: i64,
    /// The others.
    held: Vec<GiftsHeld>,
}

impl Gift {
    fn is(&self, promotion_id: &str, product_id: &str) -> bool {
        self.promotion_id == promotion_id && self.product_id == product_id
    }
}

struct Reward {
    grant: proto::RewardGrant,
    reversed: bool,
}

impl Claims {
    /// Gathers what the sale gave and what of it has come back.
    pub(super) fn read(
        ruleset: &Ruleset,
        paid: &Paid<'_>,
        returns: &Returns,
        request: &proto::RefundRequest,
    ) -> Result<Self, Findings> {
        let mut findings = Findings::default();
        let mut gifts = granted(&paid.result);
        take_back(&mut gifts, &request.gifts_returned, &mut findings);
        add_found(&mut gifts, ruleset, paid, returns);
        let reversed = &request.rewards_reversed;
        for (number, promotion_id) in reversed.iter().enumerate() {
            if !paid.result.rewards.iter().any(|reward| reward.promotion_id == *promotion_id) {
                let at = At::ROOT.item("rewards_reversed", number);
                let why = "the promotion promised no reward in this sale".into();
                findings.add(Code::NotAllowed, &at, &[("why", why)]);
            }
        }
        let rewards = summed(&paid.result.rewards)
            .into_iter()
            .map(|grant| Reward { reversed: reversed.contains(&grant.promotion_id), grant })
            .collect();
        if findings.refuse() { Err(findings) } else { Ok(Self { gifts, rewards }) }
    }

    /// What is claimed where this is what the kept part earns.
    pub(super) fn against(self, paid: &Paid<'_>, kept: &proto::Result) -> Vec<proto::Claim> {
        let (still_given, still) = (given(paid, kept), summed(&kept.rewards));
        let gifts = self.gifts.into_iter().filter_map(|gift| {
            let earned = still_given.iter().filter(|(id, product, _)| gift.is(id, product));
            let earned: i64 = earned.map(|(_, _, quantity)| quantity).sum();
            let quantity = gift.given - earned - gift.back;
            (quantity > 0).then(|| proto::Claim {
                value_minor: charge(gift.held, quantity),
                lost: Some(Lost::Gift(proto::GiftUnits {
                    promotion_id: gift.promotion_id,
                    product_id: gift.product_id,
                    quantity,
                })),
            })
        });
        let rewards = self.rewards.into_iter().filter(|reward| !reward.reversed);
        let rewards = rewards.filter_map(|reward| lost_of(reward.grant, &still));
        gifts.chain(rewards).collect()
    }
}

/// The gifts that were added to the order.
fn granted(result: &proto::Result) -> Vec<Gift> {
    let mut gifts = Vec::new();
    for grant in &result.gifts {
        let place = gift_of(&mut gifts, &grant.promotion_id, &grant.product_id);
        if let Some(gift) = gifts.get_mut(place) {
            gift.given = gift.given.saturating_add(grant.quantity);
            let worth = grant.value_minor / grant.quantity.max(1);
            gift.held.push(GiftsHeld { worth, count: grant.quantity });
        }
    }
    gifts
}

/// The entry of a promotion's gift, made when there is none yet.
fn gift_of(gifts: &mut Vec<Gift>, promotion_id: &str, product_id: &str) -> usize {
    gifts.iter().position(|gift| gift.is(promotion_id, product_id)).unwrap_or_else(|| {
        gifts.push(Gift {
            promotion_id: promotion_id.to_owned(),
            product_id: product_id.to_owned(),
            given: 0,
            back: 0,
            held: Vec::new(),
        });
        gifts.len() - 1
    })
}

/// The gifts that were found in the cart, on gift lines or among the items.
fn add_found(gifts: &mut Vec<Gift>, ruleset: &Ruleset, paid: &Paid<'_>, returns: &Returns) {
    let returned: HashMap<&str, &[PaidUnits], RandomState> =
        paid.lines().zip(&returns.units).map(|((line, _), units)| (line.id.as_str(), &units[..])).collect();
    let worth_of = |found: &Found<'_>| {
        let currency = Currency::parse(&paid.result.currency_code)?;
        let id = ruleset.symbols.find(&found.application.promotion_id);
        let promotion = ruleset.promotions().iter().find(|promotion| promotion.symbol == id)?;
        let product = ruleset.symbols.find(&found.line.product_id);
        let on_gift_line = found.line.kind == i32::from(proto::LineKind::Gift);
        on_gift_line.then(|| unit_value(promotion, found.application.step, product, currency))
    };
    for found in found(paid, &paid.result) {
        let units = found.units;
        let of_line = returned.get(found.line.id.as_str()).copied().unwrap_or_default();
        let back: i64 = of_line.iter().map(|returned| shared(returned, units)).sum();
        let place = gift_of(gifts, &found.application.promotion_id, &found.line.product_id);
        if let Some(gift) = gifts.get_mut(place) {
            gift.given += units.quantity;
            gift.back += back;
            let worth = worth_of(&found).unwrap_or_default().max(units.unit_discount_minor);
            gift.held.push(GiftsHeld { worth, count: units.quantity - back });
        }
    }
}

/// Units of the cart that a gift made free.
struct Found<'a> {
    application: &'a proto::Application,
    line: &'a proto::Line,
    units: &'a proto::UnitShare,
}

/// The units that gifts made free in a result on lines of the sale: the rewards of applications that make no
/// sets.
fn found<'a>(paid: &'a Paid<'_>, result: &'a proto::Result) -> Vec<Found<'a>> {
    let lines: HashMap<&str, &proto::Line, RandomState> =
        paid.lines().map(|(line, _)| (line.id.as_str(), line)).collect();
    let mut all = Vec::new();
    for application in result.applications.iter().filter(|application| application.sets == 0) {
        for share in &application.shares {
            let Some(line) = lines.get(share.line_id.as_str()) else { continue };
            let rewards = share.units.iter().filter(|units| units.role == i32::from(proto::Role::Reward));
            all.extend(rewards.map(|units| Found { application, line, units }));
        }
    }
    all
}

/// Promotion, product and quantity of all gifts in a result, granted or found.
fn given<'a>(paid: &'a Paid<'_>, result: &'a proto::Result) -> Vec<(&'a str, &'a str, i64)> {
    let grants = result.gifts.iter();
    let granted = grants.map(|gift| (gift.promotion_id.as_str(), gift.product_id.as_str(), gift.quantity));
    let found = found(paid, result).into_iter().map(|found| {
        (found.application.promotion_id.as_str(), found.line.product_id.as_str(), found.units.quantity)
    });
    granted.chain(found).collect()
}

/// How many units two ranges share.
fn shared(returned: &PaidUnits, units: &proto::UnitShare) -> i64 {
    let end = returned.end().min(units.first_unit + units.quantity);
    (end - returned.first_unit.max(units.first_unit)).max(0)
}

/// Counts the gifts that came back, while only those that were granted are listed.
fn take_back(gifts: &mut [Gift], returned: &[proto::GiftUnits], findings: &mut Findings) {
    for (number, units) in returned.iter().enumerate() {
        let at = At::ROOT.item("gifts_returned", number);
        let granted = gifts.iter_mut().find(|gift| gift.is(&units.promotion_id, &units.product_id));
        let Some(gift) = granted else {
            let why = "the promotion granted no such gift in this sale".into();
            findings.add(Code::NotAllowed, &at, &[("why", why)]);
            continue;
        };
        let left = gift.given - gift.back;
        if !(1..=left).contains(&units.quantity) {
            let range =
                [("value", units.quantity.into()), ("minimum", 1_i64.into()), ("maximum", left.into())];
            findings.add(Code::OutOfRange, &at.field("quantity"), &range);
            continue;
        }
        gift.back += units.quantity;
        let mut back = units.quantity;
        for held in &mut gift.held {
            let from_here = held.count.min(back);
            held.count -= from_here;
            back -= from_here;
        }
    }
}

/// The rewards with those of one promotion and kind as one, in their order.
fn summed(rewards: &[proto::RewardGrant]) -> Vec<proto::RewardGrant> {
    let mut sums: Vec<proto::RewardGrant> = Vec::with_capacity(rewards.len());
    for reward in rewards {
        match sums.iter_mut().find(|sum| alike(sum, reward)) {
            Some(sum) => add(sum, reward),
            None => sums.push(reward.clone()),
        }
    }
    sums
}

/// Whether two rewards are of one promotion and kind, and vouchers of one promotion.
fn alike(one: &proto::RewardGrant, other: &proto::RewardGrant) -> bool {
    one.promotion_id == other.promotion_id
        && match (&one.grant, &other.grant) {
            (Some(Grant::CashbackMinor(_)), Some(Grant::CashbackMinor(_)))
            | (Some(Grant::Points(_)), Some(Grant::Points(_)))
            | (Some(Grant::PointsMultiplierPpm(_)), Some(Grant::PointsMultiplierPpm(_))) => true,
            (Some(Grant::VoucherPromotionId(one)), Some(Grant::VoucherPromotionId(other))) => one == other,
            _ => false,
        }
}

fn add(sum: &mut proto::RewardGrant, reward: &proto::RewardGrant) {
    match (&mut sum.grant, &reward.grant) {
        (Some(Grant::CashbackMinor(sum)), Some(Grant::CashbackMinor(more)))
        | (Some(Grant::Points(sum)), Some(Grant::Points(more))) => *sum = sum.saturating_add(*more),
        (Some(Grant::PointsMultiplierPpm(sum)), Some(Grant::PointsMultiplierPpm(more))) => {
            *sum = sum.saturating_add(*more);
        }
        _ => {}
    }
}

/// The claim on what of a reward isn't earned any more.
fn lost_of(mut reward: proto::RewardGrant, still: &[proto::RewardGrant]) -> Option<proto::Claim> {
    let earned = still.iter().find(|earned| alike(earned, &reward)).and_then(|earned| earned.grant.as_ref());
    let lost = match (reward.grant?, earned) {
        (Grant::VoucherPromotionId(_), Some(_)) => None,
        (Grant::CashbackMinor(had), Some(Grant::CashbackMinor(earned))) => {
            (had > *earned).then(|| Grant::CashbackMinor(had - earned))
        }
        (Grant::Points(had), Some(Grant::Points(earned))) => {
            (had > *earned).then(|| Grant::Points(had - earned))
        }
        (Grant::PointsMultiplierPpm(had), Some(Grant::PointsMultiplierPpm(earned))) => {
            (had > *earned).then(|| Grant::PointsMultiplierPpm(had - earned))
        }
        (had, _) => Some(had),
    }?;
    let value_minor = match &lost {
        Grant::CashbackMinor(minor) => *minor,
        _ => 0,
    };
    reward.grant = Some(lost);
    Some(proto::Claim { value_minor, lost: Some(Lost::Reward(reward)) })
}
