//! From the engine's answer to bytes.

use dealwright_core::advice::{Change, NearMiss, Suggestion};
use dealwright_core::currency::Currency;
use dealwright_core::evaluate::{Applied, CodeOutcome, Evaluation, Promise, Proof, Verdicts};
use dealwright_core::model::{Cart, Credit, LineKind, Phase, Role};
use dealwright_core::rational::Fraction;
use dealwright_core::reason::{Because, Parameter, Reason};
use dealwright_core::ruleset::{CodeOwner, Ruleset};
use dealwright_core::tax;
use jiff::Timestamp;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use sha2::{Digest, Sha256};

use crate::proto;
use crate::texts::{self, Language};

/// What an answer is made from.
pub(crate) struct Answer<'a> {
    pub(crate) ruleset: &'a Ruleset,
    pub(crate) policy_fingerprint: &'a [u8; 32],
    /// The cart as it was sent, for the names of its lines.
    pub(crate) sent: &'a proto::Cart,
    pub(crate) cart: &'a Cart,
    pub(crate) at: Timestamp,
    pub(crate) evaluation: &'a Evaluation,
    pub(crate) verdicts: Verdicts,
    /// The tag of the language of texts; none when no texts are wanted.
    pub(crate) language: Option<&'a str>,
    pub(crate) near_misses: Vec<NearMiss>,
    pub(crate) suggestions: Vec<Suggestion>,
}

const RESULT_FIELD: u32 = 1;
const RESULT_HASH_FIELD: u32 = 17;

