//! wire
/// Generated types.
pub mod proto {
    #![allow(missing_docs, unreachable_pub, clippy::all)]
    include!(concat!(env!("OUT_DIR"), "/dealwright.v1.rs"));
}
