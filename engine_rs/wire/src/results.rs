//! From the engine's answer to bytes.

use dealwright_core::advice::{Change, NearMiss, Suggestion};
use dealwright_core::currency::Currency;
use dealwright_core::evaluation::{
    Applied, CodeOutcome, Evaluation, LeftToPay, Promise, Proof, TouchedUnits,
};
use dealwright_core::model::{Cart, Credit, Line, LineKind, Phase, Promotion, Role};
use dealwright_core::rational::Fraction;
use dealwright_core::reason::{Because, Parameter, Reason};
use dealwright_core::request::Verdicts;
use dealwright_core::ruleset::{CodeOwner, Ruleset};
use dealwright_core::tax;
use jiff::Timestamp;
use prost::Message;
use sha2::{Digest, Sha256};

use crate::field;
use crate::remark::Remark;
use crate::texts::{self, Language};
use crate::writer::Writer;
use crate::{proto, view};

/// What an answer is made from.
pub(crate) struct Answer<'a, 'sent> {
    pub(crate) ruleset: &'a Ruleset,
    pub(crate) policy_fingerprint: &'a [u8; 32],
    /// The cart as it was sent, for the names of its lines.
    pub(crate) sent: &'a view::Cart<'sent>,
    pub(crate) cart: &'a Cart,
    pub(crate) at: Timestamp,
    pub(crate) evaluation: &'a Evaluation,
    pub(crate) verdicts: Verdicts,
    /// The tag of the language of texts; none when no texts are wanted.
    pub(crate) language: Option<&'a str>,
    pub(crate) remarks: &'a [Remark],
    pub(crate) near_misses: Vec<NearMiss>,
    pub(crate) suggestions: Vec<Suggestion>,
}

/// The number of `result` in every response.
const RESULT: u32 = 1;
/// What the largest part of an answer takes, about.
const BYTES_PER_LINE: usize = 48;
const BYTES_PER_VERDICT: usize = 64;
const BYTES_BESIDE: usize = 512;

