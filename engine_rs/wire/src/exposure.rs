//! What a promotion can give at most over its life.

use dealwright_core::currency::Currency;
use dealwright_core::symbols::Symbols;

use crate::compiled::read_promotion;
use crate::decode;
use crate::diagnostics::At;
use crate::lowering::Groups;
use crate::proto;

/// The most in minor units that a promotion can give in a currency: its budget, or what one order can get
/// as often as it may be used. None where neither bounds it, or where it can't be understood.
#[must_use]
pub fn exposure(promotion: &[u8], currency: Currency) -> Option<i64> {
    let definition: proto::Promotion = decode::definition(promotion, "Promotion", &At::ROOT).ok()?;
    let read = read_promotion(promotion, &mut Symbols::default(), &mut Groups::default(), None);
    let lowered = read.promotion?;
    if !lowered.covers(currency) {
        return Some(0);
    }
    let uses = definition.limits.and_then(|limits| limits.max_uses);
    let of_uses = uses.zip(lowered.most_per_order(currency)).and_then(|(uses, most)| most.checked_mul(uses));
    of_uses.into_iter().chain(lowered.limits.budget.of(currency)).min()
}
