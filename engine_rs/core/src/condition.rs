//! Answers conditions: yes, no or unknown; only a yes makes a promotion eligible (S-8.1).

use jiff::civil::Date;
use smol_str::{SmolStr, format_smolstr};

use crate::model::{
    AttributeOwner, AttributeTest, Basis, Cart, Condition, CustomerTest, Extent, NumberRange, Payment,
    PaymentTest, Phase, Selector, Spend, Threshold,
};
use crate::reason::{Because, Reason};
use crate::request::Request;
use crate::symbols::Symbol;
use crate::units::{Prices, Run, phase_start};

/// What a condition looks at: a cart at an instant, with the prices that promotions left so far.
pub(crate) struct View<'a> {
    pub(crate) request: &'a Request<'a>,
    /// The places of the lines in the promotion's scope, rising.
    pub(crate) scope: &'a [usize],
    pub(crate) prices: &'a Prices,
    /// The phase that the pipeline is in.
    pub(crate) current: Option<Phase>,
    /// The promotion's own phase.
    pub(crate) phase: Phase,
}

enum Answer {
    Yes,
    No(Because),
    Unknown(Because),
}

/// Refuses what the condition doesn't answer with a yes.
pub(crate) fn check(condition: &Condition, view: &View<'_>) -> Result<(), Because> {
    match ask(condition, view) {
        Answer::Yes => Ok(()),
        Answer::No(because) | Answer::Unknown(because) => Err(because),
    }
}

fn ask(condition: &Condition, view: &View<'_>) -> Answer {
    let cart = view.request.cart;
    match condition {
        Condition::All(parts) => ask_all(parts, view),
        Condition::Any(parts) => ask_any(parts, view),
        Condition::Not(part) => match ask(part, view) {
            Answer::Yes => Answer::No(Because::plain(Reason::Condition)),
            Answer::No(_) => Answer::Yes,
            unknown @ Answer::Unknown(_) => unknown,
        },
        Condition::Threshold(threshold) => match reached(threshold, view) {
            Ok(()) => Answer::Yes,
            Err(because) if because.reason == Reason::Threshold => Answer::No(because),
            Err(because) => Answer::Unknown(because),
        },
        Condition::Quantity(selector, range) => ask_quantity(selector.as_ref(), *range, view),
        Condition::Payment(test) => ask_payment(test, cart),
        Condition::Customer(test) => ask_customer(test, view),
        Condition::Attribute(owner, test) => ask_attribute(*owner, test, cart),
        Condition::AccumulatedSpend { brands, minimum, period } => {
            let Some(needed) = minimum.of(cart.currency) else {
                return Answer::Unknown(no_amount(cart));
            };
            match accumulated(&cart.customer.spend, brands, *period) {
                None => unknown("customer.accumulated_spend"),
                Some(had) if had >= needed => Answer::Yes,
                Some(had) => Answer::No(Because::short_of(Reason::Threshold, cart.currency, needed, had)),
            }
        }
    }
}

/// A no outweighs an unknown, which outweighs a yes; the first of its sort is told.
fn ask_all(parts: &[Condition], view: &View<'_>) -> Answer {
    let mut answer = Answer::Yes;
    for part in parts {
        match ask(part, view) {
            Answer::Yes => {}
            no @ Answer::No(_) => return no,
            unknown @ Answer::Unknown(_) => {
                if matches!(answer, Answer::Yes) {
                    answer = unknown;
                }
            }
        }
    }
    answer
}

/// A yes outweighs an unknown, which outweighs a no.
fn ask_any(parts: &[Condition], view: &View<'_>) -> Answer {
    let mut answer = None;
    for part in parts {
        match (ask(part, view), &answer) {
            (Answer::Yes, _) => return Answer::Yes,
            (unknown @ Answer::Unknown(_), None | Some(Answer::No(_))) => answer = Some(unknown),
            (no @ Answer::No(_), None) => answer = Some(no),
            _ => {}
        }
    }
    match answer {
        // Of several ways that all fail, none is the reason by itself.
        Some(Answer::No(because)) if parts.len() > 1 => {
            Answer::No(Because { reason: Reason::Condition, ..because })
        }
        Some(answer) => answer,
        None => Answer::No(Because::plain(Reason::Condition)),
    }
}

/// Refuses a value of goods that doesn't reach the threshold.
pub(crate) fn reached(threshold: &Threshold, view: &View<'_>) -> Result<(), Because> {
    let cart = view.request.cart;
    let needed = threshold.minimum.of(cart.currency).ok_or_else(|| no_amount(cart))?;
    let price = |run: &Run| match threshold.basis {
        Basis::List => cart.lines.get(run.line).map_or(0, |line| line.unit_price),
        Basis::Current => run.left,
        Basis::PhaseStart => phase_start(run, view.current, view.phase),
    };
    let value = |run: &Run| price(run) * run.count;
    let had = match &threshold.extent {
        Extent::Scope => view.prices.runs_of(view.scope).map(|(_, run)| value(run)).sum(),
        Extent::Cart => view.prices.value_of_items(threshold.basis, view.current, view.phase),
        Extent::Lines(selector) => {
            view.prices.runs().iter().filter(|run| picked(selector, view, run)).map(value).sum()
        }
    };
    if had >= needed { Ok(()) } else { Err(Because::short_of(Reason::Threshold, cart.currency, needed, had)) }
}

