//! Between bytes and the engine: decoding with limits, checking, lowering, evaluating, encoding.
//! Everything that enters or leaves the engine is a message of `proto/dealwright/v1`.

pub mod bundle;
mod company;
mod compare;
mod compiled;
mod decode;
pub mod diagnostics;
mod exposure;
pub mod limits;
mod lowering;
mod reader;
mod refund;
mod remark;
mod replay;
mod results;
pub mod signing;
mod texts;
mod unknown;
mod work;
mod writer;

/// The messages of the schema, generated from it.
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/dealwright.v1.rs"));
}

/// The numbers of the fields that answers are written with, generated from the schema.
mod field {
    include!(concat!(env!("OUT_DIR"), "/numbers.rs"));
}

/// Requests whose texts borrow from their bytes, generated from the schema.
mod view {
    use smallvec::SmallVec;

    use crate::reader::{Reader, Unreadable, View};

    include!(concat!(env!("OUT_DIR"), "/views.rs"));
}

pub use company::validate_ruleset;
pub use compiled::{Compiled, validate};
pub use dealwright_core::currency::Currency;
pub use dealwright_core::symbols::fold;
pub use exposure::exposure;
pub use jiff::Timestamp;
pub use work::work;

/// The version of the rule language that this engine speaks; CHANGELOG says what each added.
pub const RULE_LANGUAGE: i32 = 1;
