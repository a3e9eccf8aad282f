//! What a promotion does to a cart, as a few primitives (S-12.1).

use super::{Amounts, Basis, Condition, LineFilter, LineKind, Phase, Selector};
use crate::currency::Currency;
use crate::symbols::Symbol;

/// One primitive in its phase.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its place in the definition, from 0.
    pub number: i32,
    /// When in the pipeline it runs.
    pub phase: Phase,
    /// What must hold for this step alone.
    pub condition: Option<Condition>,
    /// What it does.
    pub benefit: Benefit,
    /// The most that one application takes off, or promises; empty is no cap.
    pub max_discount: Amounts,
}

impl Step {
    /// Whether every amount that it needs exists in the currency.
    pub fn covers(&self, currency: Currency) -> bool {
        self.max_discount.covers(currency) && self.benefit.covers(currency)
    }
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Benefit {
    /// Lowers the price of single units.
    Reduce {
        /// The lines.
        scope: Selector,
        /// How a unit's price is lowered.
        reduction: Reduction,
        /// How many units, and which.
        units: UnitLimit,
    },
    /// Takes one amount off several lines together.
    Spread {
        /// The lines.
        scope: Selector,
        /// The amount.
        amount: SpreadAmount,
    },
    /// Works on sets of units.
    Set(SetOffer),
    /// Gives units for free.
    Gift(Gift),
    /// Promises something for later.
    Reward {
        /// The lines whose payment counts.
        scope: Selector,
        /// What is promised.
        reward: Reward,
    },
    /// Gives what the highest tier reached gives.
    Tiers(Tiers),
}

impl Benefit {
    /// The selectors of its lines, always in the same order.
    pub fn selectors(&self) -> Vec<&Selector> {
        match self {
            Self::Reduce { scope, .. } | Self::Spread { scope, .. } | Self::Reward { scope, .. } => {
                vec![scope]
            }
            Self::Set(offer) => offer.slots.iter().map(|slot| &slot.selector).collect(),
            Self::Gift(gift) => gift.selectors().to_vec(),
            Self::Tiers(tiers) => {
                let gifts = tiers.tiers.iter().filter_map(|tier| match &tier.benefit {
                    TierBenefit::Gift(gift) => Some(gift.selectors()),
                    TierBenefit::Spread(_) | TierBenefit::Reward(_) => None,
                });
                std::iter::once(&tiers.scope).chain(gifts.flatten()).collect()
            }
        }
    }

    /// Its selector, when it has but one by its kind.
    pub(crate) fn only_selector(&self) -> Option<&Selector> {
        match self {
            Self::Reduce { scope, .. } | Self::Spread { scope, .. } | Self::Reward { scope, .. } => {
                Some(scope)
            }
            Self::Set(_) | Self::Gift(_) | Self::Tiers(_) => None,
        }
    }

    /// The selectors that say what the promotion is about.
    pub fn scopes(&self) -> impl Iterator<Item = &Selector> {
        let (scope, slots): (Option<&Selector>, &[Slot]) = match self {
            Self::Reduce { scope, .. } | Self::Spread { scope, .. } | Self::Reward { scope, .. } => {
                (Some(scope), &[])
            }
            Self::Set(offer) => (None, &offer.slots),
            Self::Gift(gift) => (Some(&gift.scope), &[]),
            Self::Tiers(tiers) => (Some(&tiers.scope), &[]),
        };
        scope.into_iter().chain(slots.iter().map(|slot| &slot.selector))
    }

    /// How many of its selectors those are; they come first.
    pub fn scope_count(&self) -> usize {
        match self {
            Self::Set(offer) => offer.slots.len(),
            Self::Reduce { .. }
            | Self::Spread { .. }
            | Self::Reward { .. }
            | Self::Gift(_)
            | Self::Tiers(_) => 1,
        }
    }