impl Answer<'_> {
    /// The bytes of an `EvaluateResponse`.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let result = self.result().encode_to_vec();
        let hash = Sha256::digest(&result);
        let mut tail = Vec::with_capacity(hash.len() + 4);
        push_bytes(RESULT_HASH_FIELD, &hash, &mut tail);
        let length = result.len() + tail.len();
        let mut response = Vec::with_capacity(length + 16);
        encode_key(RESULT_FIELD, WireType::LengthDelimited, &mut response);
        encode_varint(length as u64, &mut response);
        response.extend(result);
        response.extend(tail);
        response
    }

    /// The bytes of an `ExplainResponse`: the same result, then the traces.
    pub(crate) fn encode_explained(&self) -> Vec<u8> {
        let traces = self.evaluation.applied.iter().map(|applied| self.trace(applied)).collect();
        let mut response = self.encode();
        response.extend(proto::ExplainResponse { result: None, traces }.encode_to_vec());
        response
    }

    fn result(&self) -> proto::Result {
        let lines: Vec<proto::LineResult> = self.lines();
        proto::Result {
            cart_id: self.sent.id.clone(),
            company_id: self.ruleset.company_id.to_string(),
            revision: self.ruleset.revision,
            policy_fingerprint: self.policy_fingerprint.to_vec(),
            evaluate_time: Some(prost_types::Timestamp {
                seconds: self.at.as_second(),
                nanos: self.at.subsec_nanosecond(),
            }),
            currency_code: self.cart.currency.code().to_owned(),
            totals: Some(self.totals(&lines)),
            lines,
            applications: self.evaluation.applied.iter().map(|applied| self.application(applied)).collect(),
            verdicts: self.verdicts(),
            codes: self.codes(),
            gifts: self.evaluation.applied.iter().filter_map(|applied| self.gift(applied)).collect(),
            rewards: self.evaluation.applied.iter().filter_map(|applied| self.reward(applied)).collect(),
            near_misses: self.near_misses.iter().map(|near_miss| self.near_miss(near_miss)).collect(),
            suggestions: self.suggestions.iter().map(|suggestion| self.suggestion(suggestion)).collect(),
            selection: Some(self.selection()),
            ..proto::Result::default()
        }
    }

    fn line_id(&self, line: usize) -> String {
        self.sent.lines.get(line).map(|line| line.id.clone()).unwrap_or_default()
    }

    fn lines(&self) -> Vec<proto::LineResult> {
        let lines = self.cart.lines.iter().zip(&self.evaluation.lines).enumerate();
        lines
            .map(|(place, (line, runs))| {
                let list = line.list_value();
                let payable = runs.iter().map(|run| run.count * run.each).sum();
                let tax = tax::split(list, list - payable, line.tax_rate_ppm, self.cart.price_mode);
                proto::LineResult {
                    line_id: self.line_id(place),
                    list_minor: list,
                    discount_minor: list - payable,
                    payable_minor: payable,
                    discount_tax_minor: tax.discount,
                    payable_tax_minor: tax.payable,
                    runs: runs
                        .iter()
                        .map(|run| proto::UnitRun { quantity: run.count, unit_payable_minor: run.each })
                        .collect(),
                }
            })
            .collect()
    }

    fn totals(&self, lines: &[proto::LineResult]) -> proto::Totals {
        let mut totals = proto::Totals::default();
        for line in lines {
            totals.list_minor += line.list_minor;
            totals.discount_minor += line.discount_minor;
            totals.payable_minor += line.payable_minor;
            totals.discount_tax_minor += line.discount_tax_minor;
            totals.payable_tax_minor += line.payable_tax_minor;
        }
        let kinds = [LineKind::Item, LineKind::Delivery, LineKind::Fee, LineKind::Tip, LineKind::Gift];
        totals.by_kind = kinds.iter().filter_map(|kind| self.kind_totals(*kind, lines)).collect();
        totals
    }

    fn kind_totals(&self, kind: LineKind, lines: &[proto::LineResult]) -> Option<proto::KindTotals> {
        let of_kind = self.cart.lines.iter().zip(lines).filter(|(line, _)| line.kind == kind);
        let mut totals: Option<proto::KindTotals> = None;
        for (_, line) in of_kind {
            let totals = totals.get_or_insert_default();
            totals.kind = encode_kind(kind).into();
            totals.list_minor += line.list_minor;
            totals.discount_minor += line.discount_minor;
            totals.payable_minor += line.payable_minor;
        }
        totals
    }

    fn application(&self, applied: &Applied) -> proto::Application {
        let promotion = self.ruleset.promotions().get(applied.promotion);
        let shares = applied.units.chunk_by(|one, other| one.line == other.line);
        proto::Application {
            promotion_id: self.promotion_id(applied),
            step: applied.step,
            phase: encode_phase(applied.phase).into(),
            discount_minor: applied.draft.given,
            wanted_minor: if applied.draft.reward.is_some() { 0 } else { applied.draft.capped },
            shares: shares
                .map(|units| proto::Share {
                    line_id: units.first().map(|units| self.line_id(units.line)).unwrap_or_default(),
                    discount_minor: units.iter().map(|units| units.count * units.each).sum(),
                    units: units
                        .iter()
                        .map(|units| proto::UnitShare {
                            first_unit: units.first_unit,
                            quantity: units.count,
                            unit_discount_minor: units.each,
                            role: encode_role(units.role).into(),
                        })
                        .collect(),
                })
                .collect(),
            sets: applied.draft.sets,
            text: match (promotion, self.language) {
                (Some(promotion), Some(language)) => promotion.receipt_text.in_language(language).to_owned(),
                _ => String::new(),
            },
        }
    }

    fn gift(&self, applied: &Applied) -> Option<proto::GiftGrant> {
        let gift = applied.draft.gift.filter(|gift| gift.quantity > 0)?;
        Some(proto::GiftGrant {
            promotion_id: self.promotion_id(applied),
            product_id: self.ruleset.symbols.text(gift.product).to_owned(),
            quantity: gift.quantity,
            value_minor: gift.value,
        })
    }

    fn reward(&self, applied: &Applied) -> Option<proto::RewardGrant> {
        use proto::reward_grant::Grant;
        let mut reward =
            proto::RewardGrant { promotion_id: self.promotion_id(applied), ..proto::RewardGrant::default() };
        reward.grant = Some(match applied.draft.reward.as_ref()? {
            Promise::Cashback(minor, credit) => {
                reward.set_credit_as(encode_credit(*credit));
                Grant::CashbackMinor(*minor)
            }
            Promise::Points(points) => Grant::Points(*points),
            Promise::Multiplier(ppm) => Grant::PointsMultiplierPpm(*ppm),
            Promise::Voucher(promotion) => Grant::VoucherPromotionId(promotion.to_string()),
        });
        Some(reward)
    }

    fn near_miss(&self, near_miss: &NearMiss) -> proto::NearMiss {
        use proto::near_miss::Change as Encoded;
        let promotion = self.ruleset.promotions().get(near_miss.promotion);
        let product = |line: usize| self.sent.lines.get(line).map(|line| line.product_id.clone());
        let change = match near_miss.change {
            Change::SpendMore(currency, minor) => Encoded::SpendMore(encode_money(currency, minor)),
            Change::BuyMore { line, quantity } => Encoded::BuyMore(proto::BuyMore {
                product_ids: product(line).into_iter().collect(),
                quantity,
            }),
        };
        let text = self.language.zip(promotion).map(|(tag, promotion)| {
            let name = promotion.receipt_text.in_language(tag);
            let product = match near_miss.change {
                Change::BuyMore { line, .. } => product(line).unwrap_or_default(),
                Change::SpendMore(..) => String::new(),
            };
            texts::near_miss(near_miss, self.cart.currency, &product, name, Language::of(tag))
        });
        proto::NearMiss {
            promotion_id: promotion.map(|of| of.id.to_string()).unwrap_or_default(),
            gain_minor: near_miss.gain,
            change: Some(change),
            text: text.unwrap_or_default(),
        }
    }

    fn suggestion(&self, suggestion: &Suggestion) -> proto::Suggestion {
        let promotion = self.ruleset.promotions().get(suggestion.promotion);
        let message = promotion.and_then(|of| of.suggestion.as_ref()).map(|add_on| &add_on.message);
        proto::Suggestion {
            promotion_id: promotion.map(|of| of.id.to_string()).unwrap_or_default(),
            product_id: self.ruleset.symbols.text(suggestion.product).to_owned(),
            special_price_minor: suggestion.special_price,
            text: message.map_or("", |of| of.in_language(self.language.unwrap_or_default())).to_owned(),
        }
    }

    fn promotion_id(&self, applied: &Applied) -> String {
        self.ruleset.promotions().get(applied.promotion).map(|of| of.id.to_string()).unwrap_or_default()
    }

    fn verdicts(&self) -> Vec<proto::Verdict> {
        if self.verdicts == Verdicts::None {
            return Vec::new();
        }
        let listed = self.evaluation.verdicts.iter().filter(|verdict| verdict.listed);
        let evaluated = listed.filter_map(|verdict| {
            let promotion = self.ruleset.promotions().get(verdict.promotion)?;
            Some(self.verdict(&promotion.id, &verdict.because))
        });
        let unsupported = self.ruleset.unsupported.iter();
        evaluated
            .chain(unsupported.map(|of| self.verdict(&of.id, &because_unsupported(&of.detail))))
            .collect()
    }

    fn verdict(&self, id: &str, because: &Because) -> proto::Verdict {
        proto::Verdict {
            promotion_id: id.to_owned(),
            reason: encode_reason(because.reason).into(),
            parameters: encode_parameters(because),
            text: self.text_of(because),
        }
    }

    fn text_of(&self, because: &Because) -> String {
        self.language.map(|tag| texts::reason(because, Language::of(tag))).unwrap_or_default()
    }

    fn codes(&self) -> Vec<proto::CodeVerdict> {
        let codes = self.sent.codes.iter().zip(&self.evaluation.codes);
        codes.map(|(code, outcome)| self.code(code, *outcome)).collect()
    }

    fn code(&self, code: &str, outcome: CodeOutcome) -> proto::CodeVerdict {
        let mut verdict = proto::CodeVerdict { code: code.to_owned(), ..proto::CodeVerdict::default() };
        let (id, because) = match outcome {
            CodeOutcome::Unknown => {
                verdict.set_outcome(proto::CodeOutcome::Unknown);
                return verdict;
            }
            CodeOutcome::Duplicate => {
                verdict.set_outcome(proto::CodeOutcome::Duplicate);
                return verdict;
            }
            CodeOutcome::Of(CodeOwner::Promotion(place)) => {
                let promotion =
                    self.ruleset.promotions().get(place).map(|promotion| promotion.id.to_string());
                let verdicts = &self.evaluation.verdicts;
                let verdict = verdicts.iter().find(|verdict| verdict.promotion == place);
                let because = verdict.map(|verdict| verdict.because.clone());
                (promotion, because)
            }
            CodeOutcome::Of(CodeOwner::Unsupported(place)) => {
                let of = self.ruleset.unsupported.get(place);
                (of.map(|of| of.id.to_string()), of.map(|of| because_unsupported(&of.detail)))
            }
        };
        verdict.promotion_id = id.unwrap_or_default();
        let because = because.unwrap_or_else(|| Because::plain(Reason::NoEffect));
        verdict.text = self.text_of(&because);
        verdict.parameters = encode_parameters(&because);
        if because.reason == Reason::Applied {
            verdict.set_outcome(proto::CodeOutcome::Applied);
        } else {
            verdict.set_outcome(proto::CodeOutcome::NotApplied);
        }
        verdict.set_reason(encode_reason(because.reason));
        verdict
    }

    fn selection(&self) -> proto::SelectionReport {
        let (proof, gap) = match self.evaluation.proof {
            Proof::Proven => (proto::Proof::Proven, 0),
            Proof::Bounded(gap) => (proto::Proof::Bounded, gap),
            Proof::NotSought => (proto::Proof::NotSought, 0),
        };
        proto::SelectionReport {
            benefit_minor: self.evaluation.benefit,
            proof: proof.into(),
            gap_minor: gap,
            nodes: self.evaluation.nodes,
        }
    }

    fn trace(&self, applied: &Applied) -> proto::ApplicationTrace {
        let draft = &applied.draft;
        let words = texts::Trace {
            currency: self.cart.currency,
            base: draft.base,
            exact: draft.exact,
            rounded: draft.rounded,
            capped: draft.capped,
            given: draft.given,
        };
        proto::ApplicationTrace {
            promotion_id: self.promotion_id(applied),
            base_minor: draft.base,
            exact: Some(encode_fraction(draft.exact)),
            rounded_minor: draft.rounded,
            capped_minor: draft.capped,
            given_minor: draft.given,
            lines: draft
                .lines
                .iter()
                .map(|line| proto::LineTrace {
                    line_id: self.line_id(line.line),
                    quantity: line.quantity,
                    base_minor: line.base,
                    exact: Some(encode_fraction(line.exact)),
                    given_minor: line.given,
                    refused_minor: line.refused,
                })
                .collect(),
            text: texts::trace(&words, Language::of(self.language.unwrap_or_default())),
        }
    }
}

