//! What one order can get of a promotion at most, whatever is in its cart.

use super::{
    Amounts, Benefit, Gift, GiftSource, Promotion, Reduction, Reward, SetOffer, SpreadAmount, Step, Tier,
    TierBenefit,
};
use crate::currency::Currency;

impl Promotion {
    /// The most in minor units that one order can get, off its prices, in gifts or in cashback. None where
    /// nothing but the cart bounds it. Points and vouchers are no money.
    pub fn most_per_order(&self, currency: Currency) -> Option<i64> {
        if !self.covers(currency) {
            return Some(0);
        }
        self.steps.iter().try_fold(0_i64, |sum, step| sum.checked_add(step.most(currency)?))
    }
}

impl Step {
    fn most(&self, currency: Currency) -> Option<i64> {
        let most = match &self.benefit {
            Benefit::Reduce { reduction, units, .. } => times(reduction.most(currency), units.max_units),
            Benefit::Spread { amount, .. } => amount.most(currency),
            Benefit::Set(offer) => offer.most(currency),
            // No cap holds for gifts.
            Benefit::Gift(gift) => return gift.most(currency),
            Benefit::Reward { reward, .. } => reward.most(currency),
            Benefit::Tiers(tiers) => {
                let of_tier = |most: i64, tier: &Tier| Some(most.max(tier.most(currency)?));
                return tiers.tiers.iter().try_fold(0, of_tier);
            }
        };
        capped(most, &self.max_discount, currency)
    }
}

impl Reduction {
    /// Of one unit.
    fn most(&self, currency: Currency) -> Option<i64> {
        match self {
            Self::AmountOff(amounts) => amounts.of(currency),
            Self::Percent { .. } | Self::FixedPrice(_) => None,
        }
    }
}

impl SpreadAmount {
    fn most(&self, currency: Currency) -> Option<i64> {
        match self {
            Self::Amount(amounts) => amounts.of(currency),
            Self::Percent { .. } | Self::DownTo(_) => None,
        }
    }
}

impl SetOffer {
    fn most(&self, currency: Currency) -> Option<i64> {
        if !self.set_price.is_empty() {
            return None;
        }
        let lowered = self.slots.iter().filter_map(|slot| Some((slot.maximum, slot.reduction.as_ref()?)));
        let of_one = lowered.map(|(units, reduction)| times(reduction.most(currency), Some(units)));
        let of_one = of_one.into_iter().try_fold(0_i64, |sum, most| sum.checked_add(most?));
        times(of_one, Some(self.max_sets))
    }
}

impl Gift {
    fn most(&self, currency: Currency) -> Option<i64> {
        match self.source {
            GiftSource::Add => {
                let each = times(self.unit_value.of(currency), Some(self.quantity));
                times(each, Some(self.max_times))
            }
            GiftSource::InCart | GiftSource::AddMissing => None,
        }
    }
}

impl Reward {
    fn most(&self, currency: Currency) -> Option<i64> {
        match self {
            Self::CashbackAmount { amounts, .. } => amounts.of(currency),
            Self::CashbackPercent { .. } => None,
            Self::Points(_) | Self::PointsPer { .. } | Self::Multiplier(_) | Self::Voucher(_) => Some(0),
        }
    }
}

impl Tier {
    fn most(&self, currency: Currency) -> Option<i64> {
        let most = match &self.benefit {
            TierBenefit::Spread(amount) => amount.most(currency),
            TierBenefit::Gift(gift) => return gift.most(currency),
            TierBenefit::Reward(reward) => reward.most(currency),
        };
        capped(most, &self.max_discount, currency)
    }
}

/// The less of two bounds, of which either may be missing.
fn capped(most: Option<i64>, cap: &Amounts, currency: Currency) -> Option<i64> {
    most.into_iter().chain(cap.of(currency)).min()
}

/// What is too large to be told is as good as unbounded.
fn times(each: Option<i64>, count: Option<i64>) -> Option<i64> {
    each?.checked_mul(count?)
}
