//! From what a cart has to the promotions that it could concern, so that the cost of an evaluation
//! follows the promotions that match, not those that exist.

use std::borrow::Cow;
use std::collections::HashMap;

use foldhash::fast::FixedState;

use crate::model::{Cart, LineFilter, NameFilter, Promotion, Selector, Targeting, Trigger};
use crate::symbols::Symbol;

type Postings = HashMap<Symbol, Vec<u32>, FixedState>;

/// Where each promotion is listed: once for each of its keys, in the one dimension that tells most.
#[derive(Debug, Default)]
pub(crate) struct Index {
    by_line: LinePostings,
    by_store: Postings,
    by_region: Postings,
    by_brand: Postings,
    by_channel: Postings,
    by_code: Postings,
    by_voucher: Postings,
    /// Those that any cart could concern.
    anywhere: Vec<u32>,
    /// Where each promotion may hold.
    gates: Vec<Gate>,
}

impl Index {
    /// Lists promotions by their places.
    pub(crate) fn of(promotions: &[Promotion]) -> Self {
        let mut index = Self::default();
        let mut by_line = Vec::new();
        for (place, promotion) in promotions.iter().enumerate() {
            // A ruleset has far fewer promotions than 2^32.
            index.add(u32::try_from(place).unwrap_or(u32::MAX), promotion, &mut by_line);
            index.gates.push(Gate::of(&promotion.targeting));
        }
        index.by_line = LinePostings::of(by_line);
        index
    }

    fn add(&mut self, place: u32, promotion: &Promotion, by_line: &mut Vec<(usize, u32)>) {
        self.add_code(place, promotion);
        let scopes: Vec<&Selector> = promotion.steps.iter().flat_map(|step| step.benefit.scopes()).collect();
        if scopes.iter().all(|selector| is_keyed(selector)) {
            for filter in scopes.iter().flat_map(|selector| &selector.include) {
                let (dimension, names) = narrowest(filter);
                by_line.extend(names.iter().map(|name| (row(dimension, *name), place)));
            }
            return;
        }
        let targeting = &promotion.targeting;
        let places = [
            (&mut self.by_store, &targeting.stores),
            (&mut self.by_region, &targeting.regions),
            (&mut self.by_brand, &targeting.brands),
            (&mut self.by_channel, &targeting.channels),
        ];
        match places.into_iter().find(|(_, filter)| !filter.include.is_empty()) {
            Some((postings, NameFilter { include, .. })) => list(postings, include, place),
            None => self.anywhere.push(place),
        }
    }

    /// A code or a voucher is a reason to answer, whatever lies in the cart.
    fn add_code(&mut self, place: u32, promotion: &Promotion) {
        list(&mut self.by_voucher, &[promotion.symbol], place);
        if let Trigger::Code(codes) = &promotion.trigger {
            list(&mut self.by_code, codes, place);
        }
    }

    /// The promotions that the cart could concern.
    pub(crate) fn candidates(&self, cart: &Cart) -> Candidates {
        let mut found = Candidates::default();
        let key = Key::of(cart);
        let may_hold = |place: &u32| {
            let gate = usize::try_from(*place).ok().and_then(|place| self.gates.get(place));
            gate.is_none_or(|gate| gate.lets_through(&key))
        };
        self.by_line.find(cart, &mut found, may_hold);
        let mut add = |postings: &Postings, key: Symbol| {
            found.add_for_all_lines(postings.get(&key).into_iter().flatten().filter(|place| may_hold(place)));
        };
        add(&self.by_store, cart.store.symbol);
        add(&self.by_region, cart.region.symbol);
        add(&self.by_brand, cart.brand.symbol);
        add(&self.by_channel, cart.channel.symbol);
        found.add_for_all_lines(self.anywhere.iter().filter(|place| may_hold(place)));
        // A code or a voucher is answered wherever its promotion holds.
        let mut add = |postings: &Postings, key: Symbol| {
            found.add_for_all_lines(postings.get(&key).into_iter().flatten());
        };
        cart.codes.iter().for_each(|given| add(&self.by_code, given.code));
        cart.vouchers_of.iter().for_each(|promotion| add(&self.by_voucher, *promotion));
        found.hits.sort_unstable();
        found
    }
}

