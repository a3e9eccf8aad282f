//! What a ruleset means as a whole: its promotions beside each other, and beside the company's stores,
//! categories and calendars. A name that nothing else has is most likely a slip.

use std::collections::{HashMap, HashSet};

use dealwright_core::currency::Currency;
use dealwright_core::model;
use dealwright_core::symbols::fold;
use jiff::civil::Date;
use prost::Message;

use crate::compiled::Compiled;
use crate::decode::{self, RawRuleset};
use crate::diagnostics::{At, Code, Findings};
use crate::lowering;
use crate::proto;
use crate::proto::trigger::Trigger;
use crate::unknown::{self, Met};

/// What is to be said about the bytes of a `Ruleset` as a whole: what is wrong with it, and what is probably a
/// slip. What `validate` says about each of its promotions alone isn't repeated.
#[must_use]
pub fn validate_ruleset(bytes: &[u8]) -> Findings {
    let compiled = match Compiled::compile(bytes) {
        Ok(compiled) => compiled,
        Err(findings) => return findings,
    };
    let mut findings = compiled.findings().clone();
    let Ok(raw) = decode::ruleset(bytes) else { return findings };
    let read = |bytes: &Vec<u8>| decode::definition(bytes, "Promotion", &At::ROOT).ok();
    let promotions: Vec<proto::Promotion> = raw.promotions.iter().filter_map(read).collect();
    let policy: proto::Policy = decode::definition(&raw.policy, "Policy", &At::ROOT).unwrap_or_default();
    let company = Company::of(&raw, &policy);
    let usable: HashMap<&str, &model::Promotion> =
        compiled.ruleset.promotions().iter().map(|promotion| (&*promotion.id, promotion)).collect();
    let neighbours = Neighbours::of(&promotions);
    for promotion in &promotions {
        let mut about = Findings::default();
        company.ask(promotion, &mut about);
        if let Some(lowered) = usable.get(promotion.id.as_str()) {
            company.ask_currencies(promotion, lowered, &mut about);
        }
        neighbours.ask(promotion, &mut about);
        findings.absorb(about, &promotion.id);
    }
    findings
}

/// The names of a company's stores, categories and calendars. Where there are none, none is missed.
struct Company<'a> {
    stores: HashSet<String>,
    by_id: HashMap<String, &'a proto::Store>,
    brands: HashSet<String>,
    regions: HashSet<String>,
    categories: HashSet<&'a str>,
    channels: HashSet<String>,
    calendars: HashMap<&'a str, Vec<Date>>,
}

