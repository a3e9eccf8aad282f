//! How much the carts that were priced in this process have taken, for whoever watches it.

use std::sync::atomic::{AtomicU64, Ordering};

use dealwright_core::evaluation::{Evaluation, Proof};

/// What is summed up.
const NAMES: [&str; 5] = ["carts", "candidates", "eligible", "nodes", "unproven"];

static SUMS: [AtomicU64; NAMES.len()] = [const { AtomicU64::new(0) }; NAMES.len()];

/// Sums over all carts that were priced since the process began: how many there were, promotions that were a
/// candidate, those of them that were eligible, nodes that searches visited, and carts for which the search
/// ended at its budget.
pub fn work() -> impl Iterator<Item = (&'static str, u64)> {
    NAMES.into_iter().zip(SUMS.iter().map(|sum| sum.load(Ordering::Relaxed)))
}

/// Adds one cart.
pub(crate) fn add(evaluation: &Evaluation) {
    let counts = [
        1,
        count(evaluation.candidates),
        count(evaluation.eligible),
        count(evaluation.nodes),
        u64::from(matches!(evaluation.proof, Proof::Bounded(_))),
    ];
    for (sum, count) in SUMS.iter().zip(counts) {
        sum.fetch_add(count, Ordering::Relaxed);
    }
}

fn count(number: impl TryInto<u64>) -> u64 {
    number.try_into().unwrap_or_default()
}
