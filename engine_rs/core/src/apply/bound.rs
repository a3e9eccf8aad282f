//! The most that a step could still give. Prices only fall and units are only used up, so that what is
//! worked out here from the prices as they stand holds for every continuation of the plan (S-7.3).

use super::pick::{self, Picked};
use super::{Applying, gift, reward, share, tiers};
use crate::model::{
    Amounts, Benefit, Gift, GiftSource, PercentBase, Reduction, Reward, RoundingGrain, SetOffer, Slot,
    SpreadAmount, Tier, TierBenefit, UnitOrder,
};
use crate::rational::{Fraction, RoundingMode, round};
use crate::tax::MILLION;
use crate::units::Prices;

/// An upper bound on the benefit of the step.
pub(crate) fn most(applying: &Applying<'_>, prices: &Prices) -> i64 {
    let cap = applying.cap(&applying.step.max_discount);
    match &applying.step.benefit {
        Benefit::Reduce { reduction, .. } => most_of_reduce(applying, reduction, prices).min(cap),
        Benefit::Spread { amount, .. } => most_of_spread(applying, amount, prices).min(cap),
        Benefit::Set(offer) => most_of_sets(applying, offer, prices).min(cap),
        Benefit::Gift(gift) => most_of_gift(applying, gift, applying.pools, prices),
        Benefit::Reward { .. } => 0,
        Benefit::Tiers(tiers) => {
            let of_tier = |(place, tier): (usize, &Tier)| match &tier.benefit {
                TierBenefit::Spread(amount) => {
                    most_of_spread(applying, amount, prices).min(applying.cap(&tier.max_discount))
                }
                TierBenefit::Gift(gift) => {
                    most_of_gift(applying, gift, tiers::gift_pools(applying, tiers, place), prices)
                }
                TierBenefit::Reward(_) => 0,
            };
            tiers.tiers.iter().enumerate().map(of_tier).max().unwrap_or(0)
        }
    }
}

/// An upper bound on what the rewards of the step count for.
pub(crate) fn most_worth(applying: &Applying<'_>, prices: &Prices) -> i64 {
    let worth = |reward: &Reward, cap: &Amounts| {
        let promised = reward::draft(applying, reward, cap, applying.pool(0), prices);
        promised.map_or(0, |draft| draft.reward_worth())
    };
    match &applying.step.benefit {
        Benefit::Reward { reward, .. } => worth(reward, &applying.step.max_discount),
        Benefit::Tiers(tiers) => {
            let of_tier = |tier: &Tier| match &tier.benefit {
                TierBenefit::Reward(reward) => worth(reward, &tier.max_discount),
                TierBenefit::Spread(_) | TierBenefit::Gift(_) => 0,
            };
            tiers.tiers.iter().map(of_tier).max().unwrap_or(0)
        }
        Benefit::Reduce { .. } | Benefit::Spread { .. } | Benefit::Set(_) | Benefit::Gift(_) => 0,
    }
}

/// Which units a limit takes can change for the better when prices fall; all of them together can't.
fn most_of_reduce(applying: &Applying<'_>, reduction: &Reduction, prices: &Prices) -> i64 {
    let units = || pick::open(applying, prices, applying.pool(0), |_| true);
    let (Reduction::Percent { ppm, base }, grain) = (reduction, applying.policy.rounding_grain) else {
        let each = |picked: Picked| most_of_unit(applying, reduction, &picked).saturating_mul(picked.count);
        return units().map(each).fold(0, i64::saturating_add);
    };
    let rounded = |value: i64| applying.round_percent(share(value, *ppm), *ppm).unwrap_or(i64::MAX);
    let sums = |units: &mut dyn Iterator<Item = Picked>| {
        units.fold((0, 0), |(value, capacity), picked| {
            let worth = applying.base_of(&picked, *base) * picked.count;
            (value + worth, capacity + picked.capacity * picked.count)
        })
    };
    match grain {
        RoundingGrain::Unit => {
            let each = |picked: Picked| {
                rounded(applying.base_of(&picked, *base)).min(picked.capacity) * picked.count
            };
            units().map(each).sum()
        }
        RoundingGrain::Order => {
            let (value, capacity) = sums(&mut units());
            rounded(value).min(capacity)
        }
        RoundingGrain::Line => {
            let mut units = units().peekable();
            let mut most = 0;
            while let Some(line) = units.peek().map(|picked| picked.line) {
                let of_line = std::iter::from_fn(|| units.next_if(|picked| picked.line == line));
                let (value, capacity) = sums(&mut of_line.into_iter());
                most += rounded(value).min(capacity);
            }
            most
        }
    }
}

fn most_of_spread(applying: &Applying<'_>, amount: &SpreadAmount, prices: &Prices) -> i64 {
    let currency = applying.cart.currency;
    let base = match amount {
        SpreadAmount::Percent { base, .. } => *base,
        SpreadAmount::Amount(_) | SpreadAmount::DownTo(_) => PercentBase::Current,
    };
    let units = pick::open(applying, prices, applying.pool(0), |_| true);
    let (value, left, capacity) = units.fold((0, 0, 0), |(value, left, capacity), picked| {
        let (base, count) = (applying.base_of(&picked, base), picked.count);
        (value + base * count, left + picked.left * count, capacity + picked.capacity * count)
    });
    let wanted = match amount {
        SpreadAmount::Percent { ppm, .. } => {
            applying.round_percent(share(value, *ppm), *ppm).unwrap_or(i64::MAX)
        }
        SpreadAmount::Amount(amounts) => amounts.of(currency).unwrap_or(0),
        SpreadAmount::DownTo(totals) => (left - totals.of(currency).unwrap_or(i64::MAX)).max(0),
    };
    wanted.min(capacity)
}

