//! The benefit of the highest tier that the value bought reaches (S-9.8).

use super::{Applying, Draft, gift, reward, spread};
use crate::model::{Basis, Gift, Tier, TierBenefit, Tiers};
use crate::reason::{Because, Reason};
use crate::units::{Prices, Run, phase_start};

pub(super) fn draft(applying: &Applying<'_>, tiers: &Tiers, prices: &Prices) -> Result<Draft, Because> {
    let (currency, scope) = (applying.cart.currency, applying.pool(0));
    let had = value(applying, tiers.basis, scope, prices);
    let holds = |(_, tier): &(usize, &Tier)| {
        tier.minimum.of(currency).is_some_and(|minimum| had >= minimum)
            && tier.below.of(currency).is_none_or(|below| had < below)
    };
    let Some((place, tier)) = tiers.tiers.iter().enumerate().rfind(holds) else {
        let minimums = tiers.tiers.iter().filter_map(|tier| tier.minimum.of(currency));
        return Err(match minimums.filter(|minimum| *minimum > had).min() {
            Some(next) => Because::short_of(Reason::Threshold, currency, next, had),
            // Above the end of every tier nothing is missing, and nothing is given.
            None => Because::plain(Reason::NoEffect),
        });
    };
    match &tier.benefit {
        TierBenefit::Spread(amount) => spread::draft(applying, amount, &tier.max_discount, scope, prices),
        TierBenefit::Gift(gift) => gift::draft(applying, gift, gift_pools(applying, tiers, place), prices),
        TierBenefit::Reward(reward) => reward::draft(applying, reward, &tier.max_discount, scope, prices),
    }
}

fn value(applying: &Applying<'_>, basis: Basis, scope: &[usize], prices: &Prices) -> i64 {
    let price = |run: &Run| match basis {
        Basis::List => applying.cart.lines.get(run.line).map_or(0, |line| line.unit_price),
        Basis::Current => run.left,
        Basis::PhaseStart => phase_start(run, applying.current, applying.step.phase),
    };
    let in_scope = prices.runs().iter().filter(|run| scope.binary_search(&run.line).is_ok());
    in_scope.map(|run| price(run) * run.count).sum()
}

/// The pools of a tier's gift lie behind those of the scope and of the gifts before it.
pub(super) fn gift_pools<'a>(applying: &Applying<'a>, tiers: &Tiers, place: usize) -> &'a [Vec<usize>] {
    let gifts = tiers.tiers.iter().take(place).filter(|tier| matches!(tier.benefit, TierBenefit::Gift(_)));
    applying.pools.get(1 + gifts.count() * Gift::SELECTOR_COUNT..).unwrap_or(&[])
}
