//! The pure promotions engine: what a cart costs under a ruleset, and why.
//!
//! It knows no protobuf, no Python, no clock and no I/O: the same inputs give the same outcome
//! everywhere. The rules are numbered in `docs/semantics.md`; comments refer to them as S-x.y.

pub mod advice;
pub mod allocate;
mod apply;
pub mod blocking;
mod condition;
pub mod currency;
mod eligibility;
pub mod evaluate;
pub mod evaluation;
mod index;
pub mod model;
mod plan;
pub mod rational;
pub mod reason;
pub mod refund;
pub mod request;
pub mod ruleset;
mod schedule;
pub mod symbols;
pub mod tax;
mod units;
