//! A ruleset ready to price carts, and the check of a single definition.

use std::collections::{HashMap, HashSet};

use dealwright_core::advice::{NearMiss, near_misses, suggestions};
use dealwright_core::evaluate::evaluate;
use dealwright_core::evaluation::Evaluation;
use dealwright_core::request::{Request, Verdicts};
use dealwright_core::ruleset::{Ruleset, Unsupported};
use dealwright_core::symbols::{Symbol, Symbols};
use foldhash::fast::FixedState;
use jiff::Timestamp;
use jiff::civil::Date;

use crate::decode::{self, Envelope};
use crate::diagnostics::{At, Code, Findings};
use crate::limits::{ADVICE_MAX, CATEGORY_DEPTH_MAX, LIST_MAX, PROMOTIONS_MAX};
use crate::lowering::{self, Channels, Groups, Lowering, Reference, Store, check_count, date, zone};
use crate::results::Answer;
use crate::{proto, view, work};

/// A compiled ruleset: immutable, shared between threads, and complete in itself.
pub struct Compiled {
    pub(crate) ruleset: Ruleset,
    policy_fingerprint: [u8; 32],
    stores: HashMap<String, Store>,
    ancestors: HashMap<Symbol, Vec<Symbol>, FixedState>,
    channels: Channels,
    findings: Findings,
}

/// What is to be said about the bytes of one definition.
#[must_use]
pub fn validate(promotion: &[u8]) -> Findings {
    let mut symbols = Symbols::default();
    let mut groups = Groups::default();
    read_promotion(promotion, &mut symbols, &mut groups, None).findings
}

impl Compiled {
    /// Compiles the bytes of a `Ruleset`. A promotion that can't be used is kept as unsupported and told
    /// by `findings`; refused is only what concerns the ruleset as a whole, or says that it has to be.
    ///
    /// # Errors
    /// What is wrong with the ruleset.
    pub fn compile(bytes: &[u8]) -> Result<Self, Findings> {
        let raw = decode::ruleset(bytes)?;
        let mut findings = Findings::default();
        let mut symbols = Symbols::default();
        if raw.company_id.is_empty() {
            findings.add(Code::Required, &At::ROOT.field("company_id"), &[]);
        }
        lowering::check_range(raw.revision, 0, i64::MAX, &At::ROOT.field("revision"), &mut findings);
        let written = decode::definition(&raw.policy, "Policy", &At::ROOT.field("policy"))?;
        let (policy, policy_fingerprint) =
            lowering::policy(&written, &At::ROOT.field("policy"), &mut findings);
        let channels = lowering::channels(&written, &mut symbols, &At::ROOT.field("policy"), &mut findings);
        let stores = stores(&raw.stores, &mut findings);
        let ancestors = ancestors(&raw.categories, &mut symbols, &mut findings);
        let calendars = calendars(&raw.holiday_calendars, &mut findings);
        check_count(raw.promotions.len(), PROMOTIONS_MAX, &At::ROOT.field("promotions"), &mut findings);
        if findings.refuse() {
            return Err(findings);
        }
        let mut promotions = Vec::with_capacity(raw.promotions.len());
        let mut unusable = Vec::new();
        let mut groups = Groups::default();
        let mut ids = HashSet::with_capacity(raw.promotions.len());
        let mut reasons = Findings::default();
        let mut refused = false;
        for (index, bytes) in raw.promotions.iter().enumerate() {
            let read = read_promotion(bytes, &mut symbols, &mut groups, Some(&calendars));
            if !ids.insert(read.id.clone()) {
                let at = At::ROOT.item("promotions", index);
                findings.add(Code::Duplicate, &at.field("id"), &[("value", read.id.as_str().into())]);
            }
            match read.promotion {
                Some(promotion) => promotions.push(promotion),
                None => {
                    let envelope = Envelope::of(bytes);
                    let detail = read.unusable_because();
                    if envelope.on_unsupported() == proto::OnUnsupported::RefuseRevision {
                        refused = true;
                        let at = At::ROOT.item("promotions", index);
                        findings.absorb(read.findings.clone().inside(&at), &read.id);
                    }
                    unusable.push((envelope, detail));
                }
            }
            reasons.absorb(read.findings, &read.id);
        }
        if refused || findings.refuse() {
            return Err(findings);
        }
        let mut lowering = Lowering::new(&mut symbols, &mut groups, Some(&calendars));
        let unsupported = unusable.into_iter();
        let unsupported: Vec<Unsupported> = unsupported
            .map(|(envelope, detail)| lowering::unsupported(&envelope, detail, &mut lowering))
            .collect();
        let ruleset = Ruleset::new(&raw.company_id, raw.revision, policy, promotions, unsupported, symbols);
        Ok(Self { ruleset, policy_fingerprint, stores, ancestors, channels, findings: reasons })
    }

