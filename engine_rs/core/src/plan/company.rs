//! Whom the promotions of a plan live with (S-7.1). Conflicts are symmetric.

use smallvec::SmallVec;

use crate::model::{Exclusive, Phase, Promotion};
use crate::symbols::Symbol;

/// What the promotions taken so far ask of any other, together.
#[derive(Clone, Debug, Default)]
pub(super) struct Company {
    /// The phases in which they lower prices, as bits.
    phases: u8,
    /// The phases in which one of them stands alone, as bits.
    alone: u8,
    /// Their exclusion groups.
    groups: SmallVec<[Symbol; 4]>,
}

impl Company {
    pub(super) fn admits(&self, promotion: &Promotion) -> bool {
        !clash(&Self::of(promotion), self)
            && !promotion.stacking.order_groups.iter().any(|group| self.groups.contains(group))
    }

    pub(super) fn join(&mut self, promotion: &Promotion) {
        let Self { phases, alone, .. } = Self::of(promotion);
        self.phases |= phases;
        self.alone |= alone;
        self.groups.extend(promotion.stacking.order_groups.iter().copied());
    }

    pub(super) fn is_of_group(&self, group: Symbol) -> bool {
        self.groups.contains(&group)
    }

    /// Whether none of them lowers a price.
    pub(super) fn lowers_nothing(&self) -> bool {
        self.phases == 0
    }

    /// Whether one of them stands alone in the order.
    pub(super) fn stands_alone(&self) -> bool {
        self.alone == u8::MAX
    }

    /// Takes over another company, and keeps the memory.
    pub(super) fn copy_from(&mut self, other: &Self) {
        (self.phases, self.alone) = (other.phases, other.alone);
        self.groups.clear();
        self.groups.extend_from_slice(&other.groups);
    }

    /// One promotion by itself, its groups left out.
    fn of(promotion: &Promotion) -> Self {
        let lowers = promotion.steps.iter().filter(|step| step.phase != Phase::Reward);
        let phases = lowers.fold(0, |phases, step| phases | 1 << step.phase as u8);
        let alone = match promotion.stacking.exclusive {
            Exclusive::No => 0,
            Exclusive::Phase => phases,
            Exclusive::Order if phases == 0 => 0,
            Exclusive::Order => u8::MAX,
        };
        Self { phases, alone, groups: SmallVec::new() }
    }
}

/// Whether one of two promotions stands alone where the other lowers prices.
pub(super) fn exclude_each_other(one: &Promotion, other: &Promotion) -> bool {
    clash(&Company::of(one), &Company::of(other))
}

fn clash(one: &Company, other: &Company) -> bool {
    one.alone & other.phases != 0 || other.alone & one.phases != 0
}
