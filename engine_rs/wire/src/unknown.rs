//! A walk over a message's bytes with the schema beside it. It finds fields that this version's schema doesn't
//! have: the decoder passes them over, but a rule that is understood in part is another rule.

use std::collections::HashMap;

use prost::bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use crate::diagnostics::{At, Code, Findings};

struct Field {
    number: u32,
    name: &'static str,
    /// The row of the message that it holds.
    holds: Option<usize>,
    /// Whether it is a list.
    repeated: bool,
}

include!(concat!(env!("OUT_DIR"), "/fields.rs"));

/// Reports the fields of a decoded message that aren't in the schema, at any depth.
pub(crate) fn find(bytes: &[u8], message: &str, at: &At<'_>, findings: &mut Findings) {
    walk(bytes, message, at, &mut |met, at| {
        if let Met::Unknown(number) = met {
            findings.add(Code::UnknownField, at, &[("number", number.into())]);
        }
    });
}

/// What a walk meets, at the path of its message, or at its own when it has a name.
pub(crate) enum Met<'a> {
    /// A field that isn't in the schema, by its number.
    Unknown(u32),
    /// A field of bytes that is no message, with its name.
    Bytes(&'static str, &'a [u8]),
}

/// Goes through the fields of a decoded message, at any depth.
pub(crate) fn walk(bytes: &[u8], message: &str, at: &At<'_>, meet: &mut dyn FnMut(Met<'_>, &At<'_>)) {
    let row = MESSAGES.iter().position(|(name, _)| *name == message);
    // The bytes were decoded before: where they can't be read, there is nothing left to find.
    let _unreadable = row.and_then(|row| walk_in(bytes, row, at, meet));
}

fn walk_in(mut bytes: &[u8], row: usize, at: &At<'_>, meet: &mut dyn FnMut(Met<'_>, &At<'_>)) -> Option<()> {
    let (_, fields) = MESSAGES.get(row)?;
    let mut items: HashMap<u32, usize> = HashMap::new();
    while bytes.has_remaining() {
        let (number, wire_type) = decode_key(&mut bytes).ok()?;
        match fields.iter().find(|field| field.number == number) {
            None => meet(Met::Unknown(number), at),
            Some(field) if wire_type == WireType::LengthDelimited => {
                let length = usize::try_from(decode_varint(&mut bytes).ok()?).ok()?;
                let inside = bytes.get(..length)?;
                let at = if field.repeated {
                    let next = items.entry(number).or_default();
                    *next += 1;
                    at.item(field.name, *next - 1)
                } else {
                    at.field(field.name)
                };
                match field.holds {
                    Some(row) => walk_in(inside, row, &at, meet)?,
                    None => meet(Met::Bytes(field.name, inside), &at),
                }
                bytes.advance(length);
                continue;
            }
            Some(_) => {}
        }
        skip_field(wire_type, number, &mut bytes, DecodeContext::default()).ok()?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto;
    use prost::Message;

    fn summary(bytes: &[u8]) -> String {
        let mut findings = Findings::default();
        find(bytes, "Promotion", &At::ROOT, &mut findings);
        findings.summary()
    }

    #[test]
    fn a_field_of_a_later_schema_is_found_at_any_depth() {
        let mut bytes = proto::Promotion { id: "weekend".into(), ..Default::default() }.encode_to_vec();
        assert_eq!(summary(&bytes), "");
        // schedule (10) { holidays (7) { field 99 = 1 } }
        bytes.extend([0x52, 0x05, 0x3a, 0x03, 0x98, 0x06, 0x01]);
        assert_eq!(
            summary(&bytes),
            "schedule.holidays: unknown_field: There is a field that this version doesn't know, number 99."
        );
    }

    #[test]
    fn lists_sent_unpacked_and_messages_in_parts_are_known() {
        // schedule (10) { days_of_week (5) = 1 }, twice and unpacked.
        assert_eq!(summary(&[0x52, 0x02, 0x28, 0x01, 0x52, 0x02, 0x28, 0x02]), "");
    }
}
