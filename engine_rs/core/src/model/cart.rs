//! The cart, with every name looked up among the ruleset's symbols.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use smallvec::SmallVec;
use smol_str::SmolStr;

use super::{Attribute, LineKind};
use crate::currency::Currency;
use crate::symbols::Symbol;

/// What a customer is about to buy. Names that targeting compares are folded.
#[derive(Clone, Debug)]
pub struct Cart {
    /// The currency of every amount.
    pub currency: Currency,
    /// Whether prices contain tax.
    pub price_mode: PriceMode,
    /// The lines; their list values add up to less than 2^62.
    pub lines: Vec<Line>,
    /// Who buys.
    pub customer: Customer,
    /// How it is paid, when that is known.
    pub payment: Option<Payment>,
    /// Where it is sold, folded.
    pub store: Name,
    /// The brand that is sold under, folded.
    pub brand: Name,
    /// The channel, folded.
    pub channel: Name,
    /// The region of the store, folded.
    pub region: Name,
    /// The zone of the place: the cart's, the store's, the policy's or UTC.
    pub zone: TimeZone,
    /// The codes that the customer gave, in their order.
    pub codes: Vec<GivenCode>,
    /// The promotions of which redemption found a valid voucher.
    pub vouchers_of: Vec<Symbol>,
    /// Facts about the cart.
    pub attributes: Vec<Attribute>,
}

impl Cart {
    /// The most that all lines may be worth together at list prices, in minor units: sums of such values
    /// then fit 64 bits with a bit to spare.
    pub const TOTAL_MAX: i64 = (1 << 62) - 1;
}

/// A name that a cart brings: folded for comparing, and as it was written for verdicts.
#[derive(Clone, Debug)]
pub struct Name {
    /// What is compared.
    pub symbol: Symbol,
    /// What people read.
    pub written: SmolStr,
}

/// Whether prices contain tax.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriceMode {
    /// They do.
    TaxInclusive,
    /// Tax comes on top.
    TaxExclusive,
}

/// A number of identical units.
#[derive(Clone, Debug)]
pub struct Line {
    /// What it is.
    pub kind: LineKind,
    /// Whether it modifies another line.
    pub is_child: bool,
    /// Whether another line modifies it.
    pub has_children: bool,
    /// The product.
    pub product: Symbol,
    /// The first line of the same product, by its place: what tells products apart that no promotion
    /// names. A line without a product is its own.
    pub first_alike: usize,
    /// The product's categories with their ancestors.
    pub categories: SmallVec<[Symbol; 4]>,
    /// The product's brand.
    pub brand: Symbol,
    /// How many units, at least 1.
    pub quantity: i64,
    /// The list price of each, not negative.
    pub unit_price: i64,
    /// The price below which no promotion takes a unit.
    pub floor: i64,
    /// The tax rate in parts per million.
    pub tax_rate_ppm: i32,
    /// Facts about the line.
    pub attributes: Vec<Attribute>,
}

impl Line {
    /// The most that a unit may cost, in minor units.
    pub const UNIT_PRICE_MAX: i64 = 1_000_000_000_000_000;

    /// The value at list prices.
    pub fn list_value(&self) -> i64 {
        self.quantity * self.unit_price
    }
}

/// New or returning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CustomerType {
    /// No completed order before this one.
    New,
    /// At least one.
    Returning,
}

/// What is known about who buys.
#[derive(Clone, Debug)]
pub struct Customer {
    /// Whether an id was given.
    pub identified: bool,
    /// Whether it is an identified member.
    pub member: bool,
    /// The tier, folded.
    pub tier: Name,
    /// The segments, folded.
    pub segments: Vec<Symbol>,
    /// New or returning, when that is known.
    pub customer_type: Option<CustomerType>,
    /// Orders completed before this one.
    pub completed_orders: Option<i64>,
    /// The local day of the last order.
    pub last_order: Option<Date>,
    /// Month and day of birth.
    pub birthday: Option<(i8, i8)>,
    /// What was spent in earlier visits, in the cart's currency.
    pub spend: Vec<Spend>,
    /// Facts about the customer.
    pub attributes: Vec<Attribute>,
}

/// What was spent at a brand in a period, in the cart's currency.
#[derive(Clone, Copy, Debug)]
pub struct Spend {
    /// The brand.
    pub brand: Symbol,
    /// The caller's name of the period.
    pub period: Symbol,
    /// Minor units.
    pub minor: i64,
}

/// How it is paid; names are folded.
#[derive(Clone, Debug)]
pub struct Payment {
    /// The method.
    pub method: Name,
    /// The checkout's name for the card's number range.
    pub card_class: Symbol,
    /// Who issued it.
    pub issuer: Symbol,
    /// Facts about the payment.
    pub attributes: Vec<Attribute>,
}

/// A code that the customer gave.
#[derive(Clone, Copy, Debug)]
pub struct GivenCode {
    /// The code, folded.
    pub code: Symbol,
    /// The promotion that it is a valid voucher of.
    pub voucher_of: Option<Symbol>,
    /// Whether the same code was given before.
    pub repeated: bool,
}
