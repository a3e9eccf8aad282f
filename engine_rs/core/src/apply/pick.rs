//! Which units a benefit takes (S-6.1, S-6.2).

use std::collections::HashMap;

use super::Applying;
use crate::model::{UnitLimit, UnitOrder};
use crate::units::{Prices, Run, phase_start};

/// The first units of a run, as a benefit takes them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Picked {
    /// The run's place among the runs.
    pub(crate) run: usize,
    /// The line's place in the cart.
    pub(crate) line: usize,
    /// How many units.
    pub(crate) count: i64,
    /// The price left of each.
    pub(crate) left: i64,
    /// The list price of each.
    pub(crate) list: i64,
    /// The price of each at the start of the phase.
    pub(crate) phase_start: i64,
    /// What each can lose: its price left down to its floor.
    pub(crate) capacity: i64,
}

/// The units that the promotion may touch and, when their number is limited, takes; in cart order.
pub(super) fn units(
    applying: &Applying<'_>,
    prices: &Prices,
    limit: Option<&UnitLimit>,
) -> Vec<Picked> {
    let open = open_units(applying, prices);
    match limit {
        Some(limit) if limit.max_units.is_some() || limit.max_units_per_line.is_some() => {
            take(open, limit)
        }
        _ => open,
    }
}

fn open_units(applying: &Applying<'_>, prices: &Prices) -> Vec<Picked> {
    let stacking = &applying.promotion.stacking;
    let is_open = |run: &Run| {
        !run.closed
            && (stacking.on_discounted || !run.lowered)
            && run.groups & stacking.unit_groups == 0
    };
    let pick = |(index, run): (usize, &Run)| {
        applying
            .scope
            .binary_search(&run.line)
            .ok()
            .filter(|_| is_open(run))?;
        let line = applying.cart.lines.get(run.line)?;
        Some(Picked {
            run: index,
            line: run.line,
            count: run.count,
            left: run.left,
            list: line.unit_price,
            phase_start: phase_start(run, applying.current, applying.promotion.step.phase),
            capacity: (run.left - line.floor).max(0),
        })
    };
    prices.runs().iter().enumerate().filter_map(pick).collect()
}

/// Takes units in the limit's order; ties go by cart order, and inside a run to its first units.
fn take(mut units: Vec<Picked>, limit: &UnitLimit) -> Vec<Picked> {
    match limit.order {
        UnitOrder::Cheapest => units.sort_by_key(|picked| picked.left),
        UnitOrder::Dearest => units.sort_by_key(|picked| std::cmp::Reverse(picked.left)),
        UnitOrder::Cart => {}
    }
    let per_line = limit.max_units_per_line.unwrap_or(i64::MAX);
    let mut left = limit.max_units.unwrap_or(i64::MAX);
    let mut left_of_line: HashMap<usize, i64> = HashMap::new();
    let mut taken: Vec<Picked> = Vec::with_capacity(units.len());
    for picked in units {
        let line_left = left_of_line.entry(picked.line).or_insert(per_line);
        let count = picked.count.min(left).min(*line_left);
        if count > 0 {
            left -= count;
            *line_left -= count;
            taken.push(Picked { count, ..picked });
        }
    }
    taken.sort_by_key(|picked| picked.run);
    taken
}
