//! What a customer could do to get more: near misses and suggestions. Each is checked by evaluating the
//! changed cart, so that none is false (S-10.5, S-10.6).

use crate::currency::Currency;
use crate::evaluate::{Evaluation, Request, Verdict, evaluate};
use crate::model::{Benefit, Cart, Line, LineKind, Promotion, Selector};
use crate::reason::{Parameter, Reason};
use crate::ruleset::Ruleset;
use crate::symbols::Symbol;

/// The most units that are tried in addition to what is there.
const UNITS_TRIED_MAX: i64 = 6;
/// How often a missing amount is worked out again, since what is added may itself be lowered.
const AMOUNTS_TRIED_MAX: usize = 3;

/// The smallest change that earns more from a promotion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearMiss {
    /// The promotion's place in the ruleset.
    pub promotion: usize,
    /// What has to change.
    pub change: Change,
    /// By how much the benefit grows.
    pub gain: i64,
}

/// A change of a cart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Goods for an amount more.
    SpendMore(Currency, i64),
    /// More units of a line's product, the line by its place.
    BuyMore {
        /// The line.
        line: usize,
        /// How many units.
        quantity: i64,
    },
}

/// An add-on that the customer could have at a special price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// The promotion's place in the ruleset.
    pub promotion: usize,
    /// The product.
    pub product: Symbol,
    /// The price of one.
    pub special_price: i64,
}

/// The near misses of an evaluation that asked about the candidates, those of the largest gain first.
pub fn near_misses(
    ruleset: &Ruleset,
    request: &Request<'_>,
    evaluation: &Evaluation,
    at_most: usize,
) -> Vec<NearMiss> {
    if at_most == 0 {
        return Vec::new();
    }
    let near_miss = |verdict: &Verdict| {
        let promotion = ruleset.promotions().get(verdict.promotion)?;
        let attempt = Attempt { ruleset, request, before: evaluation, place: verdict.promotion, promotion };
        match verdict.because.reason {
            Reason::Threshold | Reason::CrossBrand => {
                attempt.spend_more(missing(&verdict.because.parameters)?)
            }
            Reason::Quantity | Reason::Applied => attempt.buy_more(),
            _ => None,
        }
    };
    let mut found: Vec<NearMiss> = evaluation.verdicts.iter().filter_map(near_miss).collect();
    found.sort_by_key(|near_miss| std::cmp::Reverse(near_miss.gain));
    found.truncate(at_most);
    found
}

/// The add-ons that promotions offer to this cart and that aren't in it, in the order of the ruleset.
pub fn suggestions(ruleset: &Ruleset, request: &Request<'_>, at_most: usize) -> Vec<Suggestion> {
    let suggestion = |place: u32| {
        let place = usize::try_from(place).ok()?;
        let add_on = ruleset.promotions().get(place)?.suggestion.as_ref()?;
        let special_price = add_on.special_price.of(request.cart.currency)?;
        let in_cart = request.cart.lines.iter().any(|line| line.product == add_on.product);
        if in_cart {
            return None;
        }
        // Any list price above the special one will do to see whether the offer would be taken.
        let line =
            Line { product: add_on.product, ..item(request.cart, special_price.checked_mul(2)?.max(1)) };
        let changed = with_line(request.cart, line);
        let after = evaluate(ruleset, &request.about(&changed));
        let product = add_on.product;
        (after.given_by(place) > 0).then_some(Suggestion { promotion: place, product, special_price })
    };
    if at_most == 0 {
        return Vec::new();
    }
    ruleset.candidates(request.cart).into_iter().filter_map(suggestion).take(at_most).collect()
}

struct Attempt<'a> {
    ruleset: &'a Ruleset,
    request: &'a Request<'a>,
    before: &'a Evaluation,
    place: usize,
    promotion: &'a Promotion,
}