    fn covers(&self, currency: Currency) -> bool {
        match self {
            Self::Reduce { reduction, .. } => reduction.covers(currency),
            Self::Spread { amount, .. } => amount.covers(currency),
            Self::Set(offer) => {
                offer.set_price.covers(currency)
                    && offer
                        .slots
                        .iter()
                        .filter_map(|slot| slot.reduction.as_ref())
                        .all(|of| of.covers(currency))
            }
            Self::Gift(gift) => gift.unit_value.covers(currency),
            Self::Reward { reward, .. } => reward.covers(currency),
            Self::Tiers(tiers) => tiers.tiers.iter().all(|tier| tier.covers(currency)),
        }
    }
}

/// How the price of a unit is lowered.
#[derive(Clone, Debug)]
pub enum Reduction {
    /// By a share.
    Percent {
        /// Parts per million, from 1 to 1000000.
        ppm: i32,
        /// What it is a share of.
        base: PercentBase,
    },
    /// By an amount.
    AmountOff(Amounts),
    /// To a price; one that is already lower stays.
    FixedPrice(Amounts),
}

impl Reduction {
    fn covers(&self, currency: Currency) -> bool {
        match self {
            Self::Percent { .. } => true,
            Self::AmountOff(amounts) | Self::FixedPrice(amounts) => amounts.covers(currency),
        }
    }
}

/// The price that a percentage is taken of (S-4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PercentBase {
    /// What the promotions before this one left.
    Current,
    /// The list price.
    List,
    /// The price at the start of the phase.
    PhaseStart,
}

/// What is taken off several lines together.
#[derive(Clone, Debug)]
pub enum SpreadAmount {
    /// A share, rounded once.
    Percent {
        /// Parts per million, from 1 to 1000000.
        ppm: i32,
        /// What it is a share of.
        base: PercentBase,
    },
    /// An amount.
    Amount(Amounts),
    /// Whatever the lines cost more than this together.
    DownTo(Amounts),
}

impl SpreadAmount {
    fn covers(&self, currency: Currency) -> bool {
        match self {
            Self::Percent { .. } => true,
            Self::Amount(amounts) | Self::DownTo(amounts) => amounts.covers(currency),
        }
    }
}

/// How many units a benefit touches, and which first (S-6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitLimit {
    /// Per order.
    pub max_units: Option<i64>,
    /// Per line.
    pub max_units_per_line: Option<i64>,
    /// Which first, when not all are.
    pub order: UnitOrder,
}

impl UnitLimit {
    /// Whether every unit is touched.
    pub fn is_none(&self) -> bool {
        self.max_units.is_none() && self.max_units_per_line.is_none()
    }
}

/// Which units a benefit takes first; ties go by cart order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitOrder {
    /// The lowest price left.
    Cheapest,
    /// The highest price left.
    Dearest,
    /// The order of the lines.
    Cart,
}

/// What a unit is in a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// A plain part, or simply discounted.
    Plain,
    /// It makes the customer eligible.
    Qualifier,
    /// It gets the benefit.
    Reward,
}

/// An offer on sets of units (S-6.3).
#[derive(Clone, Debug)]
pub struct SetOffer {
    /// The places in a set, in the order in which they are filled: rewards last.
    pub slots: Vec<Slot>,
    /// What one set costs; empty: the slots' reductions say.
    pub set_price: Amounts,
    /// The most sets in one order.
    pub max_sets: i64,
    /// Whether a last incomplete group is rewarded too.
    pub partial: bool,
    /// Whether all units of a set are of one product.
    pub same_product: bool,
}

/// One place in a set.
#[derive(Clone, Debug)]
pub struct Slot {
    /// The lines whose units may fill it.
    pub selector: Selector,
    /// The least number of units in one set; 0 when it may stay empty.
    pub minimum: i64,
    /// How many units it takes at once when it may stay empty; else the minimum.
    pub optional_minimum: i64,
    /// The largest number of units in one set.
    pub maximum: i64,
    /// What its units are.
    pub role: Role,
    /// Which units first.
    pub order: UnitOrder,
    /// Whether all its units in one set are of one product.
    pub same_product: bool,
    /// Whether all its units in one set are of different products.
    pub different_products: bool,
    /// How its units are lowered, when the set has no price.
    pub reduction: Option<Reduction>,
}

