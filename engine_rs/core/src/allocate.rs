//! Splitting a whole amount so that the parts add up to it exactly (S-5).

/// Splits `amount` over `weights` by largest remainder; ties go to the earlier. A weight of 0 gets
/// nothing; when all are 0, nothing is given. Amount and weights are not negative and below 2^62.
#[must_use]
pub fn by_largest_remainder(amount: i64, weights: &[i64]) -> Vec<i64> {
    let lines: Vec<Alike> =
        weights.iter().map(|&weight| Alike { count: 1, weight, capacity: i64::MAX }).collect();
    to_units(amount, &lines).iter().map(|split| split.sum(1)).collect()
}

/// Some units of a line that are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alike {
    /// How many.
    pub count: i64,
    /// What each weighs in the split.
    pub weight: i64,
    /// What each can take at most.
    pub capacity: i64,
}

/// What some units that were alike got: the first `raised` of them one minor unit more than `each`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct UnitSplit {
    /// What each unit got.
    pub each: i64,
    /// How many of the first units got one more.
    pub raised: i64,
}

impl UnitSplit {
    /// What `count` units got together.
    #[must_use]
    pub fn sum(&self, count: i64) -> i64 {
        self.each * count + self.raised
    }
}

/// Splits a line's `amount` over its units by largest remainder; ties go to the first units. Work
/// depends on the groups of units that are alike, never on their number.
#[must_use]
pub fn to_units(amount: i64, units: &[Alike]) -> Vec<UnitSplit> {
    let total = total_weight(units);
    if total == 0 {
        return vec![UnitSplit::default(); units.len()];
    }
    let mut left = amount;
    let mut by_remainder: Vec<(i128, usize)> = Vec::with_capacity(units.len());
    let mut splits: Vec<UnitSplit> = Vec::with_capacity(units.len());
    for (place, alike) in units.iter().enumerate() {
        let (each, remainder) = exact_share(amount, alike.weight, total);
        left -= each * alike.count;
        by_remainder.push((remainder, place));
        splits.push(UnitSplit { each, raised: 0 });
    }
    if left > 0 {
        by_remainder.sort_by_key(|(remainder, _)| std::cmp::Reverse(*remainder));
    }
    for (_, place) in by_remainder {
        if left == 0 {
            break;
        }
        if let Some((split, alike)) = splits.get_mut(place).zip(units.get(place)) {
            let raised = left.min(alike.count);
            left -= raised;
            // All units raised is the same as each having one more.
            let all = raised == alike.count;
            *split = if all {
                UnitSplit { each: split.each + 1, raised: 0 }
            } else {
                UnitSplit { raised, ..*split }
            };
        }
    }
    splits
}

/// As `to_units`, but what a unit's capacity refuses is lost: the price of the others isn't touched by it.
#[must_use]
pub fn to_units_clamped(amount: i64, units: &[Alike]) -> Vec<UnitSplit> {
    let mut splits = to_units(amount, units);
    for (split, alike) in splits.iter_mut().zip(units) {
        if split.each >= alike.capacity {
            *split = UnitSplit { each: alike.capacity, raised: 0 };
        }
    }
    splits
}

/// As `to_units`, but what a unit's capacity refuses flows to the others until it is stable.
#[must_use]
pub fn to_units_filling(amount: i64, units: &[Alike]) -> Vec<UnitSplit> {
    let mut total = total_weight(units);
    let fills_up = |left: i64, total: i128, alike: &Alike| {
        i128::from(left) * i128::from(alike.weight) > i128::from(alike.capacity) * total
    };
    if !units.iter().any(|alike| alike.weight > 0 && fills_up(amount, total, alike)) {
        return to_units(amount, units);
    }
    // The first to fill up are those with the least capacity for their weight: one pass finds them all.
    let mut order: Vec<(usize, &Alike)> =
        units.iter().enumerate().filter(|(_, alike)| alike.weight > 0).collect();
    order.sort_by(|(_, one), (_, other)| {
        let ratio = |one: &Alike, other: &Alike| i128::from(one.capacity) * i128::from(other.weight);
        ratio(one, other).cmp(&ratio(other, one))
    });
    let mut open = units.to_vec();
    let mut left = amount;
    for (place, alike) in order {
        if !fills_up(left, total, alike) {
            break;
        }
        left -= alike.capacity * alike.count;
        total -= i128::from(alike.weight) * i128::from(alike.count);
        if let Some(full) = open.get_mut(place) {
            full.weight = 0;
        }
    }
    let mut splits = to_units(left, &open);
    for ((split, alike), open) in splits.iter_mut().zip(units).zip(&open) {
        if open.weight == 0 && alike.weight > 0 {
            *split = UnitSplit { each: alike.capacity, raised: 0 };
        }
    }
    splits
}

