//! The tax part of an amount (S-3.4).

use crate::model::PriceMode;
use crate::rational::{Fraction, RoundingMode, round};

/// Parts per million in a whole.
pub const MILLION: i128 = 1_000_000;

/// The tax in (or on top of) a list value and the part of it that falls on a discount; what is left
/// is the tax of the payable part, so that the parts add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaxSplit {
    /// The tax part of the discount.
    pub discount: i64,
    /// The tax part of what is left to pay.
    pub payable: i64,
}

/// Splits the tax of `list` minor units of which `discount` were taken off, at a rate in ppm.
pub fn split(list: i64, discount: i64, rate_ppm: i32, mode: PriceMode) -> TaxSplit {
    let whole = tax_of(list, rate_ppm, mode);
    let discount = tax_of(discount, rate_ppm, mode);
    TaxSplit { discount, payable: whole - discount }
}

fn tax_of(amount: i64, rate_ppm: i32, mode: PriceMode) -> i64 {
    let rate = i128::from(rate_ppm);
    let denominator = match mode {
        PriceMode::TaxInclusive => MILLION + rate,
        PriceMode::TaxExclusive => MILLION,
    };
    let exact = Fraction { numerator: i128::from(amount) * rate, denominator };
    // The rate is at most 100 %, so that the tax never exceeds the amount.
    round(exact, RoundingMode::HalfUp, 1).unwrap_or(amount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_add_up_to_the_tax_of_the_whole() {
        // 111.00 with 11 % inside holds 11.00 of tax; a discount of 50.00 holds 4.95.
        assert_eq!(
            split(11_100, 5_000, 110_000, PriceMode::TaxInclusive),
            TaxSplit { discount: 495, payable: 605 }
        );
        assert_eq!(
            split(10_000, 5_000, 110_000, PriceMode::TaxExclusive),
            TaxSplit { discount: 550, payable: 550 }
        );
    }

    #[test]
    fn nothing_left_to_pay_leaves_no_tax() {
        for list in 0..200 {
            assert_eq!(split(list, list, 110_000, PriceMode::TaxInclusive).payable, 0);
        }
    }
}
