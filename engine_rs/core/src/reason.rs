//! Why a promotion was or wasn't applied, as a stable code with parameters (S-10.2).

use smallvec::{SmallVec, smallvec};
use smol_str::SmolStr;

use crate::currency::Currency;

/// The code; its meaning and parameters stand with `Reason` in the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the schema documents each, once")]
pub enum Reason {
    Applied,
    Unsupported,
    Error,
    NotStarted,
    Ended,
    DayOfWeek,
    TimeOfDay,
    Holiday,
    Store,
    Brand,
    Channel,
    Region,
    MembersOnly,
    MemberTier,
    Segment,
    CustomerType,
    CodeNeeded,
    VoucherNeeded,
    Currency,
    NoMatchingLines,
    Threshold,
    Quantity,
    Payment,
    Customer,
    Attribute,
    UnknownAttribute,
    Condition,
    CrossBrand,
    Limit,
    Budget,
    Exclusive,
    Group,
    BetterPlan,
    UnitsTaken,
    NoEffect,
    Lease,
    Blocked,
}

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// A text.
    Text(SmolStr),
    /// A number.
    Number(i64),
    /// An amount in minor units.
    Money(Currency, i64),
}

/// Parameters by name. Most promotions that aren't applied have one or two, which need no memory of their own.
pub type Parameters = SmallVec<[(&'static str, Parameter); 2]>;

/// A reason with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Because {
    /// The code.
    pub reason: Reason,
    /// Its parameters by name.
    pub parameters: Parameters,
}

impl Because {
    /// A reason that has no parameters.
    pub fn plain(reason: Reason) -> Self {
        Self { reason, parameters: SmallVec::new() }
    }

    /// A reason with a text.
    pub fn text(reason: Reason, name: &'static str, text: impl Into<SmolStr>) -> Self {
        Self { reason, parameters: smallvec![(name, Parameter::Text(text.into()))] }
    }

    /// A reason with an amount.
    pub fn money(reason: Reason, name: &'static str, currency: Currency, minor: i64) -> Self {
        Self { reason, parameters: smallvec![(name, Parameter::Money(currency, minor))] }
    }

    /// Too little: what was needed, what there was, and the difference.
    pub fn short_of(reason: Reason, currency: Currency, needed: i64, had: i64) -> Self {
        let money = |minor| Parameter::Money(currency, minor);
        Self {
            reason,
            parameters: smallvec![
                ("needed", money(needed)),
                ("had", money(had)),
                ("missing", money(needed - had)),
            ],
        }
    }

    /// Other than what was needed: a number of units.
    pub fn counts(reason: Reason, needed: i64, had: i64) -> Self {
        let [needed, had] = [needed, had].map(Parameter::Number);
        Self { reason, parameters: smallvec![("needed", needed), ("had", had)] }
    }

    /// Other than what was needed: an amount.
    pub fn amounts(reason: Reason, currency: Currency, needed: i64, had: i64) -> Self {
        let [needed, had] = [needed, had].map(|minor| Parameter::Money(currency, minor));
        Self { reason, parameters: smallvec![("needed", needed), ("had", had)] }
    }

    /// A computation that doesn't fit 64 bits; only this promotion is affected.
    pub fn overflow() -> Self {
        Self::text(Reason::Error, "detail", "overflow")
    }
}
