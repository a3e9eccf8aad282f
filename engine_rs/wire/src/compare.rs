//! How two revisions differ on one cart (S-11.9).

use std::collections::{HashMap, HashSet};

use dealwright_core::currency::Currency;
use dealwright_core::reason::{Because, Reason};
use foldhash::fast::RandomState;
use jiff::Timestamp;
use prost::Message;

use crate::compiled::Compiled;
use crate::decode;
use crate::diagnostics::{At, Code, Findings};
use crate::proto;
use crate::replay::result_of;
use crate::texts::{self, Language};

impl Compiled {
    /// Answers the bytes of a `CompareRequest`, whose earlier revision this is, with those of a
    /// `CompareResponse`.
    ///
    /// # Errors
    /// What is wrong with the request.
    pub fn compare(&self, after: &Self, request: &[u8], now: Timestamp) -> Result<Vec<u8>, Findings> {
        let request: proto::CompareRequest = decode::owned_request(request, "CompareRequest")?;
        self.check_revision(request.revision_before, &At::ROOT.field("revision_before"))?;
        after.check_revision(request.revision_after, &At::ROOT.field("revision_after"))?;
        let at = At::ROOT.field("request");
        let Some(asked) = &request.request else {
            return Err(Findings::one(Code::Required, &at, &[]));
        };
        let bytes = asked.encode_to_vec();
        let evaluate = |ruleset: &Self| {
            let response = ruleset.evaluate(&bytes, now).map_err(|findings| findings.inside(&at));
            response.map(|response| result_of(&response))
        };
        let (before, after) = (evaluate(self)?, evaluate(after)?);
        let tag = asked.options.as_ref().map(|options| options.language.as_str());
        let language = tag.filter(|tag| !tag.is_empty()).map(Language::of);
        let comparison = Some(comparison(&before, &after, language));
        let response = proto::CompareResponse { before: Some(before), after: Some(after), comparison };
        Ok(response.encode_to_vec())
    }
}

fn comparison(
    before: &proto::Result,
    after: &proto::Result,
    language: Option<Language>,
) -> proto::Comparison {
    let currency = Currency::parse(&before.currency_code);
    let words = language.zip(currency);
    let totals = |result: &proto::Result| result.totals.clone().unwrap_or_default();
    let (had, has) = (totals(before), totals(after));
    let payable_minor = has.payable_minor - had.payable_minor;
    let text = words.map(|(language, currency)| texts::paid_more(currency, payable_minor, language));
    let (outcome_before, outcome_after) = (Outcome::of(before), Outcome::of(after));
    proto::Comparison {
        promotions: ids(before, after)
            .into_iter()
            .filter_map(|id| difference(id, &outcome_before, &outcome_after, words))
            .collect(),
        lines: before.lines.iter().zip(&after.lines).filter_map(line_difference).collect(),
        discount_minor: has.discount_minor - had.discount_minor,
        payable_minor,
        payable_tax_minor: has.payable_tax_minor - had.payable_tax_minor,
        text: text.unwrap_or_default(),
    }
}

/// The promotions that either result names, each once.
fn ids<'a>(before: &'a proto::Result, after: &'a proto::Result) -> Vec<&'a str> {
    let both = [before, after];
    let applied = both.iter().flat_map(|result| &result.applications).map(|of| of.promotion_id.as_str());
    let judged = both.iter().flat_map(|result| &result.verdicts).map(|of| of.promotion_id.as_str());
    let mut seen: HashSet<&str, RandomState> = HashSet::default();
    applied.chain(judged).filter(|id| seen.insert(id)).collect()
}

/// What a result says of each promotion.
struct Outcome<'a> {
    given: HashMap<&'a str, proto::Given, RandomState>,
    verdicts: HashMap<&'a str, &'a proto::Verdict, RandomState>,
}

impl<'a> Outcome<'a> {
    fn of(result: &'a proto::Result) -> Self {
        let mut given: HashMap<&str, proto::Given, RandomState> = HashMap::default();
        for application in &result.applications {
            given.entry(&application.promotion_id).or_default().discount_minor += application.discount_minor;
        }
        for gift in &result.gifts {
            given.entry(&gift.promotion_id).or_default().gifts.push(gift.clone());
        }
        for reward in &result.rewards {
            given.entry(&reward.promotion_id).or_default().rewards.push(reward.clone());
        }
        let verdicts = result.verdicts.iter().map(|verdict| (verdict.promotion_id.as_str(), verdict));
        Self { given, verdicts: verdicts.collect() }
    }

    /// In words, as its verdict says it.
    fn told(&self, id: &str, language: Language, currency: Currency) -> String {
        match (self.verdicts.get(id), self.given.get(id)) {
            (Some(verdict), _) => verdict.text.clone(),
            (None, Some(given)) => {
                let because = Because::money(Reason::Applied, "discount", currency, given.discount_minor);
                texts::reason(&because, language)
            }
            (None, None) => texts::not_applied(language).to_owned(),
        }
    }
}

fn difference(
    id: &str,
    before: &Outcome<'_>,
    after: &Outcome<'_>,
    words: Option<(Language, Currency)>,
) -> Option<proto::PromotionDifference> {
    let (had, has) = (before.given.get(id), after.given.get(id));
    let (judged_before, judged_after) = (before.verdicts.get(id), after.verdicts.get(id));
    let judged = |verdict: Option<&&proto::Verdict>| verdict.map(|of| (of.reason, of.parameters.clone()));
    if had == has && judged(judged_before) == judged(judged_after) {
        return None;
    }
    let text = words.map(|(language, currency)| {
        let told = |outcome: &Outcome<'_>| outcome.told(id, language, currency);
        texts::difference(&told(before), &told(after), language)
    });
    Some(proto::PromotionDifference {
        promotion_id: id.to_owned(),
        given_before: had.cloned(),
        given_after: has.cloned(),
        verdict_before: judged_before.map(|verdict| (*verdict).clone()),
        verdict_after: judged_after.map(|verdict| (*verdict).clone()),
        text: text.unwrap_or_default(),
    })
}

fn line_difference(
    (before, after): (&proto::LineResult, &proto::LineResult),
) -> Option<proto::LineDifference> {
    let difference = proto::LineDifference {
        line_id: before.line_id.clone(),
        discount_minor: after.discount_minor - before.discount_minor,
        payable_minor: after.payable_minor - before.payable_minor,
        payable_tax_minor: after.payable_tax_minor - before.payable_tax_minor,
    };
    let differs = difference.discount_minor != 0 || difference.payable_tax_minor != 0;
    differs.then_some(difference)
}