    /// Prices the cart of an `EvaluateRequest` and gives the bytes of an `EvaluateResponse`.
    ///
    /// # Errors
    /// What is wrong with the request.
    pub fn evaluate(&self, request: &[u8], now: Timestamp) -> Result<Vec<u8>, Findings> {
        let request: view::EvaluateRequest<'_> = decode::request(request, "EvaluateRequest")?;
        let mut findings = Findings::default();
        let options = request.options.unwrap_or_default();
        let at = At::ROOT.field("options");
        let verdicts = lowering::known(options.verdicts, &at.field("verdicts"), &mut findings);
        let asked = Asked {
            cart: request.cart.as_ref(),
            time: request.evaluate_time.as_ref(),
            limit_state: request.limit_state.as_ref(),
            verdicts: verdicts.unwrap_or_default(),
            language: Some(options.language).filter(|tag| !tag.is_empty()),
            near_misses: advice_max(options.near_misses_max, &at.field("near_misses_max"), &mut findings),
            suggestions: advice_max(options.suggestions_max, &at.field("suggestions_max"), &mut findings),
        };
        self.answer(&asked, now, findings, |answer| answer.encode())
    }

    /// Prices the cart of an `ExplainRequest` and gives the bytes of an `ExplainResponse`.
    ///
    /// # Errors
    /// What is wrong with the request.
    pub fn explain(&self, request: &[u8], now: Timestamp) -> Result<Vec<u8>, Findings> {
        let request: view::ExplainRequest<'_> = decode::request(request, "ExplainRequest")?;
        let mut findings = Findings::default();
        let (near_misses, suggestions) = (request.near_misses_max, request.suggestions_max);
        let mut advice = |wanted: Option<i32>, field| {
            advice_max(wanted.unwrap_or(EXPLAINED_ADVICE_MAX), &At::ROOT.field(field), &mut findings)
        };
        let asked = Asked {
            cart: request.cart.as_ref(),
            time: request.evaluate_time.as_ref(),
            limit_state: request.limit_state.as_ref(),
            verdicts: proto::VerdictScope::All,
            language: Some(if request.language.is_empty() { "en" } else { request.language }),
            near_misses: advice(near_misses, "near_misses_max"),
            suggestions: advice(suggestions, "suggestions_max"),
        };
        self.answer(&asked, now, findings, |answer| answer.encode_explained())
    }

    fn answer(
        &self,
        asked: &Asked<'_, '_>,
        now: Timestamp,
        mut findings: Findings,
        encode: impl Fn(&Answer<'_, '_>) -> Vec<u8>,
    ) -> Result<Vec<u8>, Findings> {
        let time = asked.time.map(|time| prost_types::Timestamp { seconds: time.seconds, nanos: time.nanos });
        let at = lowering::instant(time.as_ref(), &At::ROOT.field("evaluate_time"), &mut findings);
        let reference = Reference {
            symbols: &self.ruleset.symbols,
            policy: &self.ruleset.policy,
            stores: &self.stores,
            ancestors: &self.ancestors,
            channels: &self.channels,
        };
        let at = at.unwrap_or(now);
        let lowered = lowering::request(asked.cart, asked.limit_state, at, &reference, &mut findings);
        let (Some(lowered), Some(sent)) = (lowered, asked.cart) else {
            return Err(findings);
        };
        let verdicts = match asked.verdicts {
            proto::VerdictScope::None => Verdicts::None,
            proto::VerdictScope::Unspecified | proto::VerdictScope::Candidates => Verdicts::Candidates,
            proto::VerdictScope::All => Verdicts::All,
        };
        let request = Request::new(&lowered.cart, at, lowered.allowances, verdicts);
        let evaluation = evaluate(&self.ruleset, &request);
        work::add(&evaluation);
        Ok(encode(&Answer {
            ruleset: &self.ruleset,
            policy_fingerprint: &self.policy_fingerprint,
            sent,
            cart: &lowered.cart,
            at,
            evaluation: &evaluation,
            verdicts,
            language: asked.language,
            remarks: &lowered.remarks,
            near_misses: self.near_misses(asked, &request, &evaluation),
            suggestions: suggestions(&self.ruleset, &request, asked.suggestions),
        }))
    }

