//! What can be wrong with a definition, a ruleset or a request: every code with its message, once.

use std::fmt;

use prost::Message;

use crate::limits::FINDINGS_MAX;
use crate::proto;

/// What a finding means for what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It is refused.
    Error,
    /// It is accepted, but probably isn't meant.
    Warning,
}

macro_rules! catalogue {
    ($($name:ident $severity:ident $template:literal)*) => {
        /// What can be wrong; the id in the catalogue is stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code { $(#[doc = $template] $name,)* }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// What the finding means.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }

            /// The message, with the names of parameters in braces.
            #[must_use]
            pub fn template(self) -> &'static str {
                match self { $(Self::$name => $template,)* }
            }

            fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
        }
    };
}

catalogue! {
    NotAMessage Error "The bytes are no {message}."
    TooDeep Error "The message is nested deeper than it can be read."
    MessageTooLarge Error "{given} bytes are more than the {limit} that are accepted."
    UnknownField Error "There is a field that this version doesn't know, number {number}."
    EnumUnknown Error "{value} is no value that this version knows."
    Required Error "It is required."
    NotAllowed Error "It isn't allowed here: {why}."
    OutOfRange Error "{value} doesn't lie within {minimum} and {maximum}."
    RangeEmpty Error "The minimum is above the maximum."
    Duplicate Error "{value} occurs twice."
    TooMany Error "{given} are more than the {limit} that are accepted."
    TextTooLong Error "{given} bytes are more than the {limit} that are accepted."
    IdInvalid Error "An id has 1 to 64 characters of a-z, A-Z, 0-9, '.', '_' and '-'."
    LanguageInvalid Error "{value} is no language tag in lower case, such as en or id."
    LanguageVersion Error "This version speaks the rule language up to {limit}."
    CurrencyUnknown Error "{value} is no ISO 4217 currency."
    DateInvalid Error "{value} is no date as YYYY-MM-DD."
    BirthdayInvalid Error "{value} is no day as MM-DD."
    TimeInvalid Error "{value} is no time of day as HH:MM or HH:MM:SS."
    TimeZoneUnknown Error "{value} is no IANA time zone."
    WindowEmpty Error "A window that ends when it starts holds nothing; leave the windows out for the whole day."
    ScheduleEmpty Error "It ends before it starts."
    CalendarUnknown Error "The ruleset has no holiday calendar {value}."
    ConditionTooDeep Error "A condition has at most {limit} levels."
    ConditionTooLarge Error "The conditions of a promotion have at most {limit} parts."
    GroupScopeDiffers Error "Other members of the group {value} give it another scope."
    SetTooSmall Error "A set needs at least two units, and a slot that must be filled."
    TiersNotRising Error "The minimum of a tier must lie above that of the tier before."
    TierBelowMinimum Error "A tier must end above its minimum."
    ParentUnknown Error "The cart has no other line {value}."
    CategoryCycle Error "The category {value} is its own ancestor."
    LineUnknown Error "The cart has no line {value}."
    ParentReturned Error "The line {value}, which this one modifies, comes back whole; this one must come back too."
    RevisionDiffers Error "These definitions are revision {held}, not {value}."
    ResultDiffers Error "It isn't what this sale gives: {why}."
    TotalTooLarge Error "The lines are worth more than {limit} minor units together."
    ScheduleWithoutDay Error "No day from {first} to {last} is one of its days of the week."
    ScheduleDisjoint Error "Its local days and its instants have no moment in common."
    SelectsNothing Error "Everything that it includes is excluded again."
    ProductsTooFew Error "{needed} different products are needed, and only {given} can be picked."
    ProductsDisjoint Error "What is bought and what is got must be of one product, but no product is both."
    BrandsEqual Error "The brands that trigger it are those that benefit."
    WindowTooShort Warning "The window is open for {seconds} seconds only."
    WindowsOverlap Warning "It overlaps window {other}, counted from 0."
    IncludedAndExcluded Warning "{value} is included and excluded; it counts as excluded."
    CodeTooShort Warning "{value} has fewer than {limit} characters: it is easily guessed, or typed by mistake."
    CodeHardToType Warning "{value} holds blanks or signs that can't be seen."
    LimitNeverReached Warning "{value} is never reached, since another limit is {limit}."
    WithoutEffect Warning "It changes nothing: {why}."
    BudgetTooSmall Warning "A budget of {budget} minor units doesn't pay a single discount of {amount}."
    MinimumBecomesFree Warning "A purchase of {minimum} minor units costs nothing with {amount} off."
    EverythingFree Warning "Everything is free, or paid back, without a cap."
    PriceOfZero Warning "A price of 0 gives it away."
    CapBelowAmount Warning "The cap of {cap} minor units is always below the amount of {amount}."
    CapNeverReached Warning "The cap of {cap} minor units is never reached by an amount of {amount}."
    ShareTiny Warning "{value} parts per million are less than a tenth of a percent; 20 % is 200000."
    MultiplierTooSmall Warning "{value} parts per million add no points; twice the points is 2000000."
    TiersOverlap Warning "The tier before ends at {below} minor units only, above {minimum}."
    TiersApart Warning "The tier before ends at {below} minor units; below {minimum} nothing is given."
    TierGivesLess Warning "It gives {value}, no more than the tier before, which gives {before}."
    CurrencyMissing Warning "It has nothing in {currency}, in which other parts of the promotion have amounts."
    LanguageMissing Warning "It has no text in {language}, which other texts of the promotion have."
    ReceiptTextLong Warning "{given} characters are more than the {limit} that a receipt has room for."
    ConditionRepeated Warning "An earlier part of the list asks the same."
    ConditionContradictory Warning "Another part of the list asks the opposite."
    NegatedTwice Warning "The opposite of an opposite is the question itself."
    AlwaysHolds Warning "Every cart for which it can be answered meets it."
    BelowZero Warning "Nothing is counted below 0, so that {maximum} is never met."
    StepRepeated Warning "Step {other}, counted from 0, does the same."
    CodeShared Warning "{value} is a code of {other} too; a customer is told about one of them only."
    GroupOfOne Warning "No other promotion is in the group {value}."
    PromotionRepeated Warning "It does the same as {other}, and both may be applied."
    NeverApplied Warning "No cart can meet it: {why}."
    Dominated Warning "{other} gives at least as much wherever it holds, and excludes it."
    ShutOut Warning "{other} holds wherever it does, comes first, and excludes it."
    GivenTwice Warning "{other} gives the same, and both are applied to one cart."
    NeverAlone Warning "{other} holds wherever it does and takes off more: of {list} minor units {discount} together, instead of {alone}."
    OrderById Warning "It has the priority of {other}, so that their ids decide; the other way round {other_payable} is paid instead of {payable}."
    DiscountHigh Warning "Of a cart of {list} minor units {share} parts per million are taken off, more than {limit}, by {promotions}."
    BelowCost Warning "A unit of {product} that costs {cost} minor units is sold for {price}."
    OrderDiscountAbove Error "Of a cart of {list} minor units {discount} are taken off, more than the company allows, by {promotions}."
    LineDiscountAbove Error "Of a line of {list} minor units {discount} are taken off, more than the company allows, by {promotions}."
    MarginBelow Error "A unit of {product} that costs {cost} minor units is sold for {price}, which leaves less than the company wants."
    StoreUnknown Warning "The ruleset has no store {value}."
    BrandUnknown Warning "No store of the ruleset sells under the brand {value}."
    RegionUnknown Warning "No store of the ruleset lies in the region {value}."
    ChannelUnknown Warning "{value} is none of dine_in, take_away, delivery and app, nor a channel that the policy lists."
    StoreDiffers Warning "The store {store} has {known} instead of {value}; what the cart says counts."
    CategoryUnknown Warning "The ruleset has no category {value}."
    PromotionUnknown Warning "The ruleset has no promotion {value}."
    VoucherNotAccepted Warning "{value} isn't set off by vouchers."
    CurrencyUnserved Warning "The store {store} sells in {currency}, in which the promotion has no amount."
    HolidaysWithoutDay Warning "Its calendars have no day on which it could hold."
}

