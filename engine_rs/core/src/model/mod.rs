//! What definitions and carts are made of, in types that can't be wrong: lowered once, checked once.

mod amounts;
mod attribute;
mod cart;
mod condition;
mod policy;
mod promotion;
mod schedule;
mod selector;
mod targeting;

pub use amounts::Amounts;
pub use attribute::{Attribute, AttributeTest, AttributeValue, NumberRange, Question};
pub use cart::{Cart, Customer, CustomerType, GivenCode, Line, Name, Payment, PriceMode, Spend};
pub use condition::{
    AttributeOwner, Basis, Condition, CustomerTest, Extent, PaymentTest, Threshold,
};
pub use policy::{Policy, RoundingGrain, Selection};
pub use promotion::{
    Benefit, Exclusive, Limits, PercentBase, Phase, Promotion, Reduction, ShortBudget, Stacking,
    Step, Texts, Trigger, UnitLimit, UnitOrder,
};
pub use schedule::{DailyWindow, HolidayMode, Schedule};
pub use selector::{KindSet, LineFilter, LineKind, PriceRange, Selector};
pub use targeting::{CrossBrand, NameFilter, SpendSource, Targeting};