fn push_bytes(field: u32, bytes: &[u8], buffer: &mut Vec<u8>) {
    encode_key(field, WireType::LengthDelimited, buffer);
    encode_varint(bytes.len() as u64, buffer);
    buffer.extend(bytes);
}

fn because_unsupported(detail: &str) -> Because {
    Because::text(Reason::Unsupported, "detail", detail)
}

fn encode_parameters(because: &Because) -> Vec<proto::Parameter> {
    use proto::parameter::Value;
    let parameter = |(name, value): &(&'static str, Parameter)| proto::Parameter {
        name: (*name).to_owned(),
        value: Some(match value {
            Parameter::Text(text) => Value::Text(text.clone()),
            Parameter::Number(number) => Value::Number(*number),
            Parameter::Money(currency, minor) => Value::Money(encode_money(*currency, *minor)),
        }),
    };
    because.parameters.iter().map(parameter).collect()
}

fn encode_money(currency: Currency, minor: i64) -> proto::Money {
    proto::Money { currency_code: currency.code().to_owned(), minor }
}

fn encode_fraction(fraction: Fraction) -> proto::Fraction {
    let divisor = greatest_common_divisor(fraction.numerator, fraction.denominator);
    proto::Fraction {
        numerator: (fraction.numerator / divisor).to_string(),
        denominator: (fraction.denominator / divisor).to_string(),
    }
}

