//! Bytes to messages: nothing longer, deeper or newer than this version can read gets any further.

use prost::Message;

use crate::diagnostics::{At, Code, Findings};
use crate::limits::{PROMOTION_BYTES_MAX, REQUEST_BYTES_MAX, RULESET_BYTES_MAX};
use crate::proto::{self, OnUnsupported};
use crate::reader::{self, Unreadable, View};
use crate::unknown;

/// A ruleset whose policy and promotions are still bytes, so that one of them that can't be read
/// doesn't take the others with it. Field numbers are those of `Ruleset`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RawRuleset {
    #[prost(string, tag = "1")]
    pub(crate) company_id: String,
    #[prost(int64, tag = "2")]
    pub(crate) revision: i64,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) policy: Vec<u8>,
    #[prost(bytes = "vec", repeated, tag = "4")]
    pub(crate) promotions: Vec<Vec<u8>>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) stores: Vec<crate::proto::Store>,
    #[prost(message, repeated, tag = "6")]
    pub(crate) categories: Vec<crate::proto::Category>,
    #[prost(message, repeated, tag = "7")]
    pub(crate) holiday_calendars: Vec<crate::proto::HolidayCalendar>,
}

/// Reads a request; a caller may be newer, so that fields that aren't known are passed over.
pub(crate) fn request<'a, V: View<'a>>(bytes: &'a [u8], message: &'static str) -> Result<V, Findings> {
    check_length(bytes, REQUEST_BYTES_MAX, &At::ROOT)?;
    reader::view(bytes).map_err(|unreadable| match unreadable {
        Unreadable::TooDeep => Findings::one(Code::TooDeep, &At::ROOT, &[]),
        Unreadable::Malformed => Findings::one(Code::NotAMessage, &At::ROOT, &[("message", message.into())]),
    })
}

/// Decodes a request into a message of its own, for what is changed and evaluated again.
pub(crate) fn owned_request<M: Message + Default>(
    bytes: &[u8],
    message: &'static str,
) -> Result<M, Findings> {
    decode(bytes, message, REQUEST_BYTES_MAX, &At::ROOT)
}

/// Decodes a ruleset down to the bytes of its promotions.
pub(crate) fn ruleset(bytes: &[u8]) -> Result<RawRuleset, Findings> {
    decode(bytes, "Ruleset", RULESET_BYTES_MAX, &At::ROOT)
}

/// Decodes a definition, which must hold nothing that this version doesn't know: a rule that is
/// understood in part is another rule (fail closed).
pub(crate) fn definition<M: Message + Default>(
    bytes: &[u8],
    message: &'static str,
    at: &At<'_>,
) -> Result<M, Findings> {
    let decoded = decode(bytes, message, PROMOTION_BYTES_MAX, at)?;
    let mut findings = Findings::default();
    unknown::find(bytes, message, at, &mut findings);
    if findings.refuse() { Err(findings) } else { Ok(decoded) }
}

/// The envelope of a promotion: the fields that are read even where others can't be. Field numbers are those of
/// `Promotion`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Envelope {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(int32, tag = "8")]
    pub(crate) priority: i32,
    #[prost(message, optional, tag = "9")]
    pub(crate) trigger: Option<proto::Trigger>,
    #[prost(message, optional, tag = "10")]
    pub(crate) schedule: Option<proto::Schedule>,
    #[prost(message, optional, tag = "11")]
    pub(crate) targeting: Option<proto::Targeting>,
    #[prost(message, optional, tag = "14")]
    pub(crate) stacking: Option<proto::Stacking>,
    #[prost(int32, tag = "18")]
    on_unsupported: i32,
}

impl Envelope {
    /// Reads an envelope, or nothing but the id where the rest of it can't be read.
    pub(crate) fn of(promotion: &[u8]) -> Self {
        let envelope = Self::decode(promotion);
        envelope.unwrap_or_else(|_| Self { id: id(promotion), ..Self::default() })
    }

    /// What is to be done with the promotion; a value that isn't known blocks, as none does.
    pub(crate) fn on_unsupported(&self) -> OnUnsupported {
        match OnUnsupported::try_from(self.on_unsupported) {
            Ok(OnUnsupported::Unspecified) | Err(_) => OnUnsupported::BlockGroup,
            Ok(said) => said,
        }
    }
}

/// The id of a promotion, or of another part of a ruleset, as far as it can be read.
pub(crate) fn id(bytes: &[u8]) -> String {
    #[derive(Clone, PartialEq, Message)]
    struct Named {
        #[prost(string, tag = "1")]
        id: String,
    }
    Named::decode(bytes).map(|named| named.id).unwrap_or_default()
}

fn decode<M: Message + Default>(
    bytes: &[u8],
    message: &'static str,
    limit: usize,
    at: &At<'_>,
) -> Result<M, Findings> {
    check_length(bytes, limit, at)?;
    M::decode(bytes).map_err(|error| {
        // The decoder tells its reason in words only; a test holds it to these.
        if error.to_string().contains("recursion limit") {
            Findings::one(Code::TooDeep, at, &[])
        } else {
            Findings::one(Code::NotAMessage, at, &[("message", message.into())])
        }
    })
}

fn check_length(bytes: &[u8], limit: usize, at: &At<'_>) -> Result<(), Findings> {
    if bytes.len() <= limit {
        return Ok(());
    }
    let parameters = [("given", bytes.len().into()), ("limit", limit.into())];
    Err(Findings::one(Code::MessageTooLarge, at, &parameters))
}
