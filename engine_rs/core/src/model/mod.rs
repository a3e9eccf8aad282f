//! What definitions and carts are made of, in types that can't be wrong: lowered once, checked once.

mod amounts;
mod attribute;
mod cart;
mod condition;
mod most;
mod policy;
mod promotion;
mod schedule;
mod selector;
mod step;
mod targeting;

pub use amounts::Amounts;
pub use attribute::{Attribute, AttributeTest, AttributeValue, NumberRange, Question};
pub use cart::{Cart, Customer, CustomerType, GivenCode, Line, Name, Payment, PriceMode, Spend};
pub use condition::{AttributeOwner, Basis, Condition, CustomerTest, Extent, PaymentTest, Threshold};
pub use policy::{Policy, RoundingGrain, Selection};
pub use promotion::{AddOn, Exclusive, Limits, Phase, Promotion, ShortBudget, Stacking, Texts, Trigger};
pub use schedule::{DailyWindow, HolidayMode, Schedule};
pub use selector::{KindSet, LineFilter, LineKind, PriceRange, Selector};
pub use step::{
    Benefit, Credit, Gift, GiftSource, PercentBase, Reduction, Reward, Role, SetOffer, Slot, SpreadAmount,
    Step, Tier, TierBenefit, Tiers, UnitLimit, UnitOrder,
};
pub use targeting::{CrossBrand, NameFilter, SpendSource, Targeting};