impl<'a> Company<'a> {
    fn of(raw: &'a RawRuleset, policy: &proto::Policy) -> Self {
        let listed = policy.channels.iter().map(String::as_str);
        let named = |name: fn(&proto::Store) -> &String| {
            raw.stores.iter().map(|store| fold(name(store))).filter(|name| !name.is_empty()).collect()
        };
        let calendar = |calendar: &'a proto::HolidayCalendar| {
            (calendar.id.as_str(), calendar.dates.iter().filter_map(|date| date.parse().ok()).collect())
        };
        Self {
            stores: named(|store| &store.id),
            by_id: raw.stores.iter().map(|store| (fold(&store.id), store)).collect(),
            brands: named(|store| &store.brand_id),
            regions: named(|store| &store.region),
            categories: raw.categories.iter().map(|category| category.id.as_str()).collect(),
            channels: lowering::CHANNELS.into_iter().chain(listed).map(fold).collect(),
            calendars: raw.holiday_calendars.iter().map(calendar).collect(),
        }
    }

    fn ask(&self, promotion: &proto::Promotion, findings: &mut Findings) {
        if let Some(targeting) = &promotion.targeting {
            self.ask_targeting(targeting, &At::ROOT.field("targeting"), findings);
        }
        if !self.categories.is_empty() {
            self.ask_categories(promotion, findings);
        }
        if let Some(schedule) = &promotion.schedule {
            self.ask_holidays(schedule, &At::ROOT.field("schedule"), findings);
        }
    }

    fn ask_targeting(&self, targeting: &proto::Targeting, at: &At<'_>, findings: &mut Findings) {
        let names = [
            (&targeting.store_ids, "store_ids", &self.stores, Code::StoreUnknown),
            (&targeting.brand_ids, "brand_ids", &self.brands, Code::BrandUnknown),
            (&targeting.channels, "channels", &self.channels, Code::ChannelUnknown),
            (&targeting.regions, "regions", &self.regions, Code::RegionUnknown),
        ];
        for (filter, field, known, code) in names {
            let Some(filter) = filter.as_ref().filter(|_| !known.is_empty()) else { continue };
            let at = at.field(field);
            for (list, field) in [(&filter.include, "include"), (&filter.exclude, "exclude")] {
                let is_unknown = |(_, name): &(usize, &String)| !known.contains(&fold(name));
                for (index, name) in list.iter().enumerate().filter(is_unknown) {
                    findings.add(code, &at.item(field, index), &[("value", name.as_str().into())]);
                }
            }
        }
    }

    /// Stores that are named, and sell in a currency in which nothing can be given; or every store, when none is.
    fn ask_currencies(
        &self,
        promotion: &proto::Promotion,
        lowered: &model::Promotion,
        findings: &mut Findings,
    ) {
        let is_served = |store: &proto::Store| {
            Currency::parse(&store.currency_code).is_none_or(|currency| lowered.covers(currency))
        };
        let mut unserved = |store: &proto::Store, at: &At<'_>| {
            let (id, currency) = (store.id.as_str().into(), store.currency_code.as_str().into());
            findings.add(Code::CurrencyUnserved, at, &[("store", id), ("currency", currency)]);
        };
        let stores = promotion.targeting.as_ref().and_then(|targeting| targeting.store_ids.as_ref());
        let named = stores.map_or(&[][..], |stores| &stores.include);
        let at = At::ROOT.field("targeting");
        let at = at.field("store_ids");
        for (index, name) in named.iter().enumerate() {
            if let Some(store) = self.by_id.get(&fold(name)).filter(|store| !is_served(store)) {
                unserved(store, &at.item("include", index));
            }
        }
        let first = self.by_id.values().min_by_key(|store| &store.id);
        if named.is_empty() && !self.by_id.values().any(|store| is_served(store)) {
            first.into_iter().for_each(|store| unserved(store, &At::ROOT));
        }
    }

    fn ask_categories(&self, promotion: &proto::Promotion, findings: &mut Findings) {
        unknown::walk(&promotion.encode_to_vec(), "Promotion", &At::ROOT, &mut |met, at| {
            let Met::Bytes("category_ids" | "category_id", name) = met else { return };
            let name = String::from_utf8_lossy(name);
            if !self.categories.contains(&*name) {
                findings.add(Code::CategoryUnknown, at, &[("value", (&*name).into())]);
            }
        });
    }

    /// Holidays that are the only days, when none of them lies between the schedule's days, on one of its days
    /// of the week.
    fn ask_holidays(&self, schedule: &proto::Schedule, at: &At<'_>, findings: &mut Findings) {
        let only = |rule: &&proto::HolidayRule| rule.mode == proto::HolidayMode::Only as i32;
        let Some(rule) = schedule.holidays.as_ref().filter(only) else { return };
        let (first, last) =
            (schedule.start_date.parse::<Date>().ok(), schedule.end_date.parse::<Date>().ok());
        let holds = |day: &Date| {
            let number = i32::from(day.weekday().to_monday_one_offset());
            first.is_none_or(|first| first <= *day)
                && last.is_none_or(|last| *day <= last)
                && (schedule.days_of_week.is_empty() || schedule.days_of_week.contains(&number))
        };
        let mut calendars = rule.calendar_ids.iter().map(|id| self.calendars.get(id.as_str()));
        // A calendar that isn't there is told already.
        if calendars.all(|days| days.is_some_and(|days| !days.iter().any(holds))) {
            findings.add(Code::HolidaysWithoutDay, &at.field("holidays"), &[]);
        }
    }
}