/// The promotions that a cart could concern; every candidate is among them.
#[derive(Default)]
pub(crate) struct Candidates {
    /// By the promotions' places.
    hits: Vec<Hit>,
    /// The lines of each name that promotions are listed by, in cart order, the names behind one another.
    lines: Vec<usize>,
    /// Where the lines of each name end.
    ends: Vec<usize>,
}

/// A promotion's place in the upper half, a name's in the lower one, so that hits are sorted as numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Hit(u64);

impl Hit {
    /// The place of no name: any line may do. Comes before all names.
    const ALL_LINES: u32 = 0;

    fn new(place: u32, name: u32) -> Self {
        Self(u64::from(place) << 32 | u64::from(name))
    }

    fn place(self) -> usize {
        usize::try_from(self.0 >> 32).unwrap_or(usize::MAX)
    }

    /// The name's place among those of the candidates; `None` when any line may do.
    fn name(self) -> Option<usize> {
        usize::try_from(self.0 & u64::from(u32::MAX)).ok()?.checked_sub(1)
    }
}

impl Candidates {
    /// At least as many as there are.
    pub(crate) fn len(&self) -> usize {
        self.hits.len()
    }

    /// The promotions' places, rising, each with the only lines that can be in its scope: `None` is all.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, Option<Cow<'_, [usize]>>)> {
        self.hits.chunk_by(|one, other| one.place() == other.place()).filter_map(|hits| {
            let (first, others) = hits.split_first()?;
            let place = first.place();
            let Some(name) = first.name() else { return Some((place, None)) };
            let lines = self.lines_of(name);
            if others.is_empty() {
                return Some((place, Some(Cow::Borrowed(lines))));
            }
            let others = others.iter().filter_map(|hit| hit.name()).flat_map(|name| self.lines_of(name));
            let mut all: Vec<usize> = lines.iter().chain(others).copied().collect();
            all.sort_unstable();
            all.dedup();
            Some((place, Some(Cow::Owned(all))))
        })
    }

    fn lines_of(&self, name: usize) -> &[usize] {
        let end = |name: usize| self.ends.get(name).copied();
        let start = name.checked_sub(1).map_or(Some(0), end);
        start.zip(end(name)).and_then(|(start, end)| self.lines.get(start..end)).unwrap_or(&[])
    }

    fn add_for_all_lines<'a>(&mut self, places: impl Iterator<Item = &'a u32>) {
        self.hits.extend(places.map(|place| Hit::new(*place, Hit::ALL_LINES)));
    }

    /// Adds promotions that are listed by one more name.
    fn add<'a>(&mut self, places: impl Iterator<Item = &'a u32>, lines: impl Iterator<Item = usize>) {
        self.lines.extend(lines);
        self.ends.push(self.lines.len());
        // A cart's lines have far fewer names than 2^32.
        let name = u32::try_from(self.ends.len()).unwrap_or(Hit::ALL_LINES);
        self.hits.extend(places.map(|place| Hit::new(*place, name)));
    }
}

/// Which names a promotion's place may have, as sets of bits that many names share: what it keeps out needs no
/// look at the promotion, which lies elsewhere in memory.
#[derive(Clone, Copy, Debug)]
struct Gate([u64; 4]);

/// The bits of the names of a cart's place.
struct Key([u64; 4]);

impl Gate {
    fn of(targeting: &Targeting) -> Self {
        let bits = |filter: &NameFilter| match filter.include.as_slice() {
            [] => u64::MAX,
            names => names.iter().fold(0, |bits, name| bits | bit(*name)),
        };
        Self([&targeting.stores, &targeting.brands, &targeting.channels, &targeting.regions].map(bits))
    }