impl Code {
    /// The stable id, such as `out_of_range`.
    #[must_use]
    pub fn id(self) -> String {
        let mut id = String::new();
        for (index, letter) in self.name().chars().enumerate() {
            if letter.is_uppercase() && index > 0 {
                id.push('_');
            }
            id.push(letter.to_ascii_lowercase());
        }
        id
    }
}

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Number(i64),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        // What callers send comes back shortened: an answer is never much larger than it must be.
        Self::Text(text.chars().take(64).collect())
    }
}

/// A path to a field, kept on the stack and written out only when something is wrong.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    parent: Option<&'a At<'a>>,
    field: &'static str,
    index: Option<usize>,
}

impl<'a> At<'a> {
    /// The message itself.
    pub(crate) const ROOT: At<'static> = At { parent: None, field: "", index: None };

    pub(crate) fn field(&'a self, field: &'static str) -> Self {
        At { parent: Some(self), field, index: None }
    }

    pub(crate) fn item(&'a self, field: &'static str, index: usize) -> Self {
        At { parent: Some(self), field, index: Some(index) }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            fmt::Display::fmt(parent, formatter)?;
            if parent.parent.is_some() {
                formatter.write_str(".")?;
            }
        }
        formatter.write_str(self.field)?;
        self.index.map_or(Ok(()), |index| write!(formatter, "[{index}]"))
    }
}

/// Everything that was found wrong, in the order in which it was met.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    diagnostics: Vec<proto::Diagnostic>,
    errors: usize,
}