impl Attempt<'_> {
    /// Adds goods like those that count, for what is missing, until it is enough.
    fn spend_more(&self, mut missing: i64) -> Option<NearMiss> {
        let cart = self.request.cart;
        let like = cart.lines.iter().find(|line| self.counts(line))?;
        let mut added = 0;
        for _ in 0..AMOUNTS_TRIED_MAX {
            added += missing;
            let changed = with_line(cart, Line { quantity: 1, unit_price: added, floor: 0, ..like.clone() });
            let after = evaluate(self.ruleset, &self.request.about(&changed));
            if let Some(gain) = self.gain(&after) {
                let change = Change::SpendMore(cart.currency, added);
                return Some(NearMiss { promotion: self.place, change, gain });
            }
            let verdict = after.verdicts.iter().find(|verdict| verdict.promotion == self.place)?;
            missing = self::missing(&verdict.because.parameters)?;
        }
        None
    }

    /// Adds units of what is there already, as few as earn more.
    fn buy_more(&self) -> Option<NearMiss> {
        let cart = self.request.cart;
        let slots: Vec<&Selector> =
            self.promotion.steps.iter().flat_map(|step| slots_of(&step.benefit)).collect();
        (1..=UNITS_TRIED_MAX).find_map(|quantity| {
            let attempt = |(place, line): (usize, &Line)| {
                if !slots.iter().any(|selector| selector.picks(line, cart.currency)) {
                    return None;
                }
                let changed = with_line(cart, Line { quantity, ..line.clone() });
                let gain = self.gain(&evaluate(self.ruleset, &self.request.about(&changed)))?;
                let change = Change::BuyMore { line: place, quantity };
                Some(NearMiss { promotion: self.place, change, gain })
            };
            // The first line of those that gain most.
            let found = cart.lines.iter().enumerate().filter_map(attempt);
            found.reduce(|best, other| if other.gain > best.gain { other } else { best })
        })
    }

    /// Whether goods like this line's count towards what is missing.
    fn counts(&self, line: &Line) -> bool {
        let currency = self.request.cart.currency;
        match &self.promotion.cross_brand {
            Some(tie) => line.kind == LineKind::Item && tie.trigger_brands.contains(&line.brand),
            None => self
                .promotion
                .steps
                .iter()
                .flat_map(|step| step.benefit.scopes())
                .any(|selector| selector.picks(line, currency)),
        }
    }

    /// By how much the benefit grows, when this promotion is what makes it grow.
    fn gain(&self, after: &Evaluation) -> Option<i64> {
        let own = after.given_by(self.place) > self.before.given_by(self.place);
        let gain = after.benefit.saturating_sub(self.before.benefit);
        (own && gain > 0).then_some(gain)
    }
}

fn slots_of(benefit: &Benefit) -> Vec<&Selector> {
    match benefit {
        Benefit::Set(offer) => offer.slots.iter().map(|slot| &slot.selector).collect(),
        Benefit::Gift(gift) if gift.trigger_quantity.is_some() => vec![&gift.scope],
        _ => Vec::new(),
    }
}

fn missing(parameters: &[(&'static str, Parameter)]) -> Option<i64> {
    parameters.iter().find_map(|(name, value)| match value {
        Parameter::Money(_, minor) if *name == "missing" && *minor > 0 => Some(*minor),
        _ => None,
    })
}

fn with_line(cart: &Cart, line: Line) -> Cart {
    let mut changed = cart.clone();
    changed.lines.push(line);
    changed
}

/// A plain item of the cart's own brand.
fn item(cart: &Cart, unit_price: i64) -> Line {
    Line {
        kind: LineKind::Item,
        is_child: false,
        has_children: false,
        product: Symbol::ABSENT,
        first_alike: cart.lines.len(),
        categories: Vec::new(),
        brand: cart.brand.symbol,
        quantity: 1,
        unit_price,
        floor: 0,
        tax_rate_ppm: 0,
        attributes: Vec::new(),
    }
}
