//! Requests: a cart with its instant and limit state, looked up among a ruleset's names.

use std::collections::HashMap;

use dealwright_core::currency::Currency;
use dealwright_core::model::{
    Attribute, AttributeValue, Cart, Customer, CustomerType, GivenCode, Line, Name, Payment, Policy,
    PriceMode, Spend,
};
use dealwright_core::request::Allowance;
use dealwright_core::symbols::{Symbol, Symbols, fold};
use foldhash::fast::{FixedState, RandomState};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use smallvec::SmallVec;
use unicode_normalization::UnicodeNormalization;

use super::amounts::{WHOLE_PPM, currency};
use super::selector::line_kind;
use super::targeting::customer_type;
use super::{check_count, check_length, check_range, date, known, zone};
use crate::diagnostics::{At, Code, Findings};
use crate::limits::{
    AMOUNT_MAX, CART_TOTAL_MAX, CODES_MAX, FACTS_MAX, LINES_MAX, NAME_BYTES_MAX, QUANTITY_MAX,
};
use crate::remark::{Remark, Remarks};
use crate::{proto, view};

/// Names come from callers, so that the hash is seeded anew in each process.
type ByName<'a, T> = HashMap<&'a str, T, RandomState>;
type HashSet<T> = std::collections::HashSet<T, RandomState>;

/// What a cart is looked up in.
pub(crate) struct Reference<'a> {
    pub(crate) symbols: &'a Symbols,
    pub(crate) policy: &'a Policy,
    /// Stores by id.
    pub(crate) stores: &'a HashMap<String, Store>,
    /// Each category with itself and its ancestors.
    pub(crate) ancestors: &'a HashMap<Symbol, Vec<Symbol>, FixedState>,
    /// The channels that the company sells on.
    pub(crate) channels: &'a Channels,
}

/// Channels, folded.
pub(crate) type Channels = std::collections::HashSet<Symbol, FixedState>;

/// What a ruleset knows of a store.
pub(crate) struct Store {
    pub(crate) brand_id: String,
    pub(crate) region: String,
    pub(crate) zone: TimeZone,
    pub(crate) currency: Option<Currency>,
}

/// The cart, what is left of limits, and what is to be said about the request.
pub(crate) struct Lowered {
    pub(crate) cart: Cart,
    pub(crate) allowances: HashMap<Symbol, Allowance>,
    pub(crate) remarks: Vec<Remark>,
}

/// Checks a cart and its limit state at an instant.
pub(crate) fn request(
    cart: Option<&view::Cart<'_>>,
    limit_state: Option<&view::LimitState<'_>>,
    instant: Timestamp,
    reference: &Reference<'_>,
    findings: &mut Findings,
) -> Option<Lowered> {
    let at = At::ROOT.field("cart");
    let Some(sent) = cart else {
        findings.add(Code::Required, &at, &[]);
        return None;
    };
    let mut intake = Intake { reference, instant, findings: &mut *findings, remarks: Remarks::default() };
    let cart = intake.cart(sent, &at);
    let remarks = intake.remarks.into_told();
    let day = cart.as_ref().map(|cart| instant.to_zoned(cart.zone.clone()).date());
    let allowances = allowances(limit_state, sent, day, reference, findings);
    cart.filter(|_| !findings.refuse()).map(|cart| Lowered { cart, allowances, remarks })
}

