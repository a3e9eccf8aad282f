//! The prices of all units of a cart while promotions are applied: runs of units that are alike,
//! never one object per unit, so that 6 000 pieces stay one run until a promotion splits it (S-3.2).

use crate::model::{Basis, Cart, Line, LineKind, Phase, Role};

/// Some consecutive units of a line to which the same has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// The line's place in the cart.
    pub(crate) line: usize,
    /// How many units.
    pub(crate) count: i64,
    /// The price left of each.
    pub(crate) left: i64,
    /// The price of each when the current phase started.
    pub(crate) phase_start: i64,
    /// The price of each when the current promotion's first step in the phase started (S-4.5).
    pub(crate) base: i64,
    /// Which promotions lowered them, as the bits of `Mark::by`.
    pub(crate) lowered_by: u64,
    /// Which promotions closed them to later ones, as the bits of `Mark::by`.
    pub(crate) closed_by: u64,
    /// Whether a set or a gift has used them.
    pub(crate) used: bool,
    /// The unit groups of which a member lowered them, as bits.
    pub(crate) groups: u64,
    /// Whether they are goods, and not delivery or a fee.
    is_item: bool,
}

/// What one promotion takes off some consecutive units of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// The run's place among the runs.
    pub(crate) run: usize,
    /// The line's place in the cart.
    pub(crate) line: usize,
    /// How many units of the run lie before.
    pub(crate) skip: i64,
    /// How many units.
    pub(crate) count: i64,
    /// What each loses.
    pub(crate) each: i64,
    /// What the units are to the promotion.
    pub(crate) role: Role,
}

/// How a promotion marks the units that it touches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    /// Tells promotions of several steps apart, which may touch a unit again; all others share a bit.
    pub(crate) by: u64,
    /// Whether those that it lowers are closed to later promotions.
    pub(crate) closes: bool,
    /// Its unit groups, for those that it lowers.
    pub(crate) groups: u64,
    /// Whether all units that take part are used by it, lowered or not.
    pub(crate) uses: bool,
}

/// All units, in cart order.
#[derive(Clone, Debug)]
pub(crate) struct Prices {
    runs: Vec<Run>,
    items: Value,
}

/// What all items together are worth.
#[derive(Clone, Copy, Debug)]
struct Value {
    list: i64,
    phase_start: i64,
    left: i64,
}

impl Prices {
    /// List prices.
    pub(crate) fn of(cart: &Cart) -> Self {
        let run = |(line, priced): (usize, &Line)| Run {
            line,
            count: priced.quantity,
            left: priced.unit_price,
            phase_start: priced.unit_price,
            base: priced.unit_price,
            lowered_by: 0,
            closed_by: 0,
            used: false,
            groups: 0,
            is_item: priced.kind == LineKind::Item,
        };
        let items = cart.lines.iter().filter(|line| line.kind == LineKind::Item);
        let list = items.map(Line::list_value).sum();
        let items = Value { list, phase_start: list, left: list };
        Self { runs: cart.lines.iter().enumerate().map(run).collect(), items }
    }

    /// What all items are worth together, seen from a phase when the pipeline is in another or the same.
    pub(crate) fn value_of_items(&self, basis: Basis, current: Option<Phase>, phase: Phase) -> i64 {
        match basis {
            Basis::List => self.items.list,
            Basis::PhaseStart if current == Some(phase) => self.items.phase_start,
            Basis::PhaseStart | Basis::Current => self.items.left,
        }
    }

    /// Takes over other prices, and keeps the memory.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.runs.clone_from(&other.runs);
        self.items = other.items;
    }

    /// The runs in cart order.
    pub(crate) fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The runs of some lines, which are in cart order, with their places.
    pub(crate) fn runs_of<'a>(&'a self, lines: &'a [usize]) -> impl Iterator<Item = (usize, &'a Run)> {
        let mut place = 0;
        lines.iter().flat_map(move |line| {
            let ahead = self.runs.get(place..).unwrap_or(&[]);
            // Lines that are asked for often follow each other, and runs of one line always do.
            if ahead.first().is_some_and(|run| run.line < *line) {
                place += ahead.partition_point(|run| run.line < *line);
            }
            let start = place;
            let of_line = self.runs.get(start..).unwrap_or(&[]).iter().take_while(|run| run.line == *line);
            place += of_line.clone().count();
            of_line.enumerate().map(move |(index, run)| (start + index, run))
        })
    }

    /// The runs as they are when a phase starts from here.
    pub(crate) fn start_phase(&mut self) {
        self.items.phase_start = self.items.left;
        for run in &mut self.runs {
            run.phase_start = run.left;
        }
    }

    /// The runs as they are when a promotion's first step in a phase starts from here.
    pub(crate) fn start_promotion(&mut self) {
        for run in &mut self.runs {
            run.base = run.left;
        }
    }

    /// Takes the cuts, which are in unit order, off their units.
    pub(crate) fn apply(&mut self, cuts: &[Cut], mark: Mark) {
        let is_item = |cut: &&Cut| self.runs.get(cut.run).is_some_and(|run| run.is_item);
        let taken: i64 = cuts.iter().filter(is_item).map(|cut| cut.each * cut.count).sum();
        self.items.left -= taken;
        let is_whole = |cut: &Cut| self.runs.get(cut.run).is_some_and(|run| run.count == cut.count);
        if cuts.iter().all(is_whole) {
            self.apply_to_whole_runs(cuts, mark);
            return;
        }
        let mut runs = Vec::with_capacity(self.runs.len() + cuts.len());
        let mut cuts = cuts.iter().peekable();
        for (index, run) in self.runs.iter().enumerate() {
            let mut done = 0;
            while let Some(cut) = cuts.next_if(|cut| cut.run == index) {
                push(&mut runs, Run { count: cut.skip - done, ..*run });
                push(&mut runs, cut_run(run, cut, mark));
                done = cut.skip + cut.count;
            }
            push(&mut runs, Run { count: run.count - done, ..*run });
        }
        self.runs = runs;
    }

    fn apply_to_whole_runs(&mut self, cuts: &[Cut], mark: Mark) {
        for cut in cuts {
            if let Some(run) = self.runs.get_mut(cut.run) {
                *run = cut_run(run, cut, mark);
            }
        }
        self.runs.dedup_by(|run, before| {
            let joins = before.is_like(run);
            before.count += if joins { run.count } else { 0 };
            joins
        });
    }
}

impl Run {
    /// Whether the units of two runs that follow each other are alike.
    fn is_like(&self, next: &Self) -> bool {
        self.line == next.line && Self { count: next.count, ..*self } == *next
    }
}

fn cut_run(run: &Run, cut: &Cut, mark: Mark) -> Run {
    let run = Run { count: cut.count, used: run.used || mark.uses, ..*run };
    if cut.each == 0 {
        return run;
    }
    Run {
        left: run.left - cut.each,
        lowered_by: run.lowered_by | mark.by,
        closed_by: run.closed_by | if mark.closes { mark.by } else { 0 },
        groups: run.groups | mark.groups,
        ..run
    }
}

/// Adds a run, joined to the one before when they are alike.
fn push(runs: &mut Vec<Run>, run: Run) {
    if run.count == 0 {
        return;
    }
    match runs.last_mut() {
        Some(last) if last.is_like(&run) => last.count += run.count,
        _ => runs.push(run),
    }
}

/// The price that the phase sees at its start: prices left, when the pipeline isn't in it yet.
pub(crate) fn phase_start(run: &Run, current: Option<Phase>, phase: Phase) -> i64 {
    if current == Some(phase) { run.phase_start } else { run.left }
}