    fn lets_through(&self, key: &Key) -> bool {
        self.0.iter().zip(key.0).all(|(gate, key)| gate & key != 0)
    }
}

impl Key {
    fn of(cart: &Cart) -> Self {
        Self([&cart.store, &cart.brand, &cart.channel, &cart.region].map(|name| bit(name.symbol)))
    }
}

fn bit(name: Symbol) -> u64 {
    1 << (name.index() % 64)
}

/// Promotions by the names that lines have. Each name has a row for each dimension, and the rows lie behind
/// one another in one list.
#[derive(Debug, Default)]
struct LinePostings {
    /// Where each row starts, and where the last one ends.
    starts: Vec<u32>,
    places: Vec<u32>,
}

#[derive(Clone, Copy)]
enum Dimension {
    Product,
    Category,
    Brand,
}

const DIMENSIONS: usize = 3;

fn row(dimension: Dimension, name: Symbol) -> usize {
    name.index() * DIMENSIONS + dimension as usize
}

impl LinePostings {
    /// Promotions by row.
    fn of(mut listed: Vec<(usize, u32)>) -> Self {
        listed.sort_unstable();
        listed.dedup();
        let mut starts = Vec::new();
        // A ruleset has far fewer names than 2^32.
        let position = |position: usize| u32::try_from(position).unwrap_or(u32::MAX);
        for (index, (row, _)) in listed.iter().enumerate() {
            if starts.len() <= *row {
                starts.resize(row + 1, position(index));
            }
        }
        starts.push(position(listed.len()));
        Self { starts, places: listed.into_iter().map(|(_, place)| place).collect() }
    }

    fn places(&self, row: usize) -> &[u32] {
        let start = |row: usize| self.starts.get(row).and_then(|start| usize::try_from(*start).ok());
        let range = start(row).zip(start(row + 1));
        range.and_then(|(start, end)| self.places.get(start..end)).unwrap_or(&[])
    }

    /// Finds the promotions that are listed by a name of a line and may hold, each name with the lines that have it.
    fn find(&self, cart: &Cart, found: &mut Candidates, may_hold: impl Fn(&u32) -> bool) {
        let mut named: Vec<(usize, usize)> = Vec::with_capacity(cart.lines.len() * DIMENSIONS);
        for (place, line) in cart.lines.iter().enumerate() {
            let mut add = |dimension, name| {
                let row = row(dimension, name);
                if !self.places(row).is_empty() {
                    named.push((row, place));
                }
            };
            add(Dimension::Product, line.product);
            line.categories.iter().for_each(|category| add(Dimension::Category, *category));
            add(Dimension::Brand, line.brand);
        }
        named.sort_unstable();
        named.dedup();
        found.lines.reserve(named.len());
        found.ends.reserve(named.len());
        for named in named.chunk_by(|(row, _), (other, _)| row == other) {
            let places = named.first().map_or(&[][..], |(row, _)| self.places(*row));
            found.add(places.iter().filter(|place| may_hold(place)), named.iter().map(|(_, line)| *line));
        }
    }
}

/// Whether a line must have one of some names to be picked.
fn is_keyed(selector: &Selector) -> bool {
    let keyed = |filter: &LineFilter| {
        !filter.products.is_empty() || !filter.categories.is_empty() || !filter.brands.is_empty()
    };
    !selector.include.is_empty() && selector.include.iter().all(keyed)
}

/// The names by which the lines of a filter are found, fewest lines first.
fn narrowest(filter: &LineFilter) -> (Dimension, &[Symbol]) {
    if !filter.products.is_empty() {
        (Dimension::Product, &filter.products)
    } else if !filter.categories.is_empty() {
        (Dimension::Category, &filter.categories)
    } else {
        (Dimension::Brand, &filter.brands)
    }
}

fn list(postings: &mut Postings, keys: &[Symbol], place: u32) {
    for key in keys {
        postings.entry(*key).or_default().push(place);
    }
}