/// What is left of limits for a cart on its local day. Of several entries the least of each number counts.
fn allowances(
    limit_state: Option<&view::LimitState<'_>>,
    cart: &view::Cart<'_>,
    day: Option<Date>,
    reference: &Reference<'_>,
    findings: &mut Findings,
) -> HashMap<Symbol, Allowance> {
    let Some(limit_state) = limit_state else {
        return HashMap::new();
    };
    let at = At::ROOT.field("limit_state");
    let mut allowances: HashMap<Symbol, Allowance> = HashMap::with_capacity(limit_state.promotions.len());
    for (index, left) in limit_state.promotions.iter().enumerate() {
        let at = at.item("promotions", index);
        if left.promotion_id.is_empty() {
            findings.add(Code::Required, &at.field("promotion_id"), &[]);
        }
        let only = date(left.date, &at.field("date"), findings);
        let counts = (only.is_none() || only == day)
            && (left.currency_code.is_empty() || left.currency_code == cart.currency_code)
            && (left.store_id.is_empty() || fold(left.store_id) == fold(cart.store_id));
        let promotion = reference.symbols.find(left.promotion_id);
        if counts && promotion != Symbol::UNKNOWN {
            let known = allowances.entry(promotion).or_default();
            known.uses_left = least(known.uses_left, left.uses_left);
            known.leased_uses_left = least(known.leased_uses_left, left.leased_uses_left);
            known.budget_left = least(known.budget_left, left.budget_left_minor);
        }
    }
    allowances
}

fn least(known: Option<i64>, given: Option<i64>) -> Option<i64> {
    known.into_iter().chain(given).min()
}

struct Intake<'a, 'sent> {
    reference: &'a Reference<'a>,
    instant: Timestamp,
    findings: &'a mut Findings,
    remarks: Remarks<'sent>,
}