    /// Near misses are looked for among the candidates, whoever has a verdict.
    fn near_misses(
        &self,
        asked: &Asked<'_, '_>,
        request: &Request<'_>,
        evaluation: &Evaluation,
    ) -> Vec<NearMiss> {
        if asked.near_misses == 0 || request.verdicts != Verdicts::None {
            return near_misses(&self.ruleset, request, evaluation, asked.near_misses);
        }
        let (cart, allowances) = (request.cart, request.allowances.clone());
        let request = Request::new(cart, request.at, allowances, Verdicts::Candidates);
        near_misses(&self.ruleset, &request, &evaluate(&self.ruleset, &request), asked.near_misses)
    }

    /// The tenant.
    #[must_use]
    pub fn company_id(&self) -> &str {
        &self.ruleset.company_id
    }

    /// The revision.
    #[must_use]
    pub fn revision(&self) -> i64 {
        self.ruleset.revision
    }

    /// How many promotions there are, usable or not.
    #[must_use]
    pub fn promotion_count(&self) -> usize {
        self.ruleset.promotions().len() + self.ruleset.unsupported.len()
    }

    /// Those that can't be used, and why.
    pub fn unsupported(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.ruleset.unsupported.iter().map(|promotion| (&*promotion.id, &*promotion.detail))
    }

    /// The SHA-256 of the policy as compiled.
    #[must_use]
    pub fn policy_fingerprint(&self) -> &[u8; 32] {
        &self.policy_fingerprint
    }

    /// What is to be said about its promotions.
    #[must_use]
    pub fn findings(&self) -> &Findings {
        &self.findings
    }
}

/// What both kinds of requests ask.
struct Asked<'a, 'sent> {
    cart: Option<&'a view::Cart<'sent>>,
    time: Option<&'a view::Timestamp>,
    limit_state: Option<&'a view::LimitState<'a>>,
    verdicts: proto::VerdictScope,
    language: Option<&'a str>,
    near_misses: usize,
    suggestions: usize,
}

/// Near misses, and suggestions, of an Explain that doesn't say how many it wants.
const EXPLAINED_ADVICE_MAX: i32 = 5;

fn advice_max(wanted: i32, at: &At<'_>, findings: &mut Findings) -> usize {
    let wanted = lowering::check_range(wanted.into(), 0, ADVICE_MAX, at, findings);
    usize::try_from(wanted).unwrap_or_default()
}

pub(crate) struct Read {
    id: String,
    pub(crate) promotion: Option<dealwright_core::model::Promotion>,
    findings: Findings,
}

impl Read {
    /// What people are told about a promotion that can't be used.
    fn unusable_because(&self) -> String {
        match self.findings.summary() {
            summary if summary.is_empty() => "its type isn't applied by this version".to_owned(),
            summary => summary.trim_end_matches('.').to_owned(),
        }
    }
}

