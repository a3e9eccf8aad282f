//! `set`: offers on sets of units, with a price for the set or reductions by slot (S-6.3 to S-6.5).

use super::forming::{Formed, Forming, Part};
use super::half::Stock;
use super::reduce::wishes;
use super::{Applying, Draft, Picked, cut_down, cuts_of, lay_out, lines_of, pick, sum_of};
use crate::allocate::{Alike, to_units_filling};
use crate::model::{Role, SetOffer, Slot};
use crate::rational::Fraction;
use crate::reason::{Because, Reason};
use crate::units::{Cut, Prices};

pub(super) fn draft(applying: &Applying<'_>, offer: &SetOffer, prices: &Prices) -> Result<Draft, Because> {
    let at_most = offer.max_sets.min(applying.sets_max);
    let unused = pick::unused(applying, prices, &lines(applying, offer));
    let mut forming = Forming::new(offer, with_slots(applying, offer, unused));
    let mut sets = forming.form(at_most);
    let full: i64 = sets.iter().map(|set| set.times).sum();
    if offer.partial && full < at_most {
        sets.extend(forming.partial());
    }
    if sets.is_empty() {
        return Err(why_none(applying, offer));
    }
    let formed = sets.iter().map(|set| set.times).sum();
    let picked: Vec<Picked> = forming.stocks.iter().map(|stock| stock.picked).collect();
    let taken = taken(&forming.stocks);
    let made = if offer.set_price.is_empty() {
        by_slot(applying, offer, &picked, &sets)?
    } else {
        let price = offer.set_price.of(applying.cart.currency).unwrap_or(0);
        // A set that costs no less than its units isn't made: its units stay free for others.
        sets.retain(|set| worth(set, &picked) > price);
        let cuts = sets.iter().flat_map(|set| priced(&offer.slots, set, price, &picked)).collect();
        let wanted = sets.iter().map(|set| (worth(set, &picked) - price) * set.times).sum();
        Made { cuts, exact: Vec::new(), wanted }
    };
    Ok(Draft { formed, ..finish(applying, made, &taken, &sets, prices)? })
}

/// The lines of all slots, rising.
fn lines(applying: &Applying<'_>, offer: &SetOffer) -> Vec<usize> {
    let mut lines: Vec<usize> = applying.pools.iter().take(offer.slots.len()).flatten().copied().collect();
    lines.sort_unstable();
    lines.dedup();
    lines
}

/// Units with the slots that can take them, as bits.
fn with_slots(applying: &Applying<'_>, offer: &SetOffer, units: Vec<Picked>) -> Vec<(Picked, u32)> {
    let mask = |line: usize| {
        let takes = |slot: &usize| applying.pool(*slot).binary_search(&line).is_ok();
        (0..offer.slots.len()).filter(takes).fold(0, |mask, slot| mask | 1 << slot)
    };
    units.into_iter().map(|picked| (picked, mask(picked.line))).collect()
}

/// Why not a single set can be made: the cart doesn't hold enough, or it does and others took the units.
fn why_none(applying: &Applying<'_>, offer: &SetOffer) -> Because {
    let untouched = Prices::of(applying.cart);
    let all = pick::unused(applying, &untouched, &lines(applying, offer));
    let mut forming = Forming::new(offer, with_slots(applying, offer, all));
    let quantity = |needed, had| Because::counts(Reason::Quantity, needed, had);
    let short = offer.slots.iter().enumerate().find(|(place, slot)| forming.available(*place) < slot.minimum);
    if let Some((place, slot)) = short {
        return quantity(slot.minimum, forming.available(place));
    }
    let required =
        (0..offer.slots.len()).filter(|place| offer.slots.get(*place).is_some_and(|slot| slot.minimum > 0));
    let required = required.fold(0, |mask, place| mask | 1 << place);
    let of_required = forming.stocks.iter().filter(|stock| stock.mask & required != 0);
    let had = of_required.map(|stock| stock.count).sum();
    let enough = !forming.form(1).is_empty() || (offer.partial && forming.partial().is_some());
    if enough {
        Because::plain(Reason::UnitsTaken)
    } else {
        quantity(offer.slots.iter().map(|slot| slot.minimum).sum(), had)
    }
}

/// What the units of one of some like sets cost.
fn worth(set: &Formed, picked: &[Picked]) -> i64 {
    let left = |part: &Part| picked.get(part.stock).map_or(0, |units| units.left);
    set.parts.iter().map(|part| left(part) * part.count).sum()
}

struct Made {
    cuts: Vec<Cut>,
    /// The exact discount of each line, where it was rounded.
    exact: Vec<(usize, Fraction)>,
    /// What it would come to without floors.
    wanted: i64,
}