/// Units for free (S-9.4).
#[derive(Clone, Debug)]
pub struct Gift {
    /// The lines of which it is given: the trigger's, or every item.
    pub scope: Selector,
    /// How many units of the scope must be bought for each gift, when some must.
    pub trigger_quantity: Option<i64>,
    /// How many times in one order.
    pub max_times: i64,
    /// The product that is added.
    pub product: Symbol,
    /// The units of the cart that may become free.
    pub selector: Selector,
    /// The gift lines of the cart that hold it already.
    pub gift_lines: Selector,
    /// How many units each time.
    pub quantity: i64,
    /// Where they come from.
    pub source: GiftSource,
    /// What one added unit is worth.
    pub unit_value: Amounts,
}

impl Gift {
    /// The gift lines of a product.
    pub fn lines_of(product: Symbol) -> Selector {
        let filter = LineFilter { products: vec![product], ..LineFilter::default() };
        Selector {
            include: vec![filter],
            // A gift line may hang on the line that it is given for.
            with_children: true,
            // What was granted once isn't granted again, whatever the till says of its brand.
            of_any_brand: true,
            ..Selector::every(LineKind::Gift)
        }
    }

    /// How many selectors it has.
    pub const SELECTOR_COUNT: usize = 3;

    /// Its scope, units in the cart, gift lines.
    fn selectors(&self) -> [&Selector; Self::SELECTOR_COUNT] {
        [&self.scope, &self.selector, &self.gift_lines]
    }
}

/// Where a free unit comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GiftSource {
    /// It is added to the order.
    Add,
    /// The cheapest matching units in the cart become free.
    InCart,
    /// Matching units in the cart become free, and what is missing is added.
    AddMissing,
}

/// Something promised for later (S-9.5).
#[derive(Clone, Debug)]
pub enum Reward {
    /// A share of what was paid.
    CashbackPercent {
        /// Parts per million, from 1 to 1000000.
        ppm: i32,
        /// What it is credited as.
        credit: Credit,
    },
    /// An amount of money.
    CashbackAmount {
        /// The amount.
        amounts: Amounts,
        /// What it is credited as.
        credit: Credit,
    },
    /// A number of points.
    Points(i64),
    /// Points for each full amount paid.
    PointsPer {
        /// The points.
        points: i64,
        /// The amount.
        step: Amounts,
    },
    /// A multiplier of the loyalty system's points, in parts per million.
    Multiplier(i32),
    /// A voucher of another promotion.
    Voucher(Box<str>),
}

impl Reward {
    fn covers(&self, currency: Currency) -> bool {
        match self {
            Self::CashbackAmount { amounts, .. } | Self::PointsPer { step: amounts, .. } => {
                amounts.covers(currency)
            }
            Self::CashbackPercent { .. } | Self::Points(_) | Self::Multiplier(_) | Self::Voucher(_) => true,
        }
    }
}

/// What a cashback is credited as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credit {
    /// Loyalty points.
    Points,
    /// A wallet or store credit.
    Wallet,
    /// The means of payment.
    Payment,
}

/// Benefits by the value that is bought.
#[derive(Clone, Debug)]
pub struct Tiers {
    /// The lines that count and that are lowered.
    pub scope: Selector,
    /// The prices that count.
    pub basis: Basis,
    /// The tiers in rising order.
    pub tiers: Vec<Tier>,
}

/// One tier.
#[derive(Clone, Debug)]
pub struct Tier {
    /// The value that reaches it.
    pub minimum: Amounts,
    /// The value from which it no longer holds; empty is no end.
    pub below: Amounts,
    /// What it gives.
    pub benefit: TierBenefit,
    /// The most that it takes off; empty is no cap.
    pub max_discount: Amounts,
}

impl Tier {
    fn covers(&self, currency: Currency) -> bool {
        self.minimum.covers(currency)
            && self.below.covers(currency)
            && self.max_discount.covers(currency)
            && match &self.benefit {
                TierBenefit::Spread(amount) => amount.covers(currency),
                TierBenefit::Gift(gift) => gift.unit_value.covers(currency),
                TierBenefit::Reward(reward) => reward.covers(currency),
            }
    }
}

/// What a tier gives.
#[derive(Clone, Debug)]
pub enum TierBenefit {
    /// Something off the lines in scope.
    Spread(SpreadAmount),
    /// Units for free.
    Gift(Gift),
    /// Something for later.
    Reward(Reward),
}
