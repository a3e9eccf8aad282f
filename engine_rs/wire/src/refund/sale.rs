//! The sale that units come back of: what was paid, and which units are meant.

use std::collections::HashMap;

use dealwright_core::evaluation::LeftToPay;
use dealwright_core::refund::{PaidUnits, Refused, Wanted, pick};
use foldhash::fast::RandomState;
use prost::Message;
use sha2::{Digest, Sha256};

use crate::compiled::Compiled;
use crate::diagnostics::{At, Code, Findings};
use crate::limits::{AMOUNT_MAX, QUANTITY_MAX};
use crate::lowering::check_range;
use crate::proto;
use crate::proto::sale::Paid as Proof;
use crate::replay::result_of;

/// A sale with the result that was paid. Its lines are those of the cart, in their order.
pub(super) struct Paid<'a> {
    pub(super) request: &'a proto::EvaluateRequest,
    pub(super) result: proto::Result,
}

impl<'a> Paid<'a> {
    /// Checks that the sale is one of this revision, and what was paid for it (S-11.2).
    pub(super) fn read(compiled: &Compiled, sale: Option<&'a proto::Sale>) -> Result<Self, Findings> {
        let at = At::ROOT.field("sale");
        let Some(sale) = sale else {
            return Err(Findings::one(Code::Required, &at, &[]));
        };
        compiled.check_revision(sale.revision, &at.field("revision"))?;
        // Evaluated in any case, since that checks the cart.
        let response = compiled.evaluate_again(sale.request.as_ref(), &at.field("request"))?;
        let found = result_of(&response);
        let Some(request) = &sale.request else {
            return Err(Findings::one(Code::Required, &at.field("request"), &[]));
        };
        let differs = |field, why: &str| {
            Err(Findings::one(Code::ResultDiffers, &at.field(field), &[("why", why.into())]))
        };
        match &sale.paid {
            None => Err(Findings::one(Code::Required, &at.field("paid"), &[])),
            Some(Proof::ResultHash(hash)) if *hash == found.result_hash => {
                Ok(Self { request, result: found })
            }
            Some(Proof::ResultHash(_)) => {
                differs("result_hash", "evaluated again it has another hash; give the recorded result")
            }
            Some(Proof::Result(recorded)) => match fault_of(recorded, &found, request) {
                None => Ok(Self { request, result: (**recorded).clone() }),
                Some(why) => differs("result", why),
            },
        }
    }

    /// The lines of the cart, each with what became of it.
    pub(super) fn lines(&self) -> impl Iterator<Item = (&proto::Line, &proto::LineResult)> {
        self.request.cart.iter().flat_map(|cart| &cart.lines).zip(&self.result.lines)
    }
}

/// What shows that a recorded result isn't that of this request. The amounts may be those of another version
/// of the engine; what they are about may not differ.
fn fault_of(
    recorded: &proto::Result,
    found: &proto::Result,
    request: &proto::EvaluateRequest,
) -> Option<&'static str> {
    let mut unhashed = recorded.clone();
    unhashed.result_hash.clear();
    if Sha256::digest(unhashed.encode_to_vec()).as_slice() != recorded.result_hash {
        return Some("its hash isn't that of its content");
    }
    if recorded.company_id != found.company_id || recorded.revision != found.revision {
        return Some("it was made from other definitions");
    }
    if recorded.evaluate_time != found.evaluate_time {
        return Some("it was made for another instant");
    }
    if recorded.cart_id != found.cart_id || recorded.currency_code != found.currency_code {
        return Some("it was made for another cart");
    }
    let lines = request.cart.as_ref().map_or(&[][..], |cart| &cart.lines);
    let alike = lines.len() == recorded.lines.len()
        && lines.iter().zip(&recorded.lines).all(|(line, result)| is_result_of(line, result));
    if !alike {
        return Some("it has other lines");
    }
    (!grants_in_range(recorded, lines)).then_some("it grants what can't be granted")
}

/// Whether the amounts of a line can be those of its units.
fn is_result_of(line: &proto::Line, result: &proto::LineResult) -> bool {
    let within = |run: &proto::UnitRun| {
        (1..=line.quantity).contains(&run.quantity)
            && (0..=line.unit_price_minor).contains(&run.unit_payable_minor)
    };
    let list = line.quantity * line.unit_price_minor;
    let units = result.runs.iter().fold(0, |sum: i64, run| sum.saturating_add(run.quantity));
    line.id == result.line_id
        && result.runs.iter().all(within)
        && units == line.quantity
        && result.payable_minor == result.runs.iter().map(|run| run.quantity * run.unit_payable_minor).sum()
        && result.list_minor == list
        && (0..=list).contains(&result.payable_tax_minor)
}

/// Whether gifts, rewards and touched units are such as carts can have.
fn grants_in_range(result: &proto::Result, lines: &[proto::Line]) -> bool {
    use proto::reward_grant::Grant;
    let quantities: HashMap<&str, i64, RandomState> =
        lines.iter().map(|line| (line.id.as_str(), line.quantity)).collect();
    let gifts = result.gifts.iter().all(|gift| gift.quantity >= 1 && gift.value_minor >= 0);
    let rewards = result.rewards.iter().all(|reward| match &reward.grant {
        Some(Grant::CashbackMinor(count) | Grant::Points(count)) => *count >= 0,
        Some(Grant::PointsMultiplierPpm(ppm)) => *ppm >= 0,
        Some(Grant::VoucherPromotionId(_)) => true,
        None => false,
    });
    let shares = result.applications.iter().flat_map(|application| &application.shares);
    let units = shares.flat_map(|share| share.units.iter().map(|units| (share.line_id.as_str(), units)));
    let mut touched = units.map(|(line, units)| {
        quantities.get(line).is_some_and(|quantity| {
            units.quantity >= 1
                && units.first_unit >= 0
                && units.first_unit.saturating_add(units.quantity) <= *quantity
                && (0..=AMOUNT_MAX).contains(&units.unit_discount_minor)
        })
    });
    gifts && rewards && touched.all(|within| within)
}

