//! The envelope of a promotion that can't be applied: what is read of it, whatever isn't understood (S-12.5).

use dealwright_core::blocking::{Block, BlockedGroup};
use dealwright_core::model::{Schedule, Trigger};
use dealwright_core::ruleset::Unsupported;

use super::Lowering;
use crate::decode::Envelope;
use crate::diagnostics::At;
use crate::proto::{self, Exclusivity, OnUnsupported};

/// What the engine keeps of a promotion that it can't apply for the reason that is given.
pub(crate) fn unsupported(envelope: &Envelope, detail: String, lowering: &mut Lowering<'_>) -> Unsupported {
    let trigger = lowering.trigger(envelope.trigger.as_ref(), &At::ROOT);
    let codes = match &trigger {
        Trigger::Code(codes) => codes.clone(),
        Trigger::Automatic | Trigger::Voucher | Trigger::Members => Vec::new(),
    };
    let blocks = envelope.on_unsupported() == OnUnsupported::BlockGroup;
    Unsupported {
        id: envelope.id.as_str().into(),
        priority: envelope.priority,
        detail: detail.into(),
        codes,
        block: blocks.then(|| lowering.block(envelope, trigger)),
    }
}

impl Lowering<'_> {
    fn block(&mut self, envelope: &Envelope, trigger: Trigger) -> Block {
        let at = At::ROOT;
        let stacking = envelope.stacking.as_ref();
        let exclusive = stacking.map_or(0, |stacking| stacking.exclusive);
        let not = [Exclusivity::Unspecified as i32, Exclusivity::No as i32];
        let stores = envelope.targeting.as_ref().and_then(|targeting| targeting.store_ids.as_ref());
        Block {
            exclusive: !not.contains(&exclusive),
            groups: stacking.map_or_else(Vec::new, |stacking| self.blocked_groups(stacking)),
            symbol: self.symbols.intern(&envelope.id),
            trigger,
            schedule: self.season(envelope.schedule.as_ref()),
            stores: self.name_filter(stores, &at),
        }
    }

    fn blocked_groups(&mut self, stacking: &proto::Stacking) -> Vec<BlockedGroup> {
        let groups = stacking.groups.iter();
        let of_name = |group: &proto::ExclusionGroup| {
            let name = self.symbols.intern(&group.name);
            BlockedGroup { name, unit: self.groups.unit_bit(name) }
        };
        groups.map(of_name).collect()
    }

    /// The first and last days and instants of a schedule; always, where they can't be read.
    fn season(&mut self, schedule: Option<&proto::Schedule>) -> Schedule {
        let ends = schedule.map(|schedule| proto::Schedule {
            start_time: schedule.start_time,
            end_time: schedule.end_time,
            start_date: schedule.start_date.clone(),
            end_date: schedule.end_date.clone(),
            time_zone: schedule.time_zone.clone(),
            ..proto::Schedule::default()
        });
        let errors = std::mem::take(&mut self.findings);
        let season = self.schedule(ends.as_ref(), &At::ROOT);
        let unreadable = std::mem::replace(&mut self.findings, errors).refuse();
        if unreadable {
            return Schedule::default();
        }
        // A window that begins on the last day may end on the next.
        let last_day = season.last_day.map(|day| day.tomorrow().unwrap_or(day));
        Schedule { last_day, ..season }
    }
}