impl<'sent> Intake<'_, 'sent> {
    fn cart(&mut self, cart: &view::Cart<'sent>, at: &At<'_>) -> Option<Cart> {
        self.check_name(cart.id, &at.field("id"));
        let store = self.reference.stores.get(cart.store_id);
        let of_store = |of: fn(&Store) -> &str| store.map_or("", of);
        let brand_id =
            if cart.brand_id.is_empty() { of_store(|store| &store.brand_id) } else { cart.brand_id };
        let region = if cart.region.is_empty() { of_store(|store| &store.region) } else { cart.region };
        let zone = zone(cart.time_zone, &at.field("time_zone"), self.findings)
            .or_else(|| store.map(|store| store.zone.clone()))
            .unwrap_or_else(|| self.reference.policy.zone.clone());
        let currency = currency(cart.currency_code, &at.field("currency_code"), self.findings);
        let price_mode = known(cart.price_mode, &at.field("price_mode"), self.findings);
        let channel = self.folded(cart.channel, &at.field("channel"));
        self.remark_place(cart, store, channel.symbol, &zone, at);
        let mut lines = self.lines(cart, brand_id, at);
        self.link_parents(cart, &mut lines, at);
        let codes = self.codes(cart, at);
        let currency = currency?;
        Some(Cart {
            currency,
            price_mode: match price_mode? {
                proto::PriceMode::Unspecified | proto::PriceMode::TaxInclusive => PriceMode::TaxInclusive,
                proto::PriceMode::TaxExclusive => PriceMode::TaxExclusive,
            },
            lines,
            customer: self.customer(cart.customer.as_ref(), currency, &at.field("customer")),
            payment: cart.payment.as_ref().map(|payment| self.payment(payment, &at.field("payment"))),
            store: self.folded(cart.store_id, &at.field("store_id")),
            brand: self.folded(brand_id, &at.field("brand_id")),
            channel,
            region: self.folded(region, &at.field("region")),
            zone,
            codes,
            vouchers_of: cart.vouchers.iter().map(|voucher| self.find(voucher.promotion_id)).collect(),
            attributes: self.attributes(&cart.attributes, at),
        })
    }

    /// A place that the company hasn't, or that it knows otherwise.
    fn remark_place(
        &mut self,
        cart: &view::Cart<'_>,
        store: Option<&Store>,
        channel: Symbol,
        zone: &TimeZone,
        at: &At<'_>,
    ) {
        let remarks = &mut self.remarks;
        if channel != Symbol::ABSENT && !self.reference.channels.contains(&channel) {
            remarks.unknown(Code::ChannelUnknown, cart.channel, &at.field("channel"));
        }
        let Some(store) = store else {
            if !cart.store_id.is_empty() && !self.reference.stores.is_empty() {
                remarks.unknown(Code::StoreUnknown, cart.store_id, &at.field("store_id"));
            }
            return;
        };
        let currency = store.currency.as_ref().map_or("", Currency::code);
        remarks.differing(cart.currency_code, currency, cart.store_id, &at.field("currency_code"));
        remarks.differing(cart.brand_id, &store.brand_id, cart.store_id, &at.field("brand_id"));
        remarks.differing(cart.region, &store.region, cart.store_id, &at.field("region"));
        // Names of zones are many; what counts is the time on the wall.
        let offset = |zone: &TimeZone| zone.to_offset(self.instant);
        if !cart.time_zone.is_empty() && offset(zone) != offset(&store.zone) {
            let known = store.zone.iana_name().unwrap_or_default();
            remarks.differing(cart.time_zone, known, cart.store_id, &at.field("time_zone"));
        }
    }

    fn lines(&mut self, cart: &view::Cart<'sent>, brand_id: &str, at: &At<'_>) -> Vec<Line> {
        if cart.lines.len() > LINES_MAX {
            check_count(cart.lines.len(), LINES_MAX, &at.field("lines"), self.findings);
            return Vec::new();
        }
        let mut ids: HashSet<&str> =
            HashSet::with_capacity_and_hasher(cart.lines.len(), RandomState::default());
        let mut total: i64 = 0;
        let mut products: ByName<usize> =
            ByName::with_capacity_and_hasher(cart.lines.len(), RandomState::default());
        let mut lines = Vec::with_capacity(cart.lines.len());
        for (index, line) in cart.lines.iter().enumerate() {
            let at = at.item("lines", index);
            if self.required_name(line.id, &at.field("id")) && !ids.insert(line.id) {
                self.findings.add(Code::Duplicate, &at.field("id"), &[("value", line.id.into())]);
            }
            let product = line.product_id;
            let mut line = self.line(line, brand_id, &at);
            line.first_alike =
                if product.is_empty() { index } else { *products.entry(product).or_insert(index) };
            total = total.saturating_add(line.quantity.saturating_mul(line.unit_price));
            lines.push(line);
        }
        if total > CART_TOTAL_MAX {
            self.findings.add(Code::TotalTooLarge, &at.field("lines"), &[("limit", CART_TOTAL_MAX.into())]);
        }
        lines
    }

    fn line(&mut self, line: &view::Line<'sent>, brand_id: &str, at: &At<'_>) -> Line {
        let quantity = check_range(line.quantity, 1, QUANTITY_MAX, &at.field("quantity"), self.findings);
        let mut amount = |minor, field| check_range(minor, 0, AMOUNT_MAX, &at.field(field), self.findings);
        let unit_price = amount(line.unit_price_minor, "unit_price_minor");
        let floor = amount(line.floor_minor.unwrap_or(0), "floor_minor");
        amount(line.unit_cost_minor.unwrap_or(0), "unit_cost_minor");
        check_range(line.tax_rate_ppm.into(), 0, WHOLE_PPM, &at.field("tax_rate_ppm"), self.findings);
        let kind = known(line.kind, &at.field("kind"), self.findings).unwrap_or_default();
        self.check_name(line.product_id, &at.field("product_id"));
        self.check_name(line.brand_id, &at.field("brand_id"));
        Line {
            kind: line_kind(kind),
            is_child: !line.parent_id.is_empty(),
            has_children: false,
            product: self.find(line.product_id),
            first_alike: 0,
            categories: self.categories(&line.category_ids, at),
            brand: self.find(if line.brand_id.is_empty() { brand_id } else { line.brand_id }),
            quantity,
            unit_price,
            floor,
            tax_rate_ppm: line.tax_rate_ppm,
            attributes: self.attributes(&line.attributes, at),
        }
    }

    fn categories(&mut self, ids: &[&'sent str], at: &At<'_>) -> SmallVec<[Symbol; 4]> {
        check_count(ids.len(), FACTS_MAX, &at.field("category_ids"), self.findings);
        let mut categories = SmallVec::new();
        let ancestors_of = self.reference.ancestors;
        for (index, id) in ids.iter().take(FACTS_MAX).enumerate() {
            let category = self.find(id);
            if let Some(ancestors) = ancestors_of.get(&category) {
                categories.extend_from_slice(ancestors);
                continue;
            }
            categories.push(category);
            if !ancestors_of.is_empty() {
                self.remarks.unknown_category(id, &at.item("category_ids", index));
            }
        }
        categories
    }

    /// A parent is another line of the cart.
    fn link_parents(&mut self, cart: &view::Cart<'_>, lines: &mut [Line], at: &At<'_>) {
        if cart.lines.iter().all(|line| line.parent_id.is_empty()) {
            return;
        }
        let places: ByName<usize> =
            cart.lines.iter().enumerate().map(|(place, line)| (line.id, place)).collect();
        for (index, line) in cart.lines.iter().enumerate().filter(|(_, line)| !line.parent_id.is_empty()) {
            let parent = places.get(line.parent_id).filter(|place| **place != index);
            match parent.and_then(|place| lines.get_mut(*place)) {
                Some(parent) => parent.has_children = true,
                None => {
                    let at = at.item("lines", index);
                    let value = line.parent_id.into();
                    self.findings.add(Code::ParentUnknown, &at.field("parent_id"), &[("value", value)]);
                }
            }
        }
    }

    fn customer(
        &mut self,
        customer: Option<&view::Customer<'_>>,
        currency: Currency,
        at: &At<'_>,
    ) -> Customer {
        let nobody = view::Customer::default();
        let customer = customer.unwrap_or(&nobody);
        self.check_name(customer.id, &at.field("id"));
        check_count(customer.segment_ids.len(), LINES_MAX, &at.field("segment_ids"), self.findings);
        if let Some(orders) = customer.completed_orders {
            check_range(orders, 0, i64::MAX, &at.field("completed_orders"), self.findings);
        }
        let stated = known(customer.r#type, &at.field("type"), self.findings).and_then(customer_type);
        let derived = customer.completed_orders.map(|orders| match orders {
            0 => CustomerType::New,
            _ => CustomerType::Returning,
        });
        Customer {
            identified: !customer.id.is_empty(),
            member: customer.member,
            tier: self.folded(customer.tier, &at.field("tier")),
            segments: customer.segment_ids.iter().map(|id| self.reference.symbols.find_folded(id)).collect(),
            customer_type: stated.or(derived),
            completed_orders: customer.completed_orders,
            last_order: date(customer.last_order_date, &at.field("last_order_date"), self.findings),
            birthday: self.birthday(customer.birthday, &at.field("birthday")),
            spend: self.spend(&customer.accumulated_spend, currency, at),
            attributes: self.attributes(&customer.attributes, at),
        }
    }

    fn birthday(&mut self, text: &str, at: &At<'_>) -> Option<(i8, i8)> {
        if text.is_empty() {
            return None;
        }
        // A leap year, so that 29 February is a birthday.
        let day = date(&format!("2000-{text}"), at, &mut Findings::default());
        if day.is_none() {
            self.findings.add(Code::BirthdayInvalid, at, &[("value", text.into())]);
        }
        day.map(|day| (day.month(), day.day()))
    }

    fn spend(&mut self, spend: &[view::AccumulatedSpend<'_>], currency: Currency, at: &At<'_>) -> Vec<Spend> {
        check_count(spend.len(), LINES_MAX, &at.field("accumulated_spend"), self.findings);
        let mut lowered = Vec::with_capacity(spend.len());
        for (index, entry) in spend.iter().enumerate() {
            let at = at.item("accumulated_spend", index);
            self.required_name(entry.brand_id, &at.field("brand_id"));
            self.required_name(entry.period, &at.field("period"));
            let Some(spent) = &entry.spent else {
                self.findings.add(Code::Required, &at.field("spent"), &[]);
                continue;
            };
            let at = at.field("spent");
            let minor = check_range(spent.minor, 0, CART_TOTAL_MAX, &at.field("minor"), self.findings);
            let of = super::amounts::currency(spent.currency_code, &at.field("currency_code"), self.findings);
            if of == Some(currency) {
                lowered.push(Spend {
                    brand: self.find(entry.brand_id),
                    period: self.find(entry.period),
                    minor,
                });
            }
        }
        lowered
    }

    fn payment(&mut self, payment: &view::Payment<'_>, at: &At<'_>) -> Payment {
        self.required_name(payment.method, &at.field("method"));
        Payment {
            method: self.folded(payment.method, &at.field("method")),
            card_class: self.folded(payment.card_class, &at.field("card_class")).symbol,
            issuer: self.folded(payment.issuer, &at.field("issuer")).symbol,
            attributes: self.attributes(&payment.attributes, at),
        }
    }

    fn codes(&mut self, cart: &view::Cart<'_>, at: &At<'_>) -> Vec<GivenCode> {
        check_count(cart.codes.len(), CODES_MAX, &at.field("codes"), self.findings);
        check_count(cart.vouchers.len(), CODES_MAX, &at.field("vouchers"), self.findings);
        let mut vouchers: HashMap<String, Symbol> = HashMap::new();
        for (index, voucher) in cart.vouchers.iter().enumerate() {
            let at = at.item("vouchers", index);
            self.required_name(voucher.code, &at.field("code"));
            self.required_name(voucher.promotion_id, &at.field("promotion_id"));
            vouchers.insert(fold(voucher.code), self.find(voucher.promotion_id));
        }
        let mut seen: HashSet<String> = HashSet::default();
        let mut codes = Vec::with_capacity(cart.codes.len());
        for (index, code) in cart.codes.iter().enumerate() {
            self.required_name(code, &at.item("codes", index));
            let folded = fold(code);
            let voucher_of = vouchers.get(&folded).copied();
            let code = self.find(&folded);
            codes.push(GivenCode { code, voucher_of, repeated: !seen.insert(folded) });
        }
        codes
    }

    fn attributes(&mut self, attributes: &[view::Attribute<'_>], at: &At<'_>) -> Vec<Attribute> {
        use view::AttributeValue as Value;
        check_count(attributes.len(), FACTS_MAX, &at.field("attributes"), self.findings);
        let mut lowered: Vec<Attribute> = Vec::with_capacity(attributes.len());
        let mut seen: HashSet<&str> = HashSet::default();
        for (index, attribute) in attributes.iter().take(FACTS_MAX).enumerate() {
            let at = at.item("attributes", index);
            if self.required_name(attribute.name, &at.field("name")) && !seen.insert(attribute.name) {
                let value = attribute.name.into();
                self.findings.add(Code::Duplicate, &at.field("name"), &[("value", value)]);
            }
            let value = match &attribute.value {
                None => {
                    self.findings.add(Code::Required, &at.field("value"), &[]);
                    continue;
                }
                Some(Value::Text(text)) => AttributeValue::Text(self.find(&text.nfc().collect::<String>())),
                Some(Value::Number(number)) => AttributeValue::Number(*number),
                Some(Value::Flag(flag)) => AttributeValue::Flag(*flag),
            };
            lowered.push(Attribute { name: self.find(attribute.name), value });
        }
        lowered
    }

    fn find(&self, name: &str) -> Symbol {
        self.reference.symbols.find(name)
    }

    fn folded(&mut self, name: &str, at: &At<'_>) -> Name {
        self.check_name(name, at);
        Name { symbol: self.reference.symbols.find_folded(name), written: name.into() }
    }

    fn check_name(&mut self, name: &str, at: &At<'_>) {
        check_length(name, NAME_BYTES_MAX, at, self.findings);
    }

    /// Whether a required name is there.
    fn required_name(&mut self, name: &str, at: &At<'_>) -> bool {
        if name.is_empty() {
            self.findings.add(Code::Required, at, &[]);
        }
        self.check_name(name, at);
        !name.is_empty()
    }
}