fn total_weight(units: &[Alike]) -> i128 {
    units.iter().map(|alike| i128::from(alike.weight) * i128::from(alike.count)).sum()
}

/// The whole part of a share, and what remains, in parts of the total.
fn exact_share(amount: i64, weight: i64, total: i128) -> (i64, i128) {
    // Most amounts are small, and a division of 64 bits takes a fraction of one of 128.
    if let (Some(exact), Ok(total)) = (amount.checked_mul(weight), i64::try_from(total)) {
        return (exact / total, i128::from(exact % total));
    }
    let exact = i128::from(amount) * i128::from(weight);
    (narrow(exact / total), exact % total)
}

/// A share is never larger than the amount it is a share of, which fits 64 bits.
fn narrow(share: i128) -> i64 {
    i64::try_from(share).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_water_filling(amount: i64, weights: &[i64], capacities: &[i64]) -> Vec<i64> {
        let alike = |(&weight, &capacity)| Alike { count: 1, weight, capacity };
        let lines: Vec<Alike> = weights.iter().zip(capacities).map(alike).collect();
        to_units_filling(amount, &lines).iter().map(|split| split.sum(1)).collect()
    }

    #[test]
    fn parts_add_up_and_ties_go_to_the_earlier() {
        assert_eq!(by_largest_remainder(100, &[1, 1, 1]), [34, 33, 33]);
        assert_eq!(by_largest_remainder(1000, &[1, 2, 4]), [143, 286, 571]);
        assert_eq!(by_largest_remainder(5, &[0, 3, 0]), [0, 5, 0]);
        assert_eq!(by_largest_remainder(5, &[0, 0]), [0, 0]);
    }

    #[test]
    fn what_a_capacity_refuses_flows_to_the_others() {
        assert_eq!(by_water_filling(90, &[1, 1, 1], &[10, 100, 100]), [10, 40, 40]);
        assert_eq!(by_water_filling(90, &[1, 1, 1], &[10, 20, 30]), [10, 20, 30]);
        assert_eq!(by_water_filling(10, &[0, 1], &[50, 50]), [0, 10]);
    }

    #[test]
    fn what_is_worth_nothing_never_disturbs_the_order() {
        // Units of weight 0 compare like nothing else; with many of them a sort by ratio would be inconsistent.
        let weights: Vec<i64> = (0..200).map(|place| if place % 3 == 0 { 0 } else { place }).collect();
        let capacities: Vec<i64> = (0..200).map(|place| (200 - place) % 7).collect();
        let parts = by_water_filling(100_000, &weights, &capacities);
        let open = weights.iter().zip(&capacities).filter(|(weight, _)| **weight > 0);
        assert_eq!(parts.iter().sum::<i64>(), open.map(|(_, capacity)| capacity).sum::<i64>());
    }

    #[test]
    fn large_amounts_are_split_exactly() {
        let huge = 1_i64 << 61;
        let parts = by_largest_remainder(huge, &[huge, huge, huge]);
        assert_eq!(parts.iter().sum::<i64>(), huge);
    }

    #[test]
    fn a_million_units_are_one_group() {
        let units = [Alike { count: 1_000_000, weight: 7, capacity: 7 }];
        assert_eq!(to_units(1_500_001, &units), [UnitSplit { each: 1, raised: 500_001 }]);
        assert_eq!(to_units(2_000_000, &units), [UnitSplit { each: 2, raised: 0 }]);
    }

    #[test]
    fn clamped_units_lose_and_filling_units_pass_on() {
        let units =
            [Alike { count: 1, weight: 100, capacity: 10 }, Alike { count: 1, weight: 100, capacity: 100 }];
        let sums = |splits: Vec<UnitSplit>| splits.iter().map(|split| split.sum(1)).collect::<Vec<_>>();
        assert_eq!(sums(to_units_clamped(60, &units)), [10, 30]);
        assert_eq!(sums(to_units_filling(60, &units)), [10, 50]);
        assert_eq!(sums(to_units_filling(500, &units)), [10, 100]);
    }
}
