//! The policy of a ruleset, and its fingerprint.

use dealwright_core::currency::Currency;
use dealwright_core::model::{Amounts, Policy, RoundingGrain, Selection};
use dealwright_core::rational::RoundingMode;
use dealwright_core::symbols::{Symbols, fold};
use jiff::tz::TimeZone;
use prost::Message;
use sha2::{Digest, Sha256};

use super::amounts::currency;
use super::{Channels, check_count, check_length, check_range, known, zone};
use crate::diagnostics::{At, Code, Findings};
use crate::limits::{AMOUNT_MAX, LIST_MAX, NAME_BYTES_MAX, SEARCH_NODES_MAX};
use crate::proto;

/// The policy with its defaults, and the SHA-256 of it as compiled.
pub(crate) fn policy(written: &proto::Policy, at: &At<'_>, findings: &mut Findings) -> (Policy, [u8; 32]) {
    let rounding = written.rounding.clone().unwrap_or_default();
    let at_rounding = at.field("rounding");
    let nodes = written.search_nodes_max.unwrap_or(Policy::SEARCH_NODES_DEFAULT);
    let increments = increments(&rounding.increments, &at_rounding, findings);
    let selection = known(written.selection, &at.field("selection"), findings);
    let mode = known(rounding.mode, &at_rounding.field("mode"), findings);
    let grain = known(rounding.grain, &at_rounding.field("grain"), findings);
    let policy = Policy {
        selection: match selection {
            Some(proto::Selection::Priority) => Selection::Priority,
            Some(proto::Selection::Unspecified | proto::Selection::Best) | None => Selection::Best,
        },
        rounding_mode: match mode {
            Some(proto::RoundingMode::HalfEven) => RoundingMode::HalfEven,
            Some(proto::RoundingMode::Down) => RoundingMode::Down,
            Some(proto::RoundingMode::Unspecified | proto::RoundingMode::HalfUp) | None => {
                RoundingMode::HalfUp
            }
        },
        rounding_grain: match grain {
            Some(proto::RoundingGrain::Unit) => RoundingGrain::Unit,
            Some(proto::RoundingGrain::Order) => RoundingGrain::Order,
            Some(proto::RoundingGrain::Unspecified | proto::RoundingGrain::Line) | None => {
                RoundingGrain::Line
            }
        },
        increments: Amounts::new(increments.clone()),
        search_nodes_max: check_range(nodes, 1, SEARCH_NODES_MAX, &at.field("search_nodes_max"), findings),
        zone: zone(&written.time_zone, &at.field("time_zone"), findings).unwrap_or(TimeZone::UTC),
    };
    let fingerprint = fingerprint(&policy, increments, written);
    (policy, fingerprint)
}

/// The channels that every company may sell on.
pub(crate) const CHANNELS: [&str; 4] = ["dine_in", "take_away", "delivery", "app"];

/// The channels that the company sells on, among the ruleset's names.
pub(crate) fn channels(
    written: &proto::Policy,
    symbols: &mut Symbols,
    at: &At<'_>,
    findings: &mut Findings,
) -> Channels {
    check_count(written.channels.len(), LIST_MAX, &at.field("channels"), findings);
    for (index, channel) in written.channels.iter().enumerate() {
        let at = at.item("channels", index);
        if channel.trim().is_empty() {
            findings.add(Code::Required, &at, &[]);
        }
        check_length(channel, NAME_BYTES_MAX, &at, findings);
    }
    let listed = written.channels.iter().map(String::as_str);
    CHANNELS.into_iter().chain(listed).map(|channel| symbols.intern_folded(channel)).collect()
}

fn increments(listed: &[proto::Increment], at: &At<'_>, findings: &mut Findings) -> Vec<(Currency, i64)> {
    check_count(listed.len(), LIST_MAX, &at.field("increments"), findings);
    let mut increments: Vec<(Currency, i64)> = Vec::with_capacity(listed.len());
    for (index, increment) in listed.iter().enumerate() {
        let at = at.item("increments", index);
        let minor = check_range(increment.minor, 1, AMOUNT_MAX, &at.field("minor"), findings);
        let code = increment.currency_code.as_str();
        let Some(currency) = currency(code, &at.field("currency_code"), findings) else {
            continue;
        };
        if increments.iter().any(|(earlier, _)| *earlier == currency) {
            findings.add(Code::Duplicate, &at.field("currency_code"), &[("value", code.into())]);
        }
        increments.push((currency, minor));
    }
    increments
}

/// Everything is written out before it is hashed, so that a default and the same value set by hand
/// have one fingerprint.
fn fingerprint(policy: &Policy, mut increments: Vec<(Currency, i64)>, written: &proto::Policy) -> [u8; 32] {
    increments.retain(|(_, minor)| *minor != 1);
    increments.sort();
    let mut channels: Vec<String> = written.channels.iter().map(|channel| fold(channel)).collect();
    channels.retain(|channel| !CHANNELS.contains(&channel.as_str()));
    channels.sort();
    channels.dedup();
    let time_zone = &written.time_zone;
    let increment = |(currency, minor): &(Currency, i64)| proto::Increment {
        currency_code: currency.code().to_owned(),
        minor: *minor,
    };
    let mode = match policy.rounding_mode {
        RoundingMode::HalfUp => proto::RoundingMode::HalfUp,
        RoundingMode::HalfEven => proto::RoundingMode::HalfEven,
        RoundingMode::Down => proto::RoundingMode::Down,
    };
    let grain = match policy.rounding_grain {
        RoundingGrain::Line => proto::RoundingGrain::Line,
        RoundingGrain::Unit => proto::RoundingGrain::Unit,
        RoundingGrain::Order => proto::RoundingGrain::Order,
    };
    let selection = match policy.selection {
        Selection::Best => proto::Selection::Best,
        Selection::Priority => proto::Selection::Priority,
    };
    let written_out = proto::Policy {
        selection: selection.into(),
        rounding: Some(proto::Rounding {
            mode: mode.into(),
            grain: grain.into(),
            increments: increments.iter().map(increment).collect(),
        }),
        search_nodes_max: Some(policy.search_nodes_max),
        time_zone: if time_zone.is_empty() { "UTC".to_owned() } else { time_zone.to_owned() },
        channels,
    };
    Sha256::digest(written_out.encode_to_vec()).into()
}