/// The units that come back, for each line of the cart.
pub(super) struct Returns {
    pub(super) units: Vec<Vec<PaidUnits>>,
}

impl Returns {
    /// Finds the units that the entries mean (S-11.5).
    pub(super) fn read(paid: &Paid<'_>, returned: &[proto::ReturnedUnits]) -> Result<Self, Findings> {
        let mut findings = Findings::default();
        let places: HashMap<&str, usize, RandomState> =
            paid.lines().enumerate().map(|(place, (line, _))| (line.id.as_str(), place)).collect();
        let mut wanted: Vec<Vec<(usize, Wanted)>> = vec![Vec::new(); places.len()];
        for (number, entry) in returned.iter().enumerate() {
            let at = At::ROOT.item("returned", number);
            check_range(entry.quantity, 1, QUANTITY_MAX, &at.field("quantity"), &mut findings);
            let wants = Wanted { first_unit: entry.first_unit, quantity: entry.quantity };
            match places.get(entry.line_id.as_str()).and_then(|place| wanted.get_mut(*place)) {
                Some(line) if wants.quantity > 0 => line.push((number, wants)),
                Some(_) => {}
                None => {
                    let value = entry.line_id.as_str().into();
                    findings.add(Code::LineUnknown, &at.field("line_id"), &[("value", value)]);
                }
            }
        }
        let units = paid
            .lines()
            .zip(&wanted)
            .map(|((line, result), wanted)| {
                let entries: Vec<Wanted> = wanted.iter().map(|(_, entry)| *entry).collect();
                pick(&runs(result), &entries).unwrap_or_else(|(place, refused)| {
                    if let Some((number, entry)) =
                        wanted.get(place).and_then(|(number, _)| Some((*number, returned.get(*number)?)))
                    {
                        let at = At::ROOT.item("returned", number);
                        refuse(refused, entry, &at, line.quantity, &mut findings);
                    }
                    Vec::new()
                })
            })
            .collect();
        let returns = Self { units };
        returns.check_parents(paid, &mut findings);
        if findings.refuse() { Err(findings) } else { Ok(returns) }
    }

    /// A line that modifies another one can't stay when that is gone (S-11.5).
    fn check_parents(&self, paid: &Paid<'_>, findings: &mut Findings) {
        let whole = paid.lines().zip(&self.units).filter(|((line, _), units)| left_of(line, units) == 0);
        let gone: std::collections::HashSet<&str, RandomState> =
            whole.map(|((line, _), _)| line.id.as_str()).collect();
        for (place, ((line, _), units)) in paid.lines().zip(&self.units).enumerate() {
            if gone.contains(line.parent_id.as_str()) && left_of(line, units) > 0 {
                let value = line.parent_id.as_str().into();
                let sale = At::ROOT.field("sale");
                let request = sale.field("request");
                let cart = request.field("cart");
                let line = cart.item("lines", place);
                findings.add(Code::ParentReturned, &line.field("parent_id"), &[("value", value)]);
            }
        }
    }

    /// The request about what is kept: quantities lowered, lines without units left out, all else as it was.
    pub(super) fn kept_of(&self, request: &proto::EvaluateRequest) -> proto::EvaluateRequest {
        let mut kept = request.clone();
        if let Some(cart) = &mut kept.cart {
            for (line, units) in cart.lines.iter_mut().zip(&self.units) {
                line.quantity = left_of(line, units);
            }
            cart.lines.retain(|line| line.quantity > 0);
        }
        kept
    }
}

fn left_of(line: &proto::Line, returned: &[PaidUnits]) -> i64 {
    line.quantity - returned.iter().map(|units| units.count).sum::<i64>()
}

fn runs(line: &proto::LineResult) -> Vec<LeftToPay> {
    let run = |run: &proto::UnitRun| LeftToPay { count: run.quantity, each: run.unit_payable_minor };
    line.runs.iter().map(run).collect()
}

fn refuse(refused: Refused, entry: &proto::ReturnedUnits, at: &At<'_>, has: i64, findings: &mut Findings) {
    let mut out_of_range = |value: i64, minimum: i64, maximum: i64, field| {
        let range = [("value", value.into()), ("minimum", minimum.into()), ("maximum", maximum.into())];
        findings.add(Code::OutOfRange, &at.field(field), &range);
    };
    let first = entry.first_unit.unwrap_or_default();
    match refused {
        Refused::NamedTwice(unit) => {
            findings.add(Code::Duplicate, &at.field("first_unit"), &[("value", unit.into())]);
        }
        Refused::NoSuchUnit if (0..has).contains(&first) => {
            out_of_range(entry.quantity, 1, has - first, "quantity");
        }
        Refused::NoSuchUnit => out_of_range(first, 0, has - 1, "first_unit"),
        Refused::TooMany(left) => out_of_range(entry.quantity, 1, left, "quantity"),
    }
}
