//! What decides about a promotion before any other promotion matters: place, time, customer,
//! trigger, limits and scope, in the order in which verdicts name them (S-8.5).

use crate::condition::{self, View};
use crate::model::{
    Cart, CrossBrand, CustomerType, Line, LineKind, Name, NameFilter, Promotion, Selector, SpendSource, Step,
    Trigger,
};
use crate::reason::{Because, Reason};
use crate::request::{Allowance, Request};
use crate::schedule;
use crate::symbols::Symbol;
use crate::units::Prices;

/// What the screening of a promotion found.
pub(crate) enum Screened {
    /// It may be chosen.
    Open(Scope),
    /// It can't be, and why.
    Refused(Because),
}

/// The lines that a promotion is about, by their places, rising.
pub(crate) struct Scope {
    /// For each step those of its selectors; empty when there is only one selector.
    pools: Vec<Vec<Vec<usize>>>,
    /// All that the promotion's scopes pick.
    pub(crate) lines: Vec<usize>,
}

/// Decides whether a promotion may be chosen for the cart at all. Its scopes pick none but the lines `among`, when
/// those are given.
pub(crate) fn screen(
    promotion: &Promotion,
    request: &Request<'_>,
    list: &Prices,
    among: Option<&[usize]>,
) -> Screened {
    let cart = request.cart;
    let early = check_currency(promotion, cart)
        .and_then(|()| schedule::check(&promotion.schedule, request))
        .and_then(|()| check_place(promotion, cart))
        .and_then(|()| check_customer(promotion, cart))
        .and_then(|()| check_trigger(promotion, cart))
        .and_then(|()| check_limits(promotion, request));
    if let Err(because) = early {
        return Screened::Refused(because);
    }
    let scope = Scope::of(promotion, cart, among);
    let late = check_scope(&scope)
        .and_then(|()| check_cross_brand(promotion, cart))
        .and_then(|()| check_purchase(promotion, request, &scope.lines, list));
    match late {
        Ok(()) => Screened::Open(scope),
        Err(because) => Screened::Refused(because),
    }
}

/// Whether the promotion holds in this store, brand, channel and region.
pub(crate) fn is_placed(promotion: &Promotion, cart: &Cart) -> bool {
    let targeting = &promotion.targeting;
    targeting.stores.accepts(cart.store.symbol)
        && targeting.brands.accepts(cart.brand.symbol)
        && targeting.channels.accepts(cart.channel.symbol)
        && targeting.regions.accepts(cart.region.symbol)
}

/// Whether a line is in the scope of a promotion that is placed, or its code was given (S-10.3).
pub(crate) fn is_candidate(promotion: &Promotion, cart: &Cart, among: Option<&[usize]>) -> bool {
    let mut scopes = promotion.steps.iter().flat_map(|step| step.benefit.scopes());
    let picks_any = |selector| match among {
        Some(places) => {
            places.iter().filter_map(|place| cart.lines.get(*place)).any(picks(promotion, selector, cart))
        }
        None => cart.lines.iter().any(picks(promotion, selector, cart)),
    };
    scopes.any(picks_any) || code_given(&promotion.trigger, promotion.symbol, cart)
}

/// Which lines a selector of a promotion picks.
pub(crate) fn picks(promotion: &Promotion, selector: &Selector, cart: &Cart) -> impl Fn(&Line) -> bool {
    |line| {
        selector.picks(line, cart.currency) && (selector.of_any_brand || is_of_benefit_brand(promotion, line))
    }
}

fn is_of_benefit_brand(promotion: &Promotion, line: &Line) -> bool {
    promotion.cross_brand.as_ref().is_none_or(|tie| tie.benefit_brands.contains(&line.brand))
}

impl Scope {
    /// The lines that the promotion's selectors pick; its scopes pick none but those `among`, when given.
    pub(crate) fn of(promotion: &Promotion, cart: &Cart, among: Option<&[usize]>) -> Self {
        let pool = |selector: &Selector, among: Option<&[usize]>| -> Vec<usize> {
            let picks = picks(promotion, selector, cart);
            let picked = |place: &usize| cart.lines.get(*place).is_some_and(&picks);
            match among {
                Some(places) => places.iter().copied().filter(picked).collect(),
                None => (0..cart.lines.len()).filter(picked).collect(),
            }
        };
        if let Some(selector) = promotion.only_selector() {
            return Self { pools: Vec::new(), lines: pool(selector, among) };
        }
        let pools_of = |step: &Step| {
            let selectors = step.benefit.selectors().into_iter().enumerate();
            let scopes = step.benefit.scope_count();
            selectors.map(|(place, of)| pool(of, among.filter(|_| place < scopes))).collect()
        };
        let pools: Vec<Vec<Vec<usize>>> = promotion.steps.iter().map(pools_of).collect();
        let of_step = promotion.steps.iter().zip(&pools);
        let scopes = of_step.flat_map(|(step, pools)| pools.iter().take(step.benefit.scope_count()));
        let mut lines: Vec<usize> = scopes.flatten().copied().collect();
        lines.sort_unstable();
        lines.dedup();
        Self { pools, lines }
    }

    /// The lines of each of a step's selectors.
    pub(crate) fn pools(&self, step: usize) -> &[Vec<usize>] {
        if self.pools.is_empty() {
            return std::slice::from_ref(&self.lines);
        }
        self.pools.get(step).map_or(&[], Vec::as_slice)
    }
}

/// Whether a code or a voucher that the customer gave belongs to the promotion, whatever sets it off.
pub(crate) fn answers_a_code(promotion: &Promotion, cart: &Cart) -> bool {
    code_given(&promotion.trigger, promotion.symbol, cart) || cart.vouchers_of.contains(&promotion.symbol)
}

