//! What a customer could do to get more: near misses and suggestions. Each is checked by evaluating the
//! changed cart, so that none is false (S-10.5, S-10.6).

use std::cell::Cell;

use smallvec::SmallVec;

use crate::currency::Currency;
use crate::eligibility::picks;
use crate::evaluate::evaluate;
use crate::evaluation::{Evaluation, Verdict};
use crate::model::{Benefit, Cart, Line, LineKind, Promotion, Selector};
use crate::reason::{Parameter, Reason};
use crate::request::Request;
use crate::ruleset::Ruleset;
use crate::symbols::Symbol;

/// The most units that are tried in addition to what is there.
const UNITS_TRIED_MAX: i64 = 6;
/// How often a missing amount is worked out again, since what is added may itself be lowered.
const AMOUNTS_TRIED_MAX: usize = 5;
/// Lines that are evaluated for one answer, over all attempts: large carts get fewer of them.
const LINES_TRIED_MAX: usize = 20_000;
/// Attempts for one answer, however large the cart.
const ATTEMPTS_MIN: usize = 10;

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
    let attempts = Attempts::on(ruleset, request.cart);
    let near_miss = |verdict: &Verdict| {
        let promotion = ruleset.promotions().get(verdict.promotion)?;
        let place = verdict.promotion;
        let attempt = Attempt { ruleset, request, before: evaluation, place, promotion, attempts: &attempts };
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
    if at_most == 0 {
        return Vec::new();
    }
    let attempts = Attempts::on(ruleset, request.cart);
    let suggestion = |place: &usize| {
        let add_on = ruleset.promotions().get(*place)?.suggestion.as_ref()?;
        let special_price = add_on.special_price.of(request.cart.currency)?;
        let product = add_on.product;
        if request.cart.lines.iter().any(|line| line.product == product) {
            return None;
        }
        // Any list price above the special one will do to see whether the offer would be taken.
        let line = Line { product, ..item(request.cart, special_price.checked_mul(2)?.max(1)) };
        let after = attempts.evaluate(ruleset, request, line)?;
        let taken = after.given_by(*place) > 0;
        taken.then_some(Suggestion { promotion: *place, product, special_price })
    };
    ruleset.suggesting().iter().filter_map(suggestion).take(at_most).collect()
}

/// How many changed carts may still be evaluated for an answer: a number that depends on nothing but the
/// cart, so that answers are the same everywhere.
struct Attempts {
    left: Cell<usize>,
    /// Nodes of searches: all attempts together have as many as one evaluation.
    nodes: Cell<i64>,
}

impl Attempts {
    fn on(ruleset: &Ruleset, cart: &Cart) -> Self {
        let lines = cart.lines.len();
        Self {
            left: Cell::new((LINES_TRIED_MAX / lines.max(1)).max(ATTEMPTS_MIN)),
            nodes: Cell::new(ruleset.policy.search_nodes(lines)),
        }
    }

    /// Evaluates the cart with one more line, while attempts are left.
    fn evaluate(&self, ruleset: &Ruleset, request: &Request<'_>, line: Line) -> Option<Evaluation> {
        let listed: i64 = request.cart.lines.iter().map(Line::list_value).sum();
        let total = line.quantity.checked_mul(line.unit_price)?.checked_add(listed)?;
        if total > Cart::TOTAL_MAX {
            return None;
        }
        self.left.set(self.left.get().checked_sub(1)?);
        let mut changed = request.cart.clone();
        changed.lines.push(line);
        if self.nodes.get() <= 0 {
            return None;
        }
        let evaluation = evaluate(ruleset, &request.about(&changed));
        self.nodes.set(self.nodes.get().saturating_sub(evaluation.nodes));
        Some(evaluation)
    }
}

struct Attempt<'a> {
    ruleset: &'a Ruleset,
    request: &'a Request<'a>,
    before: &'a Evaluation,
    place: usize,
    promotion: &'a Promotion,
    attempts: &'a Attempts,
}