/// How many sets could be formed, as far as the number of units of each slot goes.
pub(crate) fn sets_at_most(applying: &Applying<'_>, offer: &SetOffer, prices: &Prices) -> i64 {
    let unused = |slot| pick::unused(applying, prices, applying.pool(slot));
    sets_of(applying, offer, &(0..offer.slots.len()).map(unused).collect::<Vec<_>>())
}

fn sets_of(applying: &Applying<'_>, offer: &SetOffer, slots: &[Vec<Picked>]) -> i64 {
    let count = |units: &[Picked]| -> i64 { units.iter().map(|picked| picked.count).sum() };
    let needed = offer.slots.iter().zip(slots).filter(|(slot, _)| slot.minimum > 0);
    let full = needed.map(|(slot, units)| count(units) / slot.minimum).min().unwrap_or(0);
    (full + i64::from(offer.partial)).min(offer.max_sets).min(applying.sets_max)
}

fn most_of_sets(applying: &Applying<'_>, offer: &SetOffer, prices: &Prices) -> i64 {
    let slots: Vec<Vec<Picked>> = (0..offer.slots.len())
        .map(|slot| {
            let mut units = pick::unused(applying, prices, applying.pool(slot));
            pick::sort(&mut units, UnitOrder::Dearest);
            units
        })
        .collect();
    let of_slots = || offer.slots.iter().zip(&slots);
    let sets = sets_of(applying, offer, &slots);
    let Some(price) = offer.set_price.of(applying.cart.currency) else {
        let of_slot = |(slot, units): (&Slot, &Vec<Picked>)| {
            slot.reduction.as_ref().map_or(0, |reduction| {
                let mut most: Vec<(i64, i64)> = units
                    .iter()
                    .map(|picked| (most_of_unit(applying, reduction, picked), picked.count))
                    .collect();
                most.sort_unstable_by_key(|(each, _)| std::cmp::Reverse(*each));
                top(most.into_iter(), sets.saturating_mul(slot.maximum))
            })
        };
        return of_slots().map(of_slot).sum();
    };
    // The dearest units of every slot, in as many sets as pay: a concave function of their number.
    let gain = |sets: i64| {
        let value = |(slot, units): (&Slot, &Vec<Picked>)| {
            top(units.iter().map(|picked| (picked.left, picked.count)), sets.saturating_mul(slot.maximum))
        };
        i128::from(of_slots().map(value).sum::<i64>()) - i128::from(price) * i128::from(sets)
    };
    let (mut low, mut high) = (0, sets);
    while low < high {
        let middle = low + (high - low) / 2;
        if gain(middle + 1) > gain(middle) { low = middle + 1 } else { high = middle }
    }
    i64::try_from(gain(low).max(0)).unwrap_or(i64::MAX)
}

/// The sum over the first so many units, given as prices with counts.
fn top(units: impl Iterator<Item = (i64, i64)>, mut wanted: i64) -> i64 {
    let mut sum: i64 = 0;
    for (each, count) in units {
        let taken = count.min(wanted);
        sum = sum.saturating_add(each.saturating_mul(taken));
        wanted -= taken;
    }
    sum
}

/// Whatever the grain, no unit's part is rounded up by more than to the next step.
fn most_of_unit(applying: &Applying<'_>, reduction: &Reduction, picked: &Picked) -> i64 {
    let currency = applying.cart.currency;
    let wish = match reduction {
        Reduction::Percent { ppm, base } => {
            let increment = applying.policy.increment(currency);
            let exact = share(applying.base_of(picked, *base), *ppm);
            let step = MILLION * i128::from(increment);
            let up = Fraction { numerator: exact.numerator + step - 1, ..exact };
            round(up, RoundingMode::Down, increment).unwrap_or(i64::MAX)
        }
        Reduction::AmountOff(amounts) => amounts.of(currency).unwrap_or(0),
        Reduction::FixedPrice(amounts) => {
            picked.left.saturating_sub(amounts.of(currency).unwrap_or(i64::MAX))
        }
    };
    wish.clamp(0, picked.capacity)
}

fn most_of_gift(applying: &Applying<'_>, gift: &Gift, pools: &[Vec<usize>], prices: &Prices) -> i64 {
    let unused = |pool: usize| pick::unused(applying, prices, pools.get(pool).map_or(&[], Vec::as_slice));
    let triggers: i64 = unused(gift::TRIGGER).iter().map(|picked| picked.count).sum();
    let times = match gift.trigger_quantity {
        None => 1,
        Some(quantity) => (triggers / quantity).min(gift.max_times),
    };
    let wanted = times * gift.quantity;
    let value = gift.unit_value.of(applying.cart.currency).unwrap_or(0);
    // What units can lose decides, not what they cost: a dear one may be at its floor.
    let most_of = |pool: usize, least: i64| {
        let worth = |picked: Picked| (picked.capacity.max(least), picked.count);
        let mut worths: Vec<(i64, i64)> = unused(pool).into_iter().map(worth).collect();
        worths.sort_unstable_by_key(|(each, _)| std::cmp::Reverse(*each));
        top(worths.into_iter(), wanted)
    };
    let in_cart = most_of(gift::IN_CART, 0);
    let found = most_of(gift::GIFT_LINES, value);
    match gift.source {
        GiftSource::InCart => in_cart,
        GiftSource::Add => found.max(wanted.saturating_mul(value)),
        GiftSource::AddMissing => in_cart.saturating_add(found.max(wanted.saturating_mul(value))),
    }
}