/// The promotions of a ruleset by what they may share.
struct Neighbours<'a> {
    by_id: HashMap<&'a str, &'a proto::Promotion>,
    by_code: HashMap<String, Vec<&'a str>>,
    by_terms: HashMap<Vec<u8>, Vec<&'a str>>,
    in_group: HashMap<&'a str, usize>,
}

impl<'a> Neighbours<'a> {
    fn of(promotions: &'a [proto::Promotion]) -> Self {
        let mut neighbours = Self {
            by_id: promotions.iter().map(|promotion| (promotion.id.as_str(), promotion)).collect(),
            by_code: HashMap::new(),
            by_terms: HashMap::new(),
            in_group: HashMap::new(),
        };
        for promotion in promotions {
            let id = promotion.id.as_str();
            for code in codes(promotion) {
                neighbours.by_code.entry(fold(code)).or_default().push(id);
            }
            neighbours.by_terms.entry(what_it_does(promotion)).or_default().push(id);
            for group in promotion.stacking.iter().flat_map(|stacking| &stacking.groups) {
                *neighbours.in_group.entry(group.name.as_str()).or_default() += 1;
            }
        }
        neighbours
    }

    fn ask(&self, promotion: &proto::Promotion, findings: &mut Findings) {
        let other_than_it =
            |ids: Option<&Vec<&'a str>>| ids.into_iter().flatten().copied().find(|id| *id != promotion.id);
        let at = At::ROOT.field("trigger");
        let at = at.field("code");
        for (index, code) in codes(promotion).iter().enumerate() {
            if let Some(other) = other_than_it(self.by_code.get(&fold(code))) {
                let parameters = [("value", code.as_str().into()), ("other", other.into())];
                findings.add(Code::CodeShared, &at.item("codes", index), &parameters);
            }
        }
        if let Some(other) = other_than_it(self.by_terms.get(&what_it_does(promotion))) {
            findings.add(Code::PromotionRepeated, &At::ROOT, &[("other", other.into())]);
        }
        let groups = promotion.stacking.iter().flat_map(|stacking| &stacking.groups);
        for (index, group) in groups.enumerate() {
            if self.in_group.get(group.name.as_str()) == Some(&1) {
                let at = At::ROOT.field("stacking");
                let value = group.name.as_str().into();
                findings.add(Code::GroupOfOne, &at.item("groups", index), &[("value", value)]);
            }
        }
        self.ask_vouchers(promotion, findings);
    }

    /// Promotions of which vouchers are promised.
    fn ask_vouchers(&self, promotion: &proto::Promotion, findings: &mut Findings) {
        unknown::walk(&promotion.encode_to_vec(), "Promotion", &At::ROOT, &mut |met, at| {
            let Met::Bytes("voucher_promotion_id", id) = met else { return };
            let id = String::from_utf8_lossy(id);
            let code = match self.by_id.get(&*id).map(|promised| kind(promised)) {
                None => Code::PromotionUnknown,
                Some(Some(Trigger::Voucher(_))) => return,
                Some(_) => Code::VoucherNotAccepted,
            };
            findings.add(code, at, &[("value", (&*id).into())]);
        });
    }
}

fn kind(promotion: &proto::Promotion) -> Option<&Trigger> {
    promotion.trigger.as_ref().and_then(|trigger| trigger.trigger.as_ref())
}

fn codes(promotion: &proto::Promotion) -> &[String] {
    match kind(promotion) {
        Some(Trigger::Code(code)) => &code.codes,
        _ => &[],
    }
}

/// A definition without what only people read.
fn what_it_does(promotion: &proto::Promotion) -> Vec<u8> {
    proto::Promotion {
        id: String::new(),
        code: String::new(),
        name: Vec::new(),
        description: Vec::new(),
        terms: Vec::new(),
        receipt_text: Vec::new(),
        labels: Vec::new(),
        priority: 0,
        ..promotion.clone()
    }
    .encode_to_vec()
}