impl Attempt<'_> {
    /// Adds goods like those that count, for what is missing; for more, as little as will do, when a part
    /// of them doesn't count since other promotions lower it.
    fn spend_more(&self, missing_at_first: i64) -> Option<NearMiss> {
        let cart = self.request.cart;
        let like = cart.lines.iter().find(|line| self.counts(line))?;
        let after = |added: i64| {
            let line = Line { unit_price: added, floor: 0, ..more_of(like, 1, cart) };
            let may_cost = added <= Line::UNIT_PRICE_MAX;
            may_cost.then(|| self.attempts.evaluate(self.ruleset, self.request, line))?
        };
        // Less than what is missing is never enough.
        let (mut too_little, mut added) = (missing_at_first - 1, missing_at_first);
        for _ in 0..AMOUNTS_TRIED_MAX {
            let evaluation = after(added)?;
            if let Some(gain) = self.gain(&evaluation) {
                let (added, gain) = self.smallest(too_little, (added, gain), after);
                let change = Change::SpendMore(cart.currency, added);
                return Some(NearMiss { promotion: self.place, change, gain });
            }
            too_little = added;
            let verdict = evaluation.verdicts.iter().find(|verdict| verdict.promotion == self.place)?;
            let counted = (missing_at_first - missing(&verdict.because.parameters)?).max(1);
            added = scaled(added, missing_at_first, counted)?.max(added + 1);
        }
        None
    }

    /// Halves the way between an amount that is too little and one that is enough.
    fn smallest(
        &self,
        mut too_little: i64,
        mut enough: (i64, i64),
        after: impl Fn(i64) -> Option<Evaluation>,
    ) -> (i64, i64) {
        while enough.0 - too_little > 1 {
            let middle = too_little + (enough.0 - too_little) / 2;
            let Some(evaluation) = after(middle) else { break };
            match self.gain(&evaluation) {
                Some(gain) => enough = (middle, gain),
                None => too_little = middle,
            }
        }
        enough
    }

    /// Adds units of what is there already, as few as earn more; each product is tried once.
    fn buy_more(&self) -> Option<NearMiss> {
        let cart = self.request.cart;
        let slots: Vec<&Selector> =
            self.promotion.steps.iter().flat_map(|step| slots_of(&step.benefit)).collect();
        let picked = |line: &Line| slots.iter().any(|selector| picks(self.promotion, selector, cart)(line));
        let mut lines: Vec<(usize, &Line)> = Vec::new();
        for (place, line) in cart.lines.iter().enumerate().filter(|(_, line)| picked(line)) {
            if !lines.iter().any(|(_, tried)| tried.first_alike == line.first_alike) {
                lines.push((place, line));
            }
        }
        (1..=UNITS_TRIED_MAX).find_map(|quantity| {
            let attempt = |(place, line): &(usize, &Line)| {
                let added = more_of(line, quantity, cart);
                let gain = self.gain(&self.attempts.evaluate(self.ruleset, self.request, added)?)?;
                let change = Change::BuyMore { line: *place, quantity };
                Some(NearMiss { promotion: self.place, change, gain })
            };
            // The first of those that gain most.
            let found = lines.iter().filter_map(attempt);
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

/// An amount of which only a part counted, raised so that enough does; rounded up.
fn scaled(amount: i64, wanted: i64, counted: i64) -> Option<i64> {
    let exact = i128::from(amount) * i128::from(wanted);
    i64::try_from((exact + i128::from(counted) - 1) / i128::from(counted)).ok()
}

/// A further line like one of the cart, without what hangs on it.
fn more_of(like: &Line, quantity: i64, cart: &Cart) -> Line {
    let unnamed = like.product == Symbol::ABSENT;
    let first_alike = if unnamed { cart.lines.len() } else { like.first_alike };
    Line { quantity, first_alike, has_children: false, ..like.clone() }
}

/// A plain item of the cart's own brand.
fn item(cart: &Cart, unit_price: i64) -> Line {
    Line {
        kind: LineKind::Item,
        is_child: false,
        has_children: false,
        product: Symbol::ABSENT,
        first_alike: cart.lines.len(),
        categories: SmallVec::new(),
        brand: cart.brand.symbol,
        quantity: 1,
        unit_price,
        floor: 0,
        tax_rate_ppm: 0,
        attributes: Vec::new(),
    }
}