fn greatest_common_divisor(mut one: i128, mut other: i128) -> i128 {
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one.abs().max(1)
}

fn encode_phase(phase: Phase) -> proto::Phase {
    match phase {
        Phase::Item => proto::Phase::Item,
        Phase::Set => proto::Phase::Set,
        Phase::Order => proto::Phase::Order,
        Phase::Delivery => proto::Phase::Delivery,
        Phase::Payment => proto::Phase::Payment,
        Phase::Reward => proto::Phase::Reward,
    }
}

fn encode_role(role: Role) -> proto::Role {
    match role {
        Role::Plain => proto::Role::Unspecified,
        Role::Qualifier => proto::Role::Qualifier,
        Role::Reward => proto::Role::Reward,
    }
}

fn encode_credit(credit: Credit) -> proto::CreditKind {
    match credit {
        Credit::Points => proto::CreditKind::Points,
        Credit::Wallet => proto::CreditKind::Wallet,
        Credit::Payment => proto::CreditKind::Payment,
    }
}

fn encode_kind(kind: LineKind) -> proto::LineKind {
    match kind {
        LineKind::Item => proto::LineKind::Item,
        LineKind::Delivery => proto::LineKind::Delivery,
        LineKind::Fee => proto::LineKind::Fee,
        LineKind::Tip => proto::LineKind::Tip,
        LineKind::Gift => proto::LineKind::Gift,
    }
}

