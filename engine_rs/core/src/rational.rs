//! Exact fractions and the one place where they become minor units.

/// An exact non-negative amount: `numerator / denominator` minor units, not reduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fraction {
    /// Above or equal to 0.
    pub numerator: i128,
    /// Above 0.
    pub denominator: i128,
}

impl Default for Fraction {
    fn default() -> Self {
        Self::whole(0)
    }
}

impl Fraction {
    /// A whole number.
    #[must_use]
    pub fn whole(value: i64) -> Self {
        Self { numerator: i128::from(value), denominator: 1 }
    }

    /// The sum with another fraction.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        if self.denominator == other.denominator {
            return Self { numerator: self.numerator + other.numerator, ..self };
        }
        Self {
            numerator: self.numerator * other.denominator + other.numerator * self.denominator,
            denominator: self.denominator * other.denominator,
        }
    }
}

/// How an exact discount becomes a multiple of the currency's increment (S-2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum RoundingMode {
    /// To the nearest; half goes up, in the customer's favour.
    #[default]
    HalfUp,
    /// To the nearest; half goes to the even one.
    HalfEven,
    /// Down, in the merchant's favour.
    Down,
}

/// Rounds a non-negative `exact` amount to a multiple of `increment`, which is above 0.
/// `None` when the answer doesn't fit 64 bits.
#[must_use]
pub fn round(exact: Fraction, mode: RoundingMode, increment: i64) -> Option<i64> {
    let step = exact.denominator.checked_mul(i128::from(increment))?;
    let whole = exact.numerator.div_euclid(step);
    let twice_rest = exact.numerator.rem_euclid(step).checked_mul(2)?;
    let up = match mode {
        RoundingMode::Down => false,
        RoundingMode::HalfUp => twice_rest >= step,
        RoundingMode::HalfEven => twice_rest > step || (twice_rest == step && whole % 2 == 1),
    };
    i64::try_from((whole + i128::from(up)).checked_mul(i128::from(increment))?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounded(numerator: i128, denominator: i128, mode: RoundingMode, increment: i64) -> i64 {
        round(Fraction { numerator, denominator }, mode, increment).unwrap()
    }

    #[test]
    fn half_goes_up_or_to_the_even_one_or_down() {
        assert_eq!(rounded(3, 2, RoundingMode::HalfUp, 1), 2);
        assert_eq!(rounded(5, 2, RoundingMode::HalfUp, 1), 3);
        assert_eq!(rounded(3, 2, RoundingMode::HalfEven, 1), 2);
        assert_eq!(rounded(5, 2, RoundingMode::HalfEven, 1), 2);
        assert_eq!(rounded(19, 10, RoundingMode::Down, 1), 1);
    }

    #[test]
    fn an_increment_is_the_step_that_is_rounded_to() {
        assert_eq!(rounded(149, 1, RoundingMode::HalfUp, 100), 100);
        assert_eq!(rounded(150, 1, RoundingMode::HalfUp, 100), 200);
        assert_eq!(rounded(250, 1, RoundingMode::HalfEven, 100), 200);
        assert_eq!(rounded(199, 1, RoundingMode::Down, 100), 100);
    }

    #[test]
    fn what_does_not_fit_is_none_and_never_wraps() {
        assert_eq!(round(Fraction { numerator: i128::MAX, denominator: 1 }, RoundingMode::HalfUp, 1), None);
        assert_eq!(round(Fraction::whole(i64::MAX), RoundingMode::Down, 1), Some(i64::MAX));
    }
}
