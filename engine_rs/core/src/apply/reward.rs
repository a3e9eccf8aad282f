//! `reward`: what is promised for later, computed on what is paid after everything else (S-9.5).

use super::{Applying, Draft, share};
use crate::model::{Amounts, Credit, Reward};
use crate::rational::Fraction;
use crate::reason::{Because, Reason};
use crate::units::Prices;

/// What is promised for later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Promise {
    /// Money, in minor units.
    Cashback(i64, Credit),
    /// Points.
    Points(i64),
    /// A multiplier of the loyalty system's points, in parts per million.
    Multiplier(i32),
    /// A voucher of this promotion.
    Voucher(Box<str>),
}

impl Promise {
    /// What it counts for among plans of equal benefit: cashback its minor units, a point 1, and
    /// whatever has no number 1 (S-7.2).
    pub fn worth(&self) -> i64 {
        match self {
            Self::Cashback(minor, _) => *minor,
            Self::Points(points) => *points,
            Self::Multiplier(_) | Self::Voucher(_) => 1,
        }
    }
}

pub(super) fn draft(
    applying: &Applying<'_>,
    reward: &Reward,
    cap: &Amounts,
    scope: &[usize],
    prices: &Prices,
) -> Result<Draft, Because> {
    let paid = prices.runs().iter().filter(|run| scope.binary_search(&run.line).is_ok());
    let paid: i64 = paid.map(|run| run.left * run.count).sum();
    let mut draft = Draft::without_discount(paid);
    let currency = applying.cart.currency;
    let promise = match reward {
        Reward::CashbackPercent { ppm, credit } => {
            draft.exact = share(paid, *ppm);
            draft.rounded = applying.round_percent(draft.exact, *ppm)?;
            draft.capped = draft.rounded.min(applying.cap(cap));
            Promise::Cashback(draft.capped, *credit)
        }
        Reward::CashbackAmount { amounts, credit } => {
            draft.rounded = amounts.of(currency).unwrap_or(0).min(paid);
            draft.exact = Fraction::whole(draft.rounded);
            draft.capped = draft.rounded.min(applying.cap(cap));
            Promise::Cashback(draft.capped, *credit)
        }
        Reward::Points(points) => Promise::Points(*points),
        Reward::PointsPer { points, step } => {
            let step = step.of(currency).unwrap_or(i64::MAX);
            Promise::Points((paid / step).checked_mul(*points).ok_or_else(Because::overflow)?)
        }
        Reward::Multiplier(ppm) => Promise::Multiplier(*ppm),
        Reward::Voucher(promotion) => Promise::Voucher(promotion.clone()),
    };
    if promise.worth() > 0 && paid > 0 {
        draft.reward = Some(promise);
    } else if draft.capped == draft.rounded {
        return Err(Because::plain(Reason::NoEffect));
    }
    // What an empty budget leaves nothing of is a draft without a promise.
    Ok(draft)
}
