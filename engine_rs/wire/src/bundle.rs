//! A ruleset as a set of items: what it is cut into for tills that have most of it, and the root over all.

use prost::bytes::Buf;
use prost::encoding::{WireType, decode_key, decode_varint};
use sha2::{Digest, Sha256};

use crate::decode;
use crate::diagnostics::{At, Code, Findings};
use crate::limits::RULESET_BYTES_MAX;

/// The fields of a `Ruleset` that say whose it is, by number: company and revision. They are no items.
const HEAD: [u32; 2] = [1, 2];
/// The policy, the one item without an id.
const POLICY: u32 = 3;
/// The last field of a `Ruleset` that this version knows.
const LAST: u32 = 7;

/// One part of a ruleset: a promotion, a piece of reference data, or the policy.
pub struct Item<'a> {
    /// The number of its field in `Ruleset`.
    pub field: u32,
    /// Its id; empty for the policy.
    pub id: String,
    /// The bytes of its message.
    pub body: &'a [u8],
}

/// The items of the bytes of a `Ruleset`, in their order.
///
/// # Errors
/// They are no ruleset, or one with a field that this version doesn't know.
pub fn items(ruleset: &[u8]) -> Result<Vec<Item<'_>>, Findings> {
    let mut found = Vec::new();
    each(ruleset, |field, body| {
        let id = if field == POLICY { String::new() } else { decode::id(body) };
        found.push(Item { field, id, body });
    })?;
    Ok(found)
}

/// The root of the bytes of a `Ruleset`: per kind of item, in the order of their fields, the SHA-256 over the
/// sorted SHA-256 of each; and over these, the SHA-256. The order of items makes no difference.
///
/// # Errors
/// They are no ruleset, or one with a field that this version doesn't know.
pub fn root(ruleset: &[u8]) -> Result<[u8; 32], Findings> {
    let mut hashes: Vec<(u32, [u8; 32])> = Vec::new();
    each(ruleset, |field, body| hashes.push((field, Sha256::digest(body).into())))?;
    hashes.sort_unstable();
    let mut root = Sha256::new();
    for kind in POLICY..=LAST {
        let mut part = Sha256::new();
        for (_, hash) in hashes.iter().filter(|(field, _)| *field == kind) {
            part.update(hash);
        }
        root.update(part.finalize());
    }
    Ok(root.finalize().into())
}

fn each<'a>(mut ruleset: &'a [u8], mut meet: impl FnMut(u32, &'a [u8])) -> Result<(), Findings> {
    if ruleset.len() > RULESET_BYTES_MAX {
        let parameters = [("given", ruleset.len().into()), ("limit", RULESET_BYTES_MAX.into())];
        return Err(Findings::one(Code::MessageTooLarge, &At::ROOT, &parameters));
    }
    while ruleset.has_remaining() {
        let (number, wire_type) = decode_key(&mut ruleset).map_err(|_| malformed())?;
        if HEAD.contains(&number) && wire_type == WireType::Varint {
            decode_varint(&mut ruleset).map_err(|_| malformed())?;
            continue;
        }
        if wire_type != WireType::LengthDelimited {
            return Err(malformed());
        }
        let length = decode_varint(&mut ruleset).ok().and_then(|length| usize::try_from(length).ok());
        let body = length.and_then(|length| ruleset.get(..length)).ok_or_else(malformed)?;
        ruleset.advance(body.len());
        match number {
            POLICY..=LAST => meet(number, body),
            _ if HEAD.contains(&number) => {}
            _ => return Err(Findings::one(Code::UnknownField, &At::ROOT, &[("number", number.into())])),
        }
    }
    Ok(())
}

fn malformed() -> Findings {
    Findings::one(Code::NotAMessage, &At::ROOT, &[("message", "Ruleset".into())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto;
    use prost::Message;

    fn ruleset(ids: &[&str]) -> Vec<u8> {
        let promotions =
            ids.iter().map(|id| proto::Promotion { id: (*id).into(), ..Default::default() }).collect();
        proto::Ruleset { company_id: "kopi".into(), revision: 3, promotions, ..Default::default() }
            .encode_to_vec()
    }

    fn root_of(ruleset: &[u8]) -> Option<[u8; 32]> {
        root(ruleset).ok()
    }

    #[test]
    fn the_root_follows_what_is_there_and_not_its_order() {
        assert!(root_of(&ruleset(&[])).is_some());
        assert_eq!(root_of(&ruleset(&["a", "b"])), root_of(&ruleset(&["b", "a"])));
        assert_ne!(root_of(&ruleset(&["a", "b"])), root_of(&ruleset(&["a"])));
        assert_ne!(root_of(&ruleset(&["a", "a"])), root_of(&ruleset(&["a"])));
    }

    #[test]
    fn an_item_of_one_kind_is_not_one_of_another() {
        let store = proto::Ruleset {
            stores: vec![proto::Store { id: "a".into(), ..Default::default() }],
            ..Default::default()
        };
        assert_ne!(root_of(&store.encode_to_vec()), root_of(&ruleset(&["a"])));
    }

    #[test]
    fn items_have_their_ids_and_bytes() {
        let mut bytes = ruleset(&["a", "b"]);
        bytes.extend(
            proto::Ruleset { policy: Some(proto::Policy::default()), ..Default::default() }.encode_to_vec(),
        );
        let named: Vec<(u32, String, usize)> = items(&bytes)
            .map(|items| items.into_iter().map(|item| (item.field, item.id, item.body.len())).collect())
            .unwrap_or_default();
        assert_eq!(named, [(4, "a".into(), 3), (4, "b".into(), 3), (3, String::new(), 0)]);
    }

    #[test]
    fn what_is_no_ruleset_or_a_later_one_has_no_root() {
        let whole = ruleset(&["a", "b"]);
        assert!(root(whole.get(..whole.len() - 1).unwrap_or_default()).is_err());
        // Field 8, which this version doesn't have, and field 4 as a number.
        assert!(root(&[0x42, 0x00]).is_err());
        assert!(root(&[0x20, 0x01]).is_err());
    }
}