impl Answer<'_, '_> {
    /// The bytes of an `EvaluateResponse`.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let lines = self.cart.lines.len() * BYTES_PER_LINE;
        let verdicts = self.evaluation.verdicts.len() * BYTES_PER_VERDICT;
        let mut response = Writer::with_capacity(BYTES_BESIDE + lines + verdicts);
        response.message(RESULT, |result| {
            let start = result.bytes().len();
            self.write(result);
            let hash = Sha256::digest(result.bytes().get(start..).unwrap_or_default());
            result.bytes_of(field::result::RESULT_HASH, &hash);
        });
        response.into_bytes()
    }

    /// The bytes of an `ExplainResponse`: the same result, then the traces.
    pub(crate) fn encode_explained(&self) -> Vec<u8> {
        let traces = self.evaluation.applied.iter().map(|applied| self.trace(applied)).collect();
        let mut response = self.encode();
        response.extend(proto::ExplainResponse { traces, ..Default::default() }.encode_to_vec());
        response
    }

    /// Everything but the hash, which is made of it.
    fn write(&self, result: &mut Writer) {
        use field::result as of;
        result.text(of::CART_ID, self.sent.id);
        result.text(of::COMPANY_ID, &self.ruleset.company_id);
        result.number(of::REVISION, self.ruleset.revision);
        result.bytes_of(of::POLICY_FINGERPRINT, self.policy_fingerprint);
        result.message(of::EVALUATE_TIME, |time| {
            time.number(field::timestamp::SECONDS, self.at.as_second());
            time.number(field::timestamp::NANOS, self.at.subsec_nanosecond());
        });
        result.text(of::CURRENCY_CODE, self.cart.currency.code());
        let lines: Vec<LineTotals> =
            self.lines().map(|(line, runs)| LineTotals::of(line, runs, self.cart)).collect();
        result.message(of::TOTALS, |totals| self.write_totals(&lines, totals));
        for ((place, (_, runs)), totals) in self.lines().enumerate().zip(&lines) {
            result.message(of::LINES, |line| totals.write(self.line_id(place), runs, line));
        }
        let applied = || self.evaluation.applied.iter();
        for applied in applied() {
            result.message(of::APPLICATIONS, |application| self.write_application(applied, application));
        }
        self.write_verdicts(result);
        for (code, outcome) in self.sent.codes.iter().zip(&self.evaluation.codes) {
            result.message(of::CODES, |verdict| self.write_code(code, *outcome, verdict));
        }
        for applied in applied() {
            self.write_gift(applied, result);
        }
        for applied in applied() {
            self.write_reward(applied, result);
        }
        for near_miss in &self.near_misses {
            result.message(of::NEAR_MISSES, |written| self.write_near_miss(near_miss, written));
        }
        for suggestion in &self.suggestions {
            result.message(of::SUGGESTIONS, |written| self.write_suggestion(suggestion, written));
        }
        result.message(of::SELECTION, |selection| self.write_selection(selection));
        for remark in self.remarks {
            result.message(of::REMARKS, |written| self.write_remark(remark, written));
        }
    }

    fn lines(&self) -> impl Iterator<Item = (&Line, &[LeftToPay])> {
        self.cart.lines.iter().zip(self.evaluation.lines.iter().map(|runs| &runs[..]))
    }

    fn line_id(&self, line: usize) -> &str {
        self.sent.lines.get(line).map_or("", |line| line.id)
    }

    fn promotion(&self, place: usize) -> Option<&Promotion> {
        self.ruleset.promotions().get(place)
    }

    fn promotion_id(&self, place: usize) -> &str {
        self.promotion(place).map_or("", |promotion| &promotion.id)
    }

    fn write_totals(&self, lines: &[LineTotals], totals: &mut Writer) {
        use field::totals as of;
        let sum = |of: fn(&LineTotals) -> i64| -> i64 { lines.iter().map(of).sum() };
        totals.number(of::LIST_MINOR, sum(|line| line.list));
        totals.number(of::DISCOUNT_MINOR, sum(LineTotals::discount));
        totals.number(of::PAYABLE_MINOR, sum(|line| line.payable));
        totals.number(of::DISCOUNT_TAX_MINOR, sum(|line| line.discount_tax));
        totals.number(of::PAYABLE_TAX_MINOR, sum(|line| line.payable_tax));
        let kinds = [LineKind::Item, LineKind::Delivery, LineKind::Fee, LineKind::Tip, LineKind::Gift];
        for kind in kinds {
            self.write_kind_totals(kind, lines, totals);
        }
    }

    fn write_kind_totals(&self, kind: LineKind, lines: &[LineTotals], totals: &mut Writer) {
        use field::kind_totals as of;
        let of_kind = self.cart.lines.iter().zip(lines).filter(|(line, _)| line.kind == kind);
        let mut of_kind = of_kind.map(|(_, totals)| totals).peekable();
        if of_kind.peek().is_none() {
            return;
        }
        let sums = of_kind.map(|line| (line.list, line.payable));
        let (list, payable) = sums.fold((0, 0), |sum, line| (sum.0 + line.0, sum.1 + line.1));
        totals.message(field::totals::BY_KIND, |totals| {
            totals.choice(of::KIND, encode_kind(kind));
            totals.number(of::LIST_MINOR, list);
            totals.number(of::DISCOUNT_MINOR, list - payable);
            totals.number(of::PAYABLE_MINOR, payable);
        });
    }

    fn write_application(&self, applied: &Applied, application: &mut Writer) {
        use field::application as of;
        application.text(of::PROMOTION_ID, self.promotion_id(applied.promotion));
        application.number(of::STEP, applied.step);
        application.choice(of::PHASE, encode_phase(applied.phase));
        application.number(of::DISCOUNT_MINOR, applied.draft.given);
        let wanted = if applied.draft.reward.is_some() { 0 } else { applied.draft.capped };
        application.number(of::WANTED_MINOR, wanted);
        for units in applied.units.chunk_by(|one, other| one.line == other.line) {
            application.message(of::SHARES, |share| self.write_share(units, share));
        }
        application.number(of::SETS, applied.draft.sets);
        if let Some((promotion, language)) = self.promotion(applied.promotion).zip(self.language) {
            application.text(of::TEXT, promotion.receipt_text.in_language(language));
        }
    }

    fn write_share(&self, units: &[TouchedUnits], share: &mut Writer) {
        use field::share as of;
        use field::unit_share as of_units;
        share.text(of::LINE_ID, units.first().map_or("", |units| self.line_id(units.line)));
        share.number(of::DISCOUNT_MINOR, units.iter().map(|units| units.count * units.each).sum::<i64>());
        for units in units {
            share.message(of::UNITS, |share| {
                share.number(of_units::FIRST_UNIT, units.first_unit);
                share.number(of_units::QUANTITY, units.count);
                share.number(of_units::UNIT_DISCOUNT_MINOR, units.each);
                share.choice(of_units::ROLE, encode_role(units.role));
            });
        }
    }

    fn write_gift(&self, applied: &Applied, result: &mut Writer) {
        use field::gift_grant as of;
        let Some(gift) = applied.draft.gift.filter(|gift| gift.quantity > 0) else { return };
        result.message(field::result::GIFTS, |grant| {
            grant.text(of::PROMOTION_ID, self.promotion_id(applied.promotion));
            grant.text(of::PRODUCT_ID, self.ruleset.symbols.text(gift.product));
            grant.number(of::QUANTITY, gift.quantity);
            grant.number(of::VALUE_MINOR, gift.value);
        });
    }

    fn write_reward(&self, applied: &Applied, result: &mut Writer) {
        use field::reward_grant as of;
        let Some(promise) = &applied.draft.reward else { return };
        result.message(field::result::REWARDS, |grant| {
            grant.text(of::PROMOTION_ID, self.promotion_id(applied.promotion));
            match promise {
                Promise::Cashback(minor, credit) => {
                    grant.present_number(of::CASHBACK_MINOR, *minor);
                    grant.choice(of::CREDIT_AS, encode_credit(*credit));
                }
                Promise::Points(points) => grant.present_number(of::POINTS, *points),
                Promise::Multiplier(ppm) => grant.present_number(of::POINTS_MULTIPLIER_PPM, *ppm),
                Promise::Voucher(promotion) => grant.present_text(of::VOUCHER_PROMOTION_ID, promotion),
            }
        });
    }

    fn write_near_miss(&self, near_miss: &NearMiss, written: &mut Writer) {
        use field::near_miss as of;
        let product = |line: usize| self.sent.lines.get(line).map_or("", |line| line.product_id);
        let (product, promotion) = match near_miss.change {
            Change::BuyMore { line, .. } => (product(line), self.promotion(near_miss.promotion)),
            Change::SpendMore(..) => ("", self.promotion(near_miss.promotion)),
        };
        written.text(of::PROMOTION_ID, promotion.map_or("", |promotion| &promotion.id));
        match near_miss.change {
            Change::SpendMore(currency, minor) => write_money(of::SPEND_MORE, currency, minor, written),
            Change::BuyMore { quantity, .. } => written.message(of::BUY_MORE, |more| {
                more.text(field::buy_more::PRODUCT_IDS, product);
                more.number(field::buy_more::QUANTITY, quantity);
            }),
        }
        written.number(of::GAIN_MINOR, near_miss.gain);
        if let Some((tag, promotion)) = self.language.zip(promotion) {
            let name = promotion.receipt_text.in_language(tag);
            let text = texts::near_miss(near_miss, self.cart.currency, product, name, Language::of(tag));
            written.text(of::TEXT, &text);
        }
    }

    fn write_suggestion(&self, suggestion: &Suggestion, written: &mut Writer) {
        use field::suggestion as of;
        let promotion = self.promotion(suggestion.promotion);
        let message = promotion.and_then(|of| of.suggestion.as_ref()).map(|add_on| &add_on.message);
        written.text(of::PROMOTION_ID, self.promotion_id(suggestion.promotion));
        written.text(of::PRODUCT_ID, self.ruleset.symbols.text(suggestion.product));
        written.number(of::SPECIAL_PRICE_MINOR, suggestion.special_price);
        written.text(of::TEXT, message.map_or("", |of| of.in_language(self.language.unwrap_or_default())));
    }

    fn write_verdicts(&self, result: &mut Writer) {
        if self.verdicts == Verdicts::None {
            return;
        }
        let mut write = |id: &str, because: &Because| {
            result.message(field::result::VERDICTS, |verdict| {
                use field::verdict as of;
                verdict.text(of::PROMOTION_ID, id);
                verdict.choice(of::REASON, encode_reason(because.reason));
                write_parameters(of::PARAMETERS, because, verdict);
                verdict.text(of::TEXT, &self.text_of(because));
            });
        };
        for verdict in self.evaluation.verdicts.iter().filter(|verdict| verdict.listed) {
            write(self.promotion_id(verdict.promotion), &verdict.because);
        }
        for unsupported in &self.ruleset.unsupported {
            write(&unsupported.id, &because_unsupported(&unsupported.detail));
        }
    }

    fn text_of(&self, because: &Because) -> String {
        self.language.map(|tag| texts::reason(because, Language::of(tag))).unwrap_or_default()
    }

    fn write_text(&self, number: u32, text: impl Fn(Language) -> &'static str, message: &mut Writer) {
        message.text(number, self.language.map_or("", |tag| text(Language::of(tag))));
    }

    fn write_code(&self, code: &str, outcome: CodeOutcome, verdict: &mut Writer) {
        use field::code_verdict as of;
        verdict.text(of::CODE, code);
        let owner = match outcome {
            CodeOutcome::Unknown => {
                verdict.choice(of::OUTCOME, proto::CodeOutcome::Unknown);
                return self.write_text(of::TEXT, texts::unknown_code, verdict);
            }
            CodeOutcome::Duplicate => {
                verdict.choice(of::OUTCOME, proto::CodeOutcome::Duplicate);
                return self.write_text(of::TEXT, texts::repeated_code, verdict);
            }
            CodeOutcome::Of(owner) => owner,
        };
        let (id, because) = self.answer_to_code(owner);
        let outcome = match because.reason {
            Reason::Applied => proto::CodeOutcome::Applied,
            _ => proto::CodeOutcome::NotApplied,
        };
        verdict.text(of::PROMOTION_ID, id);
        verdict.choice(of::OUTCOME, outcome);
        verdict.choice(of::REASON, encode_reason(because.reason));
        write_parameters(of::PARAMETERS, &because, verdict);
        verdict.text(of::TEXT, &self.text_of(&because));
    }

    /// The promotion that a code belongs to, and its verdict.
    fn answer_to_code(&self, owner: CodeOwner) -> (&str, Because) {
        let no_effect = || Because::plain(Reason::NoEffect);
        match owner {
            CodeOwner::Promotion(place) => {
                let mut verdicts = self.evaluation.verdicts.iter();
                let verdict = verdicts.find(|verdict| verdict.promotion == place);
                let because = verdict.map_or_else(no_effect, |verdict| verdict.because.clone());
                (self.promotion_id(place), because)
            }
            CodeOwner::Unsupported(place) => {
                let of = self.ruleset.unsupported.get(place);
                let because = of.map_or_else(no_effect, |of| because_unsupported(&of.detail));
                (of.map_or("", |of| &of.id), because)
            }
        }
    }

    fn write_selection(&self, selection: &mut Writer) {
        use field::selection_report as of;
        let (proof, gap) = match self.evaluation.proof {
            Proof::Proven => (proto::Proof::Proven, 0),
            Proof::Bounded(gap) => (proto::Proof::Bounded, gap),
            Proof::NotSought => (proto::Proof::NotSought, 0),
        };
        selection.number(of::BENEFIT_MINOR, self.evaluation.benefit);
        selection.choice(of::PROOF, proof);
        selection.number(of::GAP_MINOR, gap);
        selection.number(of::NODES, self.evaluation.nodes);
    }

    fn write_remark(&self, remark: &Remark, written: &mut Writer) {
        use field::remark as of;
        written.text(of::CODE, &remark.code.id());
        written.text(of::FIELD, &remark.field);
        for (name, value) in &remark.parameters {
            written.message(of::PARAMETERS, |parameter| {
                parameter.text(field::parameter::NAME, name);
                parameter.present_text(field::parameter::TEXT, &value.to_string());
            });
        }
        let text = self.language.map(|tag| remark.text(Language::of(tag)));
        written.text(of::TEXT, &text.unwrap_or_default());
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
            promotion_id: self.promotion_id(applied.promotion).to_owned(),
            base_minor: draft.base,
            exact: Some(encode_fraction(draft.exact)),
            rounded_minor: draft.rounded,
            capped_minor: draft.capped,
            given_minor: draft.given,
            lines: draft
                .lines
                .iter()
                .map(|line| proto::LineTrace {
                    line_id: self.line_id(line.line).to_owned(),
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

/// What a line comes to, in minor units.
struct LineTotals {
    list: i64,
    payable: i64,
    discount_tax: i64,
    payable_tax: i64,
}

impl LineTotals {
    fn of(line: &Line, runs: &[LeftToPay], cart: &Cart) -> Self {
        let list = line.list_value();
        let payable = runs.iter().map(|run| run.count * run.each).sum();
        let tax = tax::split(list, list - payable, line.tax_rate_ppm, cart.price_mode);
        Self { list, payable, discount_tax: tax.discount, payable_tax: tax.payable }
    }

    fn discount(&self) -> i64 {
        self.list - self.payable
    }

    fn write(&self, id: &str, runs: &[LeftToPay], line: &mut Writer) {
        use field::line_result as of;
        line.text(of::LINE_ID, id);
        line.number(of::LIST_MINOR, self.list);
        line.number(of::DISCOUNT_MINOR, self.discount());
        line.number(of::PAYABLE_MINOR, self.payable);
        line.number(of::DISCOUNT_TAX_MINOR, self.discount_tax);
        line.number(of::PAYABLE_TAX_MINOR, self.payable_tax);
        for run in runs {
            line.message(of::RUNS, |units| {
                units.number(field::unit_run::QUANTITY, run.count);
                units.number(field::unit_run::UNIT_PAYABLE_MINOR, run.each);
            });
        }
    }
}

fn because_unsupported(detail: &str) -> Because {
    Because::text(Reason::Unsupported, "detail", detail)
}

fn write_parameters(number: u32, because: &Because, verdict: &mut Writer) {
    use field::parameter as of;
    for (name, value) in &because.parameters {
        verdict.message(number, |parameter| {
            parameter.text(of::NAME, name);
            match value {
                Parameter::Text(text) => parameter.present_text(of::TEXT, text),
                Parameter::Number(number) => parameter.present_number(of::NUMBER, *number),
                Parameter::Money(currency, minor) => write_money(of::MONEY, *currency, *minor, parameter),
            }
        });
    }
}

fn write_money(number: u32, currency: Currency, minor: i64, writer: &mut Writer) {
    writer.message(number, |money| {
        money.text(field::money::CURRENCY_CODE, currency.code());
        money.number(field::money::MINOR, minor);
    });
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
        Reason::Lease => proto::Reason::Lease,
        Reason::Blocked => proto::Reason::Blocked,
    }
}