impl Findings {
    pub(crate) fn add(&mut self, code: Code, at: &At<'_>, parameters: &[(&'static str, Value)]) {
        self.push(diagnostic(code, at.to_string(), parameters));
    }

    /// As `add`, for a path that was written out before.
    pub(crate) fn add_at(&mut self, code: Code, path: &str, parameters: &[(&'static str, Value)]) {
        self.push(diagnostic(code, path.to_owned(), parameters));
    }

    fn push(&mut self, found: proto::Diagnostic) {
        if found.severity == proto::Severity::Error as i32 {
            self.errors += 1;
        }
        if self.has_room(found.severity) {
            self.diagnostics.push(found);
        }
    }

    /// Whether one more can be told. When there are too many, an error takes the place of a warning.
    fn has_room(&mut self, severity: i32) -> bool {
        if self.diagnostics.len() < FINDINGS_MAX {
            return true;
        }
        if severity != proto::Severity::Error as i32 {
            return false;
        }
        let warning = proto::Severity::Warning as i32;
        let last = self.diagnostics.iter().rposition(|told| told.severity == warning);
        last.map(|place| self.diagnostics.remove(place)).is_some()
    }

    pub(crate) fn one(code: Code, at: &At<'_>, parameters: &[(&'static str, Value)]) -> Self {
        let mut findings = Self::default();
        findings.add(code, at, parameters);
        findings
    }

    /// Adds what was found about one promotion.
    pub(crate) fn absorb(&mut self, about: Self, promotion_id: &str) {
        self.errors += about.errors;
        for mut diagnostic in about.diagnostics {
            if self.has_room(diagnostic.severity) {
                diagnostic.promotion_id = Value::from(promotion_id).to_string();
                self.diagnostics.push(diagnostic);
            }
        }
    }

    /// The findings about a message, as findings about the field that holds it.
    pub(crate) fn inside(mut self, at: &At<'_>) -> Self {
        for diagnostic in &mut self.diagnostics {
            diagnostic.field = match diagnostic.field.as_str() {
                "" => at.to_string(),
                field => format!("{at}.{field}"),
            };
        }
        self
    }

    /// Whether it is refused.
    #[must_use]
    pub fn refuse(&self) -> bool {
        self.errors > 0
    }

    /// The first error, as a short sentence with its field; for reports, not for programs.
    #[must_use]
    pub fn summary(&self) -> String {
        let error = proto::Severity::Error as i32;
        let Some(first) = self.diagnostics.iter().find(|diagnostic| diagnostic.severity == error) else {
            return String::new();
        };
        let about = [&first.promotion_id, &first.field, &first.code];
        let about = about.into_iter().filter(|part| !part.is_empty()).map(String::as_str);
        format!("{}: {}", about.collect::<Vec<_>>().join(": "), first.message)
    }

    /// The bytes of a `Diagnostics` message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        proto::Diagnostics { diagnostics: self.diagnostics.clone() }.encode_to_vec()
    }
}

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => formatter.write_str(text),
            Self::Number(number) => write!(formatter, "{number}"),
        }
    }
}

/// A template with the values of its parameters.
pub(crate) fn sentence(template: &str, parameters: &[(&'static str, Value)]) -> String {
    let mut sentence = template.to_owned();
    for (name, value) in parameters {
        sentence = sentence.replace(&format!("{{{name}}}"), &value.to_string());
    }
    sentence
}

fn diagnostic(code: Code, field: String, parameters: &[(&'static str, Value)]) -> proto::Diagnostic {
    let message = sentence(code.template(), parameters);
    let severity = match code.severity() {
        Severity::Error => proto::Severity::Error,
        Severity::Warning => proto::Severity::Warning,
    };
    let parameter = |(name, value): &(&'static str, Value)| proto::Parameter {
        name: (*name).to_owned(),
        value: Some(match value {
            Value::Text(text) => proto::parameter::Value::Text(text.clone()),
            Value::Number(number) => proto::parameter::Value::Number(*number),
        }),
    };
    proto::Diagnostic {
        code: code.id(),
        severity: severity.into(),
        field,
        message,
        parameters: parameters.iter().map(parameter).collect(),
        promotion_id: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_as_people_read_it() {
        let cart = At::ROOT.field("cart");
        let line = cart.item("lines", 3);
        assert_eq!(line.field("quantity").to_string(), "cart.lines[3].quantity");
        assert_eq!(At::ROOT.to_string(), "");
    }

    #[test]
    fn ids_are_snake_case_and_unique() {
        let mut ids: Vec<String> = Code::ALL.iter().map(|code| code.id()).collect();
        assert!(ids.contains(&"not_a_message".to_owned()) && ids.contains(&"out_of_range".to_owned()));
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), Code::ALL.len());
    }

    #[test]
    fn an_error_is_told_however_many_warnings_came_before() {
        let mut findings = Findings::default();
        for _ in 0..=FINDINGS_MAX {
            findings.add(Code::PriceOfZero, &At::ROOT, &[]);
        }
        assert!(!findings.refuse());
        findings.add(Code::Required, &At::ROOT.field("id"), &[]);
        assert!(findings.refuse());
        assert_eq!(findings.summary(), "id: required: It is required.");
        assert_eq!(findings.diagnostics.len(), FINDINGS_MAX);
    }

    #[test]
    fn a_message_names_its_parameters() {
        let findings = Findings::one(
            Code::OutOfRange,
            &At::ROOT.field("priority"),
            &[("value", 7_i64.into()), ("minimum", 1_i64.into()), ("maximum", 5_i64.into())],
        );
        assert_eq!(findings.summary(), "priority: out_of_range: 7 doesn't lie within 1 and 5.");
    }
}
