//! `gift`: units for free, found in the cart or added to the order (S-9.4).

use super::{Applying, Draft, GiftDraft, Picked, cut_down, lay_out, lines_of, pick, sum_of};
use crate::model::{Gift, GiftSource, Role, UnitOrder};
use crate::rational::Fraction;
use crate::reason::{Because, Reason};
use crate::units::{Cut, Prices};

/// The places of a gift's pools among those of its step.
pub(super) const TRIGGER: usize = 0;
pub(super) const IN_CART: usize = 1;
pub(super) const GIFT_LINES: usize = 2;

pub(super) fn draft(
    applying: &Applying<'_>,
    gift: &Gift,
    pools: &[Vec<usize>],
    prices: &Prices,
) -> Result<Draft, Because> {
    let unused = |pool: usize| pick::unused(applying, prices, pools.get(pool).map_or(&[], Vec::as_slice));
    let mut triggers = unused(TRIGGER);
    pick::sort(&mut triggers, UnitOrder::Dearest);
    let times = times(gift, &triggers)?;
    let mut in_cart = unused(IN_CART);
    pick::sort(&mut in_cart, UnitOrder::Cheapest);
    let per_time = gift.trigger_quantity.unwrap_or(0);
    let (times, bought, free) = match gift.source {
        GiftSource::Add => (times, first(&triggers, times * per_time), Vec::new()),
        GiftSource::AddMissing => {
            let bought = first(&triggers, times * per_time);
            let free = first(&without(&in_cart, &bought), times * gift.quantity);
            (times, bought, free)
        }
        GiftSource::InCart => {
            let free = first(&in_cart, gift.quantity);
            if free.is_empty() {
                let has_any = pools.get(IN_CART).is_some_and(|pool| !pool.is_empty());
                return Err(Because::plain(if has_any {
                    Reason::UnitsTaken
                } else {
                    Reason::NoMatchingLines
                }));
            }
            (1, Vec::new(), free)
        }
    };
    let found = match gift.source {
        GiftSource::InCart => Vec::new(),
        GiftSource::Add | GiftSource::AddMissing => {
            first(&unused(GIFT_LINES), times * gift.quantity - count_of(&free))
        }
    };
    finish(applying, prices, gift, times * gift.quantity, [&bought, &free, &found])
}

/// How many times the trigger was bought, as far as the gift is given so often.
fn times(gift: &Gift, triggers: &[Picked]) -> Result<i64, Because> {
    let Some(quantity) = gift.trigger_quantity else { return Ok(1) };
    let had = count_of(triggers);
    if had >= quantity {
        return Ok((had / quantity).min(gift.max_times));
    }
    Err(Because::counts(Reason::Quantity, quantity, had))
}

fn finish(
    applying: &Applying<'_>,
    prices: &Prices,
    gift: &Gift,
    wanted: i64,
    [bought, free, found]: [&[Picked]; 3],
) -> Result<Draft, Because> {
    let unit_value = gift.unit_value.of(applying.cart.currency).unwrap_or(0);
    let bought = bought.iter().map(|units| cut(units, 0, Role::Qualifier));
    let freed = free.iter().chain(found).map(|units| cut(units, units.capacity, Role::Reward));
    let mut cuts: Vec<Cut> = bought.chain(freed).collect();
    lay_out(&mut cuts);
    let base: i64 = free.iter().chain(found).map(|units| units.left * units.count).sum();
    // A part of a gift is none, unless units of the cart merely become cheaper (S-9.3).
    let cap = match gift.source {
        GiftSource::InCart => applying.cap(&applying.step.max_discount),
        GiftSource::Add | GiftSource::AddMissing => i64::MAX,
    };
    if sum_of(&cuts) > cap {
        cuts = cut_down(&cuts, cap);
    }
    let given = sum_of(&cuts);
    let added = match gift.source {
        GiftSource::InCart => 0,
        GiftSource::Add | GiftSource::AddMissing => wanted - count_of(free) - count_of(found),
    };
    let value = added.checked_mul(unit_value).ok_or_else(Because::overflow)?;
    let beside_price = found.iter().try_fold(value, |sum: i64, units| {
        sum.checked_add((unit_value - units.capacity).max(0).checked_mul(units.count)?)
    });
    let worth = beside_price.ok_or_else(Because::overflow)?;
    let gift = (gift.source != GiftSource::InCart).then_some(GiftDraft {
        product: gift.product,
        quantity: added,
        value,
        worth,
    });
    let lines = lines_of(&cuts, prices);
    let (rounded, capped) = (base, base.min(cap));
    let exact = Fraction::whole(base);
    Ok(Draft {
        exact,
        rounded,
        capped,
        given,
        cuts,
        lines,
        gift,
        uses: true,
        ..Draft::without_discount(base)
    })
}

fn cut(units: &Picked, each: i64, role: Role) -> Cut {
    Cut { run: units.run, line: units.line, skip: 0, count: units.count, each, role }
}

/// The first so many of the units.
fn first(units: &[Picked], mut wanted: i64) -> Vec<Picked> {
    let mut taken = Vec::new();
    for picked in units {
        let count = picked.count.min(wanted);
        if count > 0 {
            wanted -= count;
            taken.push(Picked { count, ..*picked });
        }
    }
    taken
}

/// The units without those that were taken of them.
fn without(units: &[Picked], taken: &[Picked]) -> Vec<Picked> {
    let left = |picked: &Picked| {
        let of_run: i64 = taken.iter().filter(|taken| taken.run == picked.run).map(|taken| taken.count).sum();
        Picked { count: picked.count - of_run, ..*picked }
    };
    units.iter().map(left).filter(|picked| picked.count > 0).collect()
}

fn count_of(units: &[Picked]) -> i64 {
    units.iter().map(|picked| picked.count).sum()
}