pub(crate) fn read_promotion(
    bytes: &[u8],
    symbols: &mut Symbols,
    groups: &mut Groups,
    calendars: Option<&HashMap<String, Vec<Date>>>,
) -> Read {
    let definition: proto::Promotion = match decode::definition(bytes, "Promotion", &At::ROOT) {
        Ok(definition) => definition,
        Err(findings) => return Read { id: decode::id(bytes), promotion: None, findings },
    };
    let mut lowering = Lowering::new(symbols, groups, calendars);
    let promotion = lowering::promotion(&definition, &mut lowering);
    Read { id: definition.id, promotion, findings: lowering.findings }
}

fn stores(listed: &[proto::Store], findings: &mut Findings) -> HashMap<String, Store> {
    check_count(listed.len(), PROMOTIONS_MAX, &At::ROOT.field("stores"), findings);
    let mut stores = HashMap::with_capacity(listed.len());
    for (index, store) in listed.iter().enumerate() {
        let at = At::ROOT.item("stores", index);
        if store.id.is_empty() {
            findings.add(Code::Required, &at.field("id"), &[]);
        }
        if store.time_zone.is_empty() {
            findings.add(Code::Required, &at.field("time_zone"), &[]);
        }
        let currency = match store.currency_code.as_str() {
            "" => None,
            code => lowering::currency(code, &at.field("currency_code"), findings),
        };
        let Some(zone) = zone(&store.time_zone, &at.field("time_zone"), findings) else {
            continue;
        };
        let known = Store { brand_id: store.brand_id.clone(), region: store.region.clone(), zone, currency };
        if stores.insert(store.id.clone(), known).is_some() {
            findings.add(Code::Duplicate, &at.field("id"), &[("value", store.id.as_str().into())]);
        }
    }
    stores
}

/// Each category with itself and every category that it is part of.
fn ancestors(
    listed: &[proto::Category],
    symbols: &mut Symbols,
    findings: &mut Findings,
) -> HashMap<Symbol, Vec<Symbol>, FixedState> {
    check_count(listed.len(), PROMOTIONS_MAX, &At::ROOT.field("categories"), findings);
    let mut parents: HashMap<&str, &str> = HashMap::with_capacity(listed.len());
    for (index, category) in listed.iter().enumerate() {
        let at = At::ROOT.item("categories", index);
        let at = at.field("id");
        if category.id.is_empty() {
            findings.add(Code::Required, &at, &[]);
        } else if parents.insert(&category.id, &category.parent_id).is_some() {
            findings.add(Code::Duplicate, &at, &[("value", category.id.as_str().into())]);
        }
    }
    let mut ancestors = HashMap::with_capacity_and_hasher(listed.len(), FixedState::default());
    for (index, category) in listed.iter().enumerate() {
        let mut line = Vec::new();
        let mut current = category.id.as_str();
        while !current.is_empty() {
            if line.len() > CATEGORY_DEPTH_MAX || (current == category.id && !line.is_empty()) {
                let at = At::ROOT.item("categories", index);
                let value = category.id.as_str().into();
                findings.add(Code::CategoryCycle, &at.field("parent_id"), &[("value", value)]);
                break;
            }
            line.push(symbols.intern(current));
            current = parents.get(current).copied().unwrap_or("");
        }
        ancestors.insert(symbols.intern(&category.id), line);
    }
    ancestors
}

fn calendars(listed: &[proto::HolidayCalendar], findings: &mut Findings) -> HashMap<String, Vec<Date>> {
    let mut calendars = HashMap::with_capacity(listed.len());
    for (index, calendar) in listed.iter().enumerate() {
        let at = At::ROOT.item("holiday_calendars", index);
        if calendar.id.is_empty() {
            findings.add(Code::Required, &at.field("id"), &[]);
        }
        check_count(calendar.dates.len(), LIST_MAX, &at.field("dates"), findings);
        let mut days = Vec::with_capacity(calendar.dates.len());
        for (index, text) in calendar.dates.iter().enumerate() {
            let at = at.item("dates", index);
            if text.is_empty() {
                findings.add(Code::Required, &at, &[]);
            }
            days.extend(date(text, &at, findings));
        }
        if calendars.insert(calendar.id.clone(), days).is_some() {
            findings.add(Code::Duplicate, &at.field("id"), &[("value", calendar.id.as_str().into())]);
        }
    }
    calendars
}