/// Whether the cart has a code or a voucher that the trigger of a promotion asks for.
pub(crate) fn code_given(trigger: &Trigger, promotion: Symbol, cart: &Cart) -> bool {
    match trigger {
        Trigger::Code(codes) => cart.codes.iter().any(|given| codes.contains(&given.code)),
        Trigger::Voucher => cart.vouchers_of.contains(&promotion),
        Trigger::Automatic | Trigger::Members => false,
    }
}

fn check_currency(promotion: &Promotion, cart: &Cart) -> Result<(), Because> {
    if promotion.covers(cart.currency) {
        return Ok(());
    }
    Err(Because::text(Reason::Currency, "currency", cart.currency.code()))
}

fn check_place(promotion: &Promotion, cart: &Cart) -> Result<(), Because> {
    let targeting = &promotion.targeting;
    check_name(&targeting.stores, &cart.store, Reason::Store, "store")
        .and_then(|()| check_name(&targeting.brands, &cart.brand, Reason::Brand, "brand"))
        .and_then(|()| check_name(&targeting.channels, &cart.channel, Reason::Channel, "channel"))
        .and_then(|()| check_name(&targeting.regions, &cart.region, Reason::Region, "region"))
}

fn check_name(
    filter: &NameFilter,
    name: &Name,
    reason: Reason,
    parameter: &'static str,
) -> Result<(), Because> {
    if filter.accepts(name.symbol) { Ok(()) } else { Err(Because::text(reason, parameter, &*name.written)) }
}

fn check_customer(promotion: &Promotion, cart: &Cart) -> Result<(), Because> {
    let (targeting, customer) = (&promotion.targeting, &cart.customer);
    let members_only = targeting.members_only || matches!(promotion.trigger, Trigger::Members);
    if members_only && !customer.member {
        return Err(Because::plain(Reason::MembersOnly));
    }
    check_name(&targeting.tiers, &customer.tier, Reason::MemberTier, "tier")?;
    if !targeting.segments.accepts_any(&customer.segments) {
        return Err(Because::plain(Reason::Segment));
    }
    match targeting.customer_type {
        Some(wanted) if customer.customer_type != Some(wanted) => {
            let needed = match wanted {
                CustomerType::New => "new",
                CustomerType::Returning => "returning",
            };
            Err(Because::text(Reason::CustomerType, "needed", needed))
        }
        _ => Ok(()),
    }
}

fn check_trigger(promotion: &Promotion, cart: &Cart) -> Result<(), Because> {
    let given = || code_given(&promotion.trigger, promotion.symbol, cart);
    match promotion.trigger {
        Trigger::Code(_) if !given() => Err(Because::plain(Reason::CodeNeeded)),
        Trigger::Voucher if !given() => Err(Because::plain(Reason::VoucherNeeded)),
        _ => Ok(()),
    }
}

fn check_limits(promotion: &Promotion, request: &Request<'_>) -> Result<(), Because> {
    match request.allowance(promotion.symbol) {
        Some(Allowance { uses_left: Some(..=0), .. }) => return Err(Because::plain(Reason::Limit)),
        Some(Allowance { leased_uses_left: Some(..=0), .. }) => return Err(Because::plain(Reason::Lease)),
        _ => {}
    }
    if promotion.limits.per_customer && !request.cart.customer.identified {
        return Err(Because::text(Reason::Customer, "fact", "id"));
    }
    Ok(())
}

fn check_scope(scope: &Scope) -> Result<(), Because> {
    if scope.lines.is_empty() { Err(Because::plain(Reason::NoMatchingLines)) } else { Ok(()) }
}

fn check_cross_brand(promotion: &Promotion, cart: &Cart) -> Result<(), Because> {
    let Some(tie) = &promotion.cross_brand else {
        return Ok(());
    };
    let (here, before) = match tie.source {
        SpendSource::ThisCart => (spent_here(tie, cart), 0),
        SpendSource::PastVisits => (None, spent_before(tie, cart)),
        SpendSource::Both => (spent_here(tie, cart), spent_before(tie, cart)),
    };
    let minimum = tie.minimum_spend.of(cart.currency);
    // Without a minimum any line of the brands will do, and any spending.
    let (needed, had) = (minimum.unwrap_or(1), here.unwrap_or(0).saturating_add(before));
    if had >= needed || (minimum.is_none() && here.is_some()) {
        return Ok(());
    }
    Err(Because::short_of(Reason::CrossBrand, cart.currency, needed, had))
}

/// What the trigger brands' items are worth in this cart, at list prices; `None` without any.
fn spent_here(tie: &CrossBrand, cart: &Cart) -> Option<i64> {
    let counts = |line: &&Line| line.kind == LineKind::Item && tie.trigger_brands.contains(&line.brand);
    let values = cart.lines.iter().filter(counts).map(Line::list_value);
    values.reduce(|sum, value| sum + value)
}

fn spent_before(tie: &CrossBrand, cart: &Cart) -> i64 {
    condition::accumulated(&cart.customer.spend, &tie.trigger_brands, tie.period).unwrap_or(0)
}

/// What is certain before anything is applied: prices only fall, so a threshold that list prices
/// miss stays missed.
fn check_purchase(
    promotion: &Promotion,
    request: &Request<'_>,
    scope: &[usize],
    list: &Prices,
) -> Result<(), Because> {
    let cart = request.cart;
    let view = View { request, scope, prices: list, current: None, phase: promotion.phase() };
    if let Some(threshold) = &promotion.min_purchase {
        condition::reached(threshold, &view)?;
    }
    if let Some(payment) = &promotion.payment {
        condition::paid_by(payment, cart)?;
    }
    match &promotion.condition {
        Some(condition) if condition.only_gets_harder() => condition::check(condition, &view),
        _ => Ok(()),
    }
}