fn picked(selector: &Selector, view: &View<'_>, run: &Run) -> bool {
    view.request.cart.lines.get(run.line).is_some_and(|line| selector.picks(line, view.request.cart.currency))
}

fn ask_quantity(selector: Option<&Selector>, range: NumberRange, view: &View<'_>) -> Answer {
    let had = match selector {
        None => view.prices.runs_of(view.scope).map(|(_, run)| run.count).sum(),
        Some(selector) => {
            let runs = view.prices.runs().iter().filter(|run| picked(selector, view, run));
            runs.map(|run| run.count).sum()
        }
    };
    if range.contains(had) {
        return Answer::Yes;
    }
    let needed = if had < range.minimum { range.minimum } else { range.maximum };
    Answer::No(Because::counts(Reason::Quantity, needed, had))
}

/// Refuses a way of paying that the test doesn't accept, or that isn't known to be accepted.
pub(crate) fn paid_by(test: &PaymentTest, cart: &Cart) -> Result<(), Because> {
    match ask_payment(test, cart) {
        Answer::Yes => Ok(()),
        Answer::No(_) | Answer::Unknown(_) => Err(other_payment(cart)),
    }
}

fn ask_payment(test: &PaymentTest, cart: &Cart) -> Answer {
    let fact = |of: fn(&Payment) -> Symbol| cart.payment.as_ref().map_or(Symbol::ABSENT, of);
    let asked = [
        (&test.methods, fact(|payment| payment.method.symbol), "payment.method"),
        (&test.card_classes, fact(|payment| payment.card_class), "payment.card_class"),
        (&test.issuers, fact(|payment| payment.issuer), "payment.issuer"),
    ];
    let asked = || asked.iter().filter(|(wanted, ..)| !wanted.is_empty());
    if asked().any(|(wanted, given, _)| *given != Symbol::ABSENT && !wanted.contains(given)) {
        return Answer::No(other_payment(cart));
    }
    match asked().find(|(_, given, _)| *given == Symbol::ABSENT) {
        Some((_, _, fact)) => unknown(*fact),
        None => Answer::Yes,
    }
}

fn ask_customer(test: &CustomerTest, view: &View<'_>) -> Answer {
    let customer = &view.request.cart.customer;
    let today = view.request.local_time().date();
    if let Some(range) = test.completed_orders {
        match customer.completed_orders {
            None => return unknown("customer.completed_orders"),
            Some(orders) if !range.contains(orders) => return no_customer("completed_orders"),
            Some(_) => {}
        }
    }
    if let Some(range) = test.days_since_last_order {
        match customer.last_order {
            None => return unknown("customer.last_order_date"),
            Some(last) if !range.contains(days_between(last, today)) => {
                return no_customer("days_since_last_order");
            }
            Some(_) => {}
        }
    }
    if let Some(days) = test.birthday_within_days {
        match customer.birthday {
            None => return unknown("customer.birthday"),
            Some(birthday) if !is_near(birthday, today, i64::from(days)) => {
                return no_customer("birthday");
            }
            Some(_) => {}
        }
    }
    Answer::Yes
}

/// Whether a birthday of last, this or next year lies at most so many days away. One on 29 February
/// is kept on the 28th in other years.
fn is_near((month, day): (i8, i8), today: Date, days: i64) -> bool {
    (today.year() - 1..=today.year() + 1)
        .filter_map(|year| Date::new(year, month, day).or_else(|_| Date::new(year, month, day - 1)).ok())
        .any(|birthday| days_between(birthday, today).abs() <= days)
}

fn days_between(from: Date, to: Date) -> i64 {
    from.duration_until(to).as_hours() / 24
}

fn ask_attribute(owner: AttributeOwner, test: &AttributeTest, cart: &Cart) -> Answer {
    let (prefix, attributes) = match owner {
        AttributeOwner::Cart => ("cart", Some(&cart.attributes)),
        AttributeOwner::Customer => ("customer", Some(&cart.customer.attributes)),
        AttributeOwner::Payment => ("payment", cart.payment.as_ref().map(|payment| &payment.attributes)),
    };
    let name = || format_smolstr!("{prefix}.{}", test.written);
    match attributes.and_then(|attributes| test.ask(attributes)) {
        Some(true) => Answer::Yes,
        Some(false) => Answer::No(Because::text(Reason::Attribute, "attribute", name())),
        None => unknown(name()),
    }
}

/// What was spent in a period at some brands, or at all when none is named; `None` when nothing is
/// known of the period.
pub(crate) fn accumulated(spend: &[Spend], brands: &[Symbol], period: Symbol) -> Option<i64> {
    let of_period = spend.iter().filter(|spend| spend.period == period);
    let counted = of_period.map(|spend| {
        let counts = brands.is_empty() || brands.contains(&spend.brand);
        if counts { spend.minor } else { 0 }
    });
    counted.reduce(i64::saturating_add)
}

fn unknown(attribute: impl Into<SmolStr>) -> Answer {
    Answer::Unknown(Because::text(Reason::UnknownAttribute, "attribute", attribute))
}

fn no_customer(fact: &str) -> Answer {
    Answer::No(Because::text(Reason::Customer, "fact", fact))
}

fn other_payment(cart: &Cart) -> Because {
    let method = cart.payment.as_ref().map_or("", |payment| &payment.method.written);
    Because::text(Reason::Payment, "method", method)
}

fn no_amount(cart: &Cart) -> Because {
    Because::text(Reason::Currency, "currency", cart.currency.code())
}
