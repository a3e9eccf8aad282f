//! The envelope of a promotion.

use dealwright_core::model::{Promotion, Texts};

use super::{Lowering, check_length};
use crate::RULE_LANGUAGE;
use crate::diagnostics::{At, Code};
use crate::limits::{
    FACTS_MAX, ID_CHARS_MAX, LIST_MAX, NAME_BYTES_MAX, STALENESS_SECONDS_MAX, TEXT_BYTES_MAX,
};
use crate::proto;

/// Characters that receipts have room for beside an amount.
const RECEIPT_TEXT_CHARS: usize = 40;

/// The most that a duration has beside its seconds.
const NANOS_MAX: i64 = 999_999_999;

/// Checks a definition and turns it into what the engine runs; nothing when something is wrong.
pub(crate) fn promotion(definition: &proto::Promotion, lowering: &mut Lowering<'_>) -> Option<Promotion> {
    let at = At::ROOT;
    lowering.id(&definition.id, &at.field("id"));
    lowering.rule_language(definition.rule_language, &at.field("rule_language"));
    lowering.texts(&definition.description, &at, "description");
    lowering.texts(&definition.terms, &at, "terms");
    let name = lowering.required_texts(&definition.name, &at, "name");
    let receipt_text = lowering.texts(&definition.receipt_text, &at, "receipt_text");
    check_length(&definition.code, NAME_BYTES_MAX, &at.field("code"), &mut lowering.findings);
    lowering.labels(&definition.labels, &at);
    let trigger = lowering.trigger(definition.trigger.as_ref(), &at);
    let schedule = lowering.schedule(definition.schedule.as_ref(), &at);
    let targeting = lowering.targeting(definition.targeting.as_ref(), &at);
    let condition = lowering.condition(definition.condition.as_ref(), &at, "condition");
    let cross_brand = definition.cross_brand.as_ref();
    let cross_brand = cross_brand.map(|tie| lowering.cross_brand(tie, &at.field("cross_brand")));
    let stacking = lowering.stacking(definition.stacking.as_ref(), &at);
    let limits = lowering.limits(definition.limits.as_ref(), &at);
    lowering.offline(definition.offline.as_ref(), &at.field("offline"));
    let _read_by_engines_that_cannot_apply_it: Option<proto::OnUnsupported> =
        lowering.known(definition.on_unsupported, &at.field("on_unsupported"));
    let offer = lowering.rule(definition, &at);
    if let Some(written) = &definition.limits {
        let at = at.field("limits");
        lowering.remark_uses(written, &trigger, &at);
        lowering.remark_budget(written, offer.as_ref().map_or(&[], |offer| &offer.steps), &at);
    }
    for (index, text) in definition.receipt_text.iter().enumerate() {
        lowering.remark_receipt_text(&text.text, &at.item("receipt_text", index).field("text"));
    }
    lowering.remark_what_is_missing();
    let symbol = lowering.symbols.intern(&definition.id);
    let offer = offer.filter(|_| !lowering.findings.refuse());
    offer.map(|offer| Promotion {
        id: definition.id.as_str().into(),
        symbol,
        receipt_text: if definition.receipt_text.is_empty() { name } else { receipt_text },
        priority: definition.priority,
        trigger,
        schedule,
        targeting,
        min_purchase: offer.min_purchase,
        payment: offer.payment,
        condition,
        cross_brand,
        stacking,
        limits,
        steps: offer.steps,
        suggestion: offer.suggestion,
    })
}

impl Lowering<'_> {
    fn id(&mut self, id: &str, at: &At<'_>) {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if id.is_empty() {
            self.required(at);
        } else if id.len() > ID_CHARS_MAX || !id.bytes().all(allowed) {
            self.add(Code::IdInvalid, at);
        }
    }

    fn rule_language(&mut self, version: i32, at: &At<'_>) {
        if version < 1 {
            self.required(at);
        } else if version > RULE_LANGUAGE {
            self.findings.add(Code::LanguageVersion, at, &[("limit", i64::from(RULE_LANGUAGE).into())]);
        }
    }

    /// Tills alone read it; here it is only checked.
    fn offline(&mut self, offline: Option<&proto::Offline>, at: &At<'_>) {
        let Some(longest) = offline.and_then(|offline| offline.max_staleness.as_ref()) else { return };
        let at = at.field("max_staleness");
        self.check_range(longest.seconds, 0, STALENESS_SECONDS_MAX, &at);
        self.check_range(longest.nanos.into(), 0, NANOS_MAX, &at);
    }

    pub(super) fn required_texts(
        &mut self,
        texts: &[proto::Text],
        at: &At<'_>,
        field: &'static str,
    ) -> Texts {
        if texts.is_empty() {
            self.required(&at.field(field));
        }
        self.texts(texts, at, field)
    }

    fn texts(&mut self, texts: &[proto::Text], at: &At<'_>, field: &'static str) -> Texts {
        self.check_count(texts.len(), FACTS_MAX, &at.field(field));
        self.note_languages(texts, &at.field(field));
        let mut lowered: Vec<(Box<str>, Box<str>)> = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            let at = at.item(field, index);
            let language = text.language.as_str();
            if !is_language(language) {
                self.findings.add(
                    Code::LanguageInvalid,
                    &at.field("language"),
                    &[("value", language.into())],
                );
            } else if lowered.iter().any(|(listed, _)| **listed == *language) {
                self.findings.add(Code::Duplicate, &at.field("language"), &[("value", language.into())]);
            }
            if text.text.trim().is_empty() {
                self.required(&at.field("text"));
            }
            check_length(&text.text, TEXT_BYTES_MAX, &at.field("text"), &mut self.findings);
            lowered.push((language.into(), text.text.as_str().into()));
        }
        Texts::new(lowered)
    }

    fn remark_receipt_text(&mut self, text: &str, at: &At<'_>) {
        let given = text.chars().count();
        if given > RECEIPT_TEXT_CHARS {
            let parameters = [("given", given.into()), ("limit", RECEIPT_TEXT_CHARS.into())];
            self.remark(Code::ReceiptTextLong, at, &parameters);
        }
    }

    fn labels(&mut self, labels: &[proto::Attribute], at: &At<'_>) {
        self.check_count(labels.len(), LIST_MAX, &at.field("labels"));
        let mut seen = std::collections::HashSet::new();
        for (index, label) in labels.iter().enumerate() {
            let at = at.item("labels", index);
            self.name(&label.name, &at.field("name"));
            if !seen.insert(label.name.as_str()) {
                let value = label.name.as_str().into();
                self.findings.add(Code::Duplicate, &at.field("name"), &[("value", value)]);
            }
            if label.value.is_none() {
                self.required(&at.field("value"));
            }
        }
    }
}

/// A language tag of BCP 47 in lower case, as far as its shape goes: en, id, zh-hant, es-419.
fn is_language(tag: &str) -> bool {
    let part = |part: &str| {
        (1..=8).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let primary = tag.split('-').next().unwrap_or_default();
    (2..=3).contains(&primary.len())
        && primary.bytes().all(|byte| byte.is_ascii_lowercase())
        && tag.split('-').all(part)
}
