//! Which units a benefit takes (S-6.1, S-6.2).

use std::collections::HashMap;

use super::Applying;
use crate::model::{Role, UnitLimit, UnitOrder};
use crate::units::{Cut, Prices, Run, phase_start};

/// The first units of a run, as a benefit takes them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Picked {
    /// The run's place among the runs.
    pub(crate) run: usize,
    /// The line's place in the cart.
    pub(crate) line: usize,
    /// The line's product, as the first line of it.
    pub(crate) product: usize,
    /// How many units.
    pub(crate) count: i64,
    /// The price left of each.
    pub(crate) left: i64,
    /// The list price of each.
    pub(crate) list: i64,
    /// The price of each at the start of the phase.
    pub(crate) phase_start: i64,
    /// The price of each that the promotion started from.
    pub(crate) base: i64,
    /// What each can lose: its price left down to its floor.
    pub(crate) capacity: i64,
}

impl Picked {
    /// A cut of all these units by nothing.
    pub(super) fn whole(&self, role: Role) -> Cut {
        Cut { run: self.run, line: self.line, skip: 0, count: self.count, each: 0, role }
    }
}

/// The units that the promotion may touch and, when their number is limited, takes; in cart order.
pub(super) fn units(
    applying: &Applying<'_>,
    prices: &Prices,
    pool: &[usize],
    limit: Option<&UnitLimit>,
) -> Vec<Picked> {
    let open: Vec<Picked> = open(applying, prices, pool, |_| true).collect();
    match limit {
        Some(limit) if !limit.is_none() => take(open, limit),
        _ => open,
    }
}

/// The units that no set or gift has used yet, in cart order.
pub(super) fn unused(applying: &Applying<'_>, prices: &Prices, pool: &[usize]) -> Vec<Picked> {
    open(applying, prices, pool, |run| !run.used).collect()
}

/// The units that the promotion may touch, in cart order.
pub(crate) fn open<'a>(
    applying: &'a Applying<'a>,
    prices: &'a Prices,
    pool: &'a [usize],
    also: impl Fn(&Run) -> bool + 'a,
) -> impl Iterator<Item = Picked> + 'a {
    let stacking = &applying.promotion.stacking;
    // A promotion doesn't stand in its own way: only what others did to a unit counts.
    let (own, others) = (applying.own, !applying.own);
    let is_open = move |run: &Run| {
        run.closed_by & others == 0
            && (stacking.on_discounted || run.lowered_by & others == 0)
            && (run.groups & stacking.unit_groups == 0 || run.lowered_by & own != 0)
            && also(run)
    };
    prices.runs_of(pool).filter_map(move |(index, run)| {
        if !is_open(run) {
            return None;
        }
        let line = applying.cart.lines.get(run.line)?;
        Some(Picked {
            run: index,
            line: run.line,
            product: line.first_alike,
            count: run.count,
            left: run.left,
            list: line.unit_price,
            phase_start: phase_start(run, applying.current, applying.step.phase),
            base: if applying.begun { run.base } else { run.left },
            capacity: (run.left - line.floor).max(0),
        })
    })
}

/// Puts units in the order in which they are taken; ties stay in cart order.
pub(super) fn sort(units: &mut [Picked], order: UnitOrder) {
    match order {
        UnitOrder::Cheapest => units.sort_by_key(|picked| picked.left),
        UnitOrder::Dearest => units.sort_by_key(|picked| std::cmp::Reverse(picked.left)),
        UnitOrder::Cart => {}
    }
}

fn take(mut units: Vec<Picked>, limit: &UnitLimit) -> Vec<Picked> {
    sort(&mut units, limit.order);
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