fn encode_reason(reason: Reason) -> proto::Reason {
    match reason {
        Reason::Applied => proto::Reason::Applied,
        Reason::Unsupported => proto::Reason::Unsupported,
        Reason::Error => proto::Reason::Error,
        Reason::NotStarted => proto::Reason::NotStarted,
        Reason::Ended => proto::Reason::Ended,
        Reason::DayOfWeek => proto::Reason::DayOfWeek,
        Reason::TimeOfDay => proto::Reason::TimeOfDay,
        Reason::Holiday => proto::Reason::Holiday,
        Reason::Store => proto::Reason::Store,
        Reason::Brand => proto::Reason::Brand,
        Reason::Channel => proto::Reason::Channel,
        Reason::Region => proto::Reason::Region,
        Reason::MembersOnly => proto::Reason::MembersOnly,
        Reason::MemberTier => proto::Reason::MemberTier,
        Reason::Segment => proto::Reason::Segment,
        Reason::CustomerType => proto::Reason::CustomerType,
        Reason::CodeNeeded => proto::Reason::CodeNeeded,
        Reason::VoucherNeeded => proto::Reason::VoucherNeeded,
        Reason::Currency => proto::Reason::Currency,
        Reason::NoMatchingLines => proto::Reason::NoMatchingLines,
        Reason::Threshold => proto::Reason::Threshold,
        Reason::Quantity => proto::Reason::Quantity,
        Reason::Payment => proto::Reason::Payment,
        Reason::Customer => proto::Reason::Customer,
        Reason::Attribute => proto::Reason::Attribute,
        Reason::UnknownAttribute => proto::Reason::UnknownAttribute,
        Reason::Condition => proto::Reason::Condition,
        Reason::CrossBrand => proto::Reason::CrossBrand,
        Reason::Limit => proto::Reason::Limit,
        Reason::Budget => proto::Reason::Budget,
        Reason::Exclusive => proto::Reason::Exclusive,
        Reason::Group => proto::Reason::Group,
        Reason::BetterPlan => proto::Reason::BetterPlan,
        Reason::UnitsTaken => proto::Reason::UnitsTaken,
        Reason::NoEffect => proto::Reason::NoEffect,
    }
}
