//! What is due for what comes back of a sale: requests, the three policies, and the answer (S-11.2 to S-11.8).

mod claims;
mod sale;

use dealwright_core::refund::{PaidUnits, settle, sum_of, tax_back};
use prost::Message;

use crate::compiled::Compiled;
use crate::decode;
use crate::diagnostics::{At, Findings};
use crate::limits::{CART_TOTAL_MAX, LIST_MAX};
use crate::lowering::{check_count, check_range, known};
use crate::proto;
use crate::proto::ReturnPolicy;
use crate::replay::result_of;
use claims::Claims;
use sale::{Paid, Returns};

impl Compiled {
    /// Answers the bytes of a `RefundRequest` with those of a `RefundResponse`.
    ///
    /// # Errors
    /// What is wrong with the request.
    pub fn refund(&self, request: &[u8]) -> Result<Vec<u8>, Findings> {
        let request: proto::RefundRequest = decode::owned_request(request, "RefundRequest")?;
        let mut findings = Findings::default();
        let policy = known(request.policy, &At::ROOT.field("policy"), &mut findings).unwrap_or_default();
        let refunded = refunded(request.refunded, &mut findings);
        for (field, count) in [
            ("returned", request.returned.len()),
            ("gifts_returned", request.gifts_returned.len()),
            ("rewards_reversed", request.rewards_reversed.len()),
        ] {
            check_count(count, LIST_MAX, &At::ROOT.field(field), &mut findings);
        }
        if findings.refuse() {
            return Err(findings);
        }
        let paid = Paid::read(self, request.sale.as_ref())?;
        let returns = Returns::read(&paid, &request.returned)?;
        let claims = Claims::read(&self.ruleset, &paid, &returns, &request)?;
        let kept = match policy {
            ReturnPolicy::Unspecified | ReturnPolicy::Keep => None,
            ReturnPolicy::ReEvaluate | ReturnPolicy::ClawBack => Some(self.keep(&paid, &returns)?),
        };
        let lines = match &kept {
            Some(kept) if policy == ReturnPolicy::ReEvaluate => evaluated_lines(&paid, &returns, kept),
            _ => kept_lines(&paid, &returns),
        };
        let claims = match &kept {
            Some(kept) if policy == ReturnPolicy::ClawBack => claims.against(&paid, kept),
            _ => Vec::new(),
        };
        let refund = settled(&paid, policy, lines, claims, refunded);
        Ok(proto::RefundResponse { refund: Some(refund), kept }.encode_to_vec())
    }

    /// The result of what the customer keeps, evaluated as the sale was.
    fn keep(&self, paid: &Paid<'_>, returns: &Returns) -> Result<proto::Result, Findings> {
        let request = returns.kept_of(paid.request);
        let at = At::ROOT.field("sale");
        self.evaluate_again(Some(&request), &at.field("request")).map(|response| result_of(&response))
    }
}

fn refunded(given: Option<proto::RefundAmount>, findings: &mut Findings) -> proto::RefundAmount {
    let given = given.unwrap_or_default();
    let at = At::ROOT.field("refunded");
    let mut amount = |minor, field| check_range(minor, 0, CART_TOTAL_MAX, &at.field(field), findings);
    proto::RefundAmount {
        minor: amount(given.minor, "minor"),
        tax_minor: amount(given.tax_minor, "tax_minor"),
    }
}

/// The lines of which units come back, at what was paid for these (S-11.4).
fn kept_lines(paid: &Paid<'_>, returns: &Returns) -> Vec<proto::LineRefund> {
    let lines = paid.result.lines.iter().zip(&returns.units);
    let returned = lines.filter(|(_, units)| !units.is_empty());
    returned
        .map(|(line, units)| {
            let minor = sum_of(units);
            let tax = tax_back(line.payable_tax_minor, line.payable_minor, line.payable_minor - minor);
            line_refund(line, units, minor, tax)
        })
        .collect()
}

/// The lines that cost something else in what is kept, and those of which units come back (S-11.6).
fn evaluated_lines(paid: &Paid<'_>, returns: &Returns, kept: &proto::Result) -> Vec<proto::LineRefund> {
    let mut still = kept.lines.iter().peekable();
    let nothing = proto::LineResult::default();
    let mut lines = Vec::new();
    for (line, units) in paid.result.lines.iter().zip(&returns.units) {
        let after = still.next_if(|after| after.line_id == line.line_id).unwrap_or(&nothing);
        let minor = line.payable_minor - after.payable_minor;
        let tax = line.payable_tax_minor - after.payable_tax_minor;
        if !units.is_empty() || minor != 0 || tax != 0 {
            lines.push(line_refund(line, units, minor, tax));
        }
    }
    lines
}

fn line_refund(line: &proto::LineResult, units: &[PaidUnits], minor: i64, tax: i64) -> proto::LineRefund {
    proto::LineRefund {
        line_id: line.line_id.clone(),
        quantity: units.iter().map(|units| units.count).sum(),
        goods: Some(proto::RefundAmount { minor, tax_minor: tax }),
        units: units
            .iter()
            .map(|units| proto::PaidUnits {
                first_unit: units.first_unit,
                quantity: units.count,
                unit_payable_minor: units.each,
            })
            .collect(),
    }
}

/// What is due altogether, now, and owed (S-11.3, S-11.6, S-11.7).
fn settled(
    paid: &Paid<'_>,
    policy: ReturnPolicy,
    lines: Vec<proto::LineRefund>,
    claims: Vec<proto::Claim>,
    refunded: proto::RefundAmount,
) -> proto::Refund {
    let all = paid.result.lines.iter().map(|line| (line.payable_minor, line.payable_tax_minor));
    let goods = total(lines.iter().filter_map(|line| line.goods).map(|goods| (goods.minor, goods.tax_minor)));
    let claimed = claims.iter().fold(0, |sum: i64, claim| sum.saturating_add(claim.value_minor));
    let minor = goods.minor.saturating_sub(claimed).max(0);
    // What claims take of the goods, they take with its tax part.
    let tax_minor = if claimed == 0 {
        goods.tax_minor.max(0)
    } else {
        goods.tax_minor - tax_back(goods.tax_minor, goods.minor, minor)
    };
    let (due, owed) = settle(minor, refunded.minor);
    let (due_tax, owed_tax) = settle(tax_minor, refunded.tax_minor);
    proto::Refund {
        cart_id: paid.result.cart_id.clone(),
        currency_code: paid.result.currency_code.clone(),
        policy: if policy == ReturnPolicy::Unspecified { ReturnPolicy::Keep } else { policy }.into(),
        paid: Some(total(all)),
        goods: Some(goods),
        claims,
        claims_minor: claimed,
        entitlement: Some(proto::RefundAmount { minor, tax_minor }),
        refund: Some(proto::RefundAmount { minor: due, tax_minor: due_tax }),
        owed: Some(proto::RefundAmount { minor: owed, tax_minor: owed_tax }),
        lines,
    }
}

fn total(amounts: impl Iterator<Item = (i64, i64)>) -> proto::RefundAmount {
    amounts.fold(proto::RefundAmount::default(), |sum, (minor, tax_minor)| proto::RefundAmount {
        minor: sum.minor + minor,
        tax_minor: sum.tax_minor + tax_minor,
    })
}