/// What the units of some like sets cost more than the set, spread over them (S-6.5).
fn priced(slots: &[Slot], set: &Formed, price: i64, picked: &[Picked]) -> Vec<Cut> {
    let mut parts: Vec<(&Part, &Picked)> =
        set.parts.iter().filter_map(|part| picked.get(part.stock).map(|units| (part, units))).collect();
    parts.sort_by_key(|(part, _)| part.stock);
    let alike: Vec<Alike> = parts
        .iter()
        .map(|(part, units)| Alike { count: part.count, weight: units.left, capacity: units.capacity })
        .collect();
    let splits = to_units_filling(worth(set, picked) - price, &alike);
    let mut cuts = Vec::with_capacity(parts.len());
    for ((part, units), split) in parts.iter().zip(splits) {
        let role = slots.get(part.slot).map_or(Role::Plain, |slot| slot.role);
        let cut = |count: i64, each| Cut { run: units.run, line: units.line, skip: 0, count, each, role };
        cuts.push(cut(split.raised * set.times, split.each + 1));
        cuts.push(cut((part.count - split.raised) * set.times, split.each));
    }
    cuts.retain(|cut| cut.count > 0);
    cuts
}

/// The units of each slot, over all sets together, lowered by its reduction.
fn by_slot(
    applying: &Applying<'_>,
    offer: &SetOffer,
    picked: &[Picked],
    sets: &[Formed],
) -> Result<Made, Because> {
    let mut made = Made { cuts: Vec::new(), exact: Vec::new(), wanted: 0 };
    for (place, slot) in offer.slots.iter().enumerate() {
        let count = |stock: usize| -> i64 {
            let of_slot = |set: &Formed| -> i64 {
                let parts = set.parts.iter().filter(|part| part.slot == place && part.stock == stock);
                parts.map(|part| part.count * set.times).sum()
            };
            sets.iter().map(of_slot).sum()
        };
        let units: Vec<Picked> = picked
            .iter()
            .enumerate()
            .map(|(stock, units)| Picked { count: count(stock), ..*units })
            .filter(|units| units.count > 0)
            .collect();
        match &slot.reduction {
            None => made.cuts.extend(cuts_of(&units, &vec![Default::default(); units.len()], slot.role)),
            Some(reduction) => {
                let wishes = wishes(applying, reduction, &units)?;
                made.cuts.extend(cuts_of(&units, &wishes.splits, slot.role));
                let wanted =
                    i64::try_from(wishes.rounded).ok().and_then(|wanted| made.wanted.checked_add(wanted));
                made.wanted = wanted.ok_or_else(Because::overflow)?;
                made.exact.extend(wishes.lines.iter().map(|wish| (wish.line, wish.exact)));
            }
        }
    }
    Ok(made)
}

/// How many units of each run the sets took.
fn taken(stocks: &[Stock]) -> Vec<Picked> {
    let taken = stocks.iter().map(|stock| Picked { count: stock.picked.count - stock.count, ..stock.picked });
    taken.filter(|units| units.count > 0).collect()
}

/// Units of a line at one price are alike: those of larger discounts come first, of equals plain ones,
/// rewards last, whichever of them a set was formed with (S-6.6).
fn dealt_out(cuts: Vec<Cut>, taken: &[Picked]) -> Vec<Cut> {
    let left = |cut: &Cut| {
        let place = taken.binary_search_by_key(&cut.run, |units| units.run).ok();
        place.and_then(|place| taken.get(place)).map_or(0, |units| units.left)
    };
    let mut by_price: Vec<(i64, Cut)> = cuts.into_iter().map(|cut| (left(&cut), cut)).collect();
    by_price.sort_by_key(|(left, cut)| {
        (cut.line, *left, cut.role == Role::Reward, std::cmp::Reverse(cut.each), cut.role)
    });
    let mut units = taken.to_vec();
    units.sort_by_key(|units| (units.line, units.left));
    let mut units = units.iter_mut().peekable();
    let mut dealt = Vec::with_capacity(by_price.len());
    for (left, mut cut) in by_price {
        while cut.count > 0 {
            // Runs that are used up, and units of sets that weren't made.
            let passed = |of: &&mut Picked| of.count == 0 || (of.line, of.left) < (cut.line, left);
            while units.next_if(passed).is_some() {}
            let Some(alike) = units.peek_mut() else { break };
            let count = cut.count.min(alike.count);
            dealt.push(Cut { run: alike.run, count, ..cut });
            alike.count -= count;
            cut.count -= count;
        }
    }
    lay_out(&mut dealt);
    dealt
}

fn finish(
    applying: &Applying<'_>,
    made: Made,
    taken: &[Picked],
    sets: &[Formed],
    prices: &Prices,
) -> Result<Draft, Because> {
    let Made { cuts, exact: rounded_lines, wanted: rounded } = made;
    let mut cuts = dealt_out(cuts, taken);
    let cap = applying.cap(&applying.step.max_discount);
    if sum_of(&cuts) > cap {
        cuts = cut_down(&cuts, cap);
    }
    let given = sum_of(&cuts);
    let mut lines = lines_of(&cuts, prices);
    let mut exact = Fraction::whole(rounded);
    if !rounded_lines.is_empty() {
        exact = Fraction::whole(0);
        for line in &mut lines {
            let of_line = rounded_lines.iter().filter(|(place, _)| *place == line.line);
            line.exact = of_line.fold(Fraction::whole(0), |sum, (_, exact)| sum.plus(*exact));
            exact = exact.plus(line.exact);
        }
    }
    let base = lines.iter().map(|line| line.base).sum();
    let sets = sets.iter().map(|set| set.times).sum();
    let capped = rounded.min(cap);
    Ok(Draft {
        exact,
        rounded,
        capped,
        given,
        cuts,
        lines,
        sets,
        uses: true,
        ..Draft::without_discount(base)
    })
}
