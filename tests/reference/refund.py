"""The reference for refunds (S-11.2 to S-11.8): one entry per unit, written beside the rules."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from dealwright.v1.evaluation_service_pb2 import (
    EvaluateRequest,
    RefundRequest,
    RefundResponse,
)
from dealwright.v1.primitives_pb2 import Role
from dealwright.v1.refund_pb2 import (
    Claim,
    GiftUnits,
    LineRefund,
    PaidUnits,
    Refund,
    RefundAmount,
    ReturnPolicy,
)
from dealwright.v1.result_pb2 import LineResult, Result, RewardGrant
from dealwright.v1.ruleset_pb2 import Ruleset
from dealwright.v1.selector_pb2 import LineKind

from tests.reference.answer import evaluate
from tests.reference.arithmetic import half_up
from tests.reference.lowering import lower
from tests.reference.steps import Act, Gift, Tiers

Place: TypeAlias = tuple[str, int]
"""A unit: its line's id and its number there."""

Kind: TypeAlias = tuple[str, str]
"""Promotion and product of a gift."""


@dataclass(frozen=True)
class Given:
    """One unit of a gift."""

    kind: Kind
    worth: int
    place: Place | None
    """Where it was found; None when it was granted."""


def refund(ruleset: Ruleset, request: RefundRequest) -> RefundResponse:
    """S-11.2. The request is a valid one."""
    sale = request.sale
    recorded = sale.WhichOneof("paid") == "result"
    paid = sale.result if recorded else evaluate(ruleset, sale.request)
    back = {place for line in paid.lines for place in returned(line, request)}
    policy = request.policy or ReturnPolicy.RETURN_POLICY_KEEP
    kept = None
    if policy != ReturnPolicy.RETURN_POLICY_KEEP:
        kept = evaluate(ruleset, kept_part(sale.request, back))
    if policy == ReturnPolicy.RETURN_POLICY_RE_EVALUATE and kept is not None:
        lines = re_evaluated(paid, kept, back)
    else:
        lines = [kept_line(line, back) for line in paid.lines if _count(line, back)]
    claims = []
    if policy == ReturnPolicy.RETURN_POLICY_CLAW_BACK and kept is not None:
        claims = list(claimed(ruleset, request, paid, kept, back))
    answer = RefundResponse(refund=_settled(request, paid, policy, lines, claims))
    if kept is not None:
        answer.kept.CopyFrom(kept)
    return answer


def prices(line: LineResult) -> list[int]:
    """What was paid for each unit of a line."""
    return [run.unit_payable_minor for run in line.runs for _ in range(run.quantity)]


def returned(line: LineResult, request: RefundRequest) -> set[Place]:
    """S-11.5: the units that come back of a line."""
    entries = [entry for entry in request.returned if entry.line_id == line.line_id]
    named = {
        entry.first_unit + number
        for entry in entries
        if entry.HasField("first_unit")
        for number in range(entry.quantity)
    }
    paid = prices(line)
    others = sorted(set(range(len(paid))) - named, key=lambda unit: (paid[unit], -unit))
    count = sum(entry.quantity for entry in entries if not entry.HasField("first_unit"))
    return {(line.line_id, unit) for unit in [*named, *others[:count]]}


def kept_part(request: EvaluateRequest, back: set[Place]) -> EvaluateRequest:
    """S-11.6: the sale without what came back."""
    kept = EvaluateRequest()
    kept.CopyFrom(request)
    del kept.cart.lines[:]
    for line in request.cart.lines:
        left = line.quantity - sum(line_id == line.id for line_id, _ in back)
        if left:
            kept.cart.lines.add().CopyFrom(line)
            kept.cart.lines[-1].quantity = left
    return kept


def kept_line(line: LineResult, back: set[Place]) -> LineRefund:
    """S-11.4."""
    paid = prices(line)
    minor = sum(paid[unit] for line_id, unit in back if line_id == line.line_id)
    tax = 0
    if line.payable_minor:
        kept = line.payable_minor - minor
        tax = line.payable_tax_minor - half_up(Fraction(line.payable_tax_minor * kept, line.payable_minor))
    return _line(line, back, minor, tax)


def re_evaluated(paid: Result, kept: Result, back: set[Place]) -> list[LineRefund]:
    """S-11.6."""
    after = {line.line_id: line for line in kept.lines}
    lines = []
    for line in paid.lines:
        now = after.get(line.line_id, LineResult())
        minor = line.payable_minor - now.payable_minor
        tax = line.payable_tax_minor - now.payable_tax_minor
        if minor or tax or _count(line, back):
            lines.append(_line(line, back, minor, tax))
    return lines


def _count(line: LineResult, back: set[Place]) -> int:
    return sum(line_id == line.line_id for line_id, _ in back)


def _line(line: LineResult, back: set[Place], minor: int, tax: int) -> LineRefund:
    paid = prices(line)
    units: list[PaidUnits] = []
    for unit in sorted(unit for line_id, unit in back if line_id == line.line_id):
        last = units[-1] if units else None
        follows = last is not None and last.first_unit + last.quantity == unit
        if last is not None and follows and last.unit_payable_minor == paid[unit]:
            last.quantity += 1
        else:
            units.append(PaidUnits(first_unit=unit, quantity=1, unit_payable_minor=paid[unit]))
    return LineRefund(
        line_id=line.line_id,
        quantity=_count(line, back),
        goods=RefundAmount(minor=minor, tax_minor=tax),
        units=units,
    )


def claimed(
    ruleset: Ruleset, request: RefundRequest, paid: Result, kept: Result, back: set[Place]
) -> Iterator[Claim]:
    """S-11.7."""
    gifts = list(_gifts(ruleset, request, paid))
    still = Counter(gift.kind for gift in _gifts(ruleset, request, kept))
    for kind in dict.fromkeys(gift.kind for gift in gifts):
        of_kind = [gift for gift in gifts if gift.kind == kind]
        granted = [gift for gift in of_kind if gift.place is None]
        stated = sum(
            units.quantity
            for units in request.gifts_returned
            if (units.promotion_id, units.product_id) == kind
        )
        found = [gift for gift in of_kind if gift.place is not None]
        held = granted[stated:] + [gift for gift in found if gift.place not in back]
        charged = len(held) - still[kind]
        if charged > 0:
            worth = sorted(gift.worth for gift in held)
            promotion_id, product_id = kind
            yield Claim(
                gift=GiftUnits(promotion_id=promotion_id, product_id=product_id, quantity=charged),
                value_minor=sum(worth[:charged]),
            )
    yield from _lost_rewards(request, paid, kept)


def _gifts(ruleset: Ruleset, request: RefundRequest, result: Result) -> Iterator[Given]:
    """Every unit that a gift gave: those granted, then those found in the cart."""
    for grant in result.gifts:
        for _ in range(grant.quantity):
            yield Given((grant.promotion_id, grant.product_id), grant.value_minor // grant.quantity, None)
    lines = {line.id: line for line in request.sale.request.cart.lines}
    for application in result.applications:
        for share in application.shares:
            line = lines[share.line_id]
            kind = (application.promotion_id, line.product_id)
            for units in share.units:
                if application.sets or units.role != Role.ROLE_REWARD:
                    continue
                worth = units.unit_discount_minor
                if line.kind == LineKind.LINE_KIND_GIFT:
                    worth = max(worth, _unit_value(ruleset, result, kind, application.step))
                for number in range(units.quantity):
                    yield Given(kind, worth, (line.id, units.first_unit + number))


def _unit_value(ruleset: Ruleset, result: Result, kind: Kind, step: int) -> int:
    """What the definition says that a unit of the gift is worth."""
    promotion = next(promotion for promotion in ruleset.promotions if promotion.id == kind[0])
    acts: list[Act] = [
        each.act for each in lower(promotion, result.currency_code).steps if each.number == step
    ]
    for act in list(acts):
        if isinstance(act, Tiers):
            acts += [tier.act for tier in act.tiers]
    return min(act.unit_value for act in acts if isinstance(act, Gift) and act.product_id == kind[1])


def _lost_rewards(request: RefundRequest, paid: Result, kept: Result) -> Iterator[Claim]:
    had, has = _rewards(paid), _rewards(kept)
    for (promotion_id, kind, voucher), grant in had.items():
        now = has.get((promotion_id, kind, voucher), RewardGrant())
        lost = RewardGrant()
        lost.CopyFrom(grant)
        if kind != "voucher_promotion_id":
            setattr(lost, kind, getattr(grant, kind) - getattr(now, kind))
            gone = getattr(lost, kind) > 0
        else:
            gone = not now.voucher_promotion_id
        if gone and promotion_id not in request.rewards_reversed:
            yield Claim(reward=lost, value_minor=lost.cashback_minor)


def _rewards(result: Result) -> dict[tuple[str, str, str], RewardGrant]:
    """The rewards, those of one promotion and kind added up."""
    sums: dict[tuple[str, str, str], RewardGrant] = {}
    for grant in result.rewards:
        kind = str(grant.WhichOneof("grant"))
        key = (grant.promotion_id, kind, grant.voucher_promotion_id)
        if key not in sums:
            sums[key] = RewardGrant()
            sums[key].CopyFrom(grant)
        elif kind != "voucher_promotion_id":
            setattr(sums[key], kind, getattr(sums[key], kind) + getattr(grant, kind))
    return sums


def _settled(
    request: RefundRequest,
    paid: Result,
    policy: ReturnPolicy.ValueType,
    lines: list[LineRefund],
    claims: list[Claim],
) -> Refund:
    """S-11.3, S-11.6, S-11.7."""
    goods = RefundAmount(
        minor=sum(line.goods.minor for line in lines), tax_minor=sum(line.goods.tax_minor for line in lines)
    )
    claims_minor = sum(claim.value_minor for claim in claims)
    entitlement = max(0, goods.minor - claims_minor)
    tax = max(0, goods.tax_minor)
    if claims_minor and goods.minor:
        tax = half_up(Fraction(goods.tax_minor * entitlement, goods.minor))
    before = request.refunded
    return Refund(
        cart_id=paid.cart_id,
        currency_code=paid.currency_code,
        policy=policy,
        paid=RefundAmount(
            minor=sum(line.payable_minor for line in paid.lines),
            tax_minor=sum(line.payable_tax_minor for line in paid.lines),
        ),
        goods=goods,
        claims=claims,
        claims_minor=claims_minor,
        entitlement=RefundAmount(minor=entitlement, tax_minor=tax),
        refund=RefundAmount(
            minor=max(0, entitlement - before.minor), tax_minor=max(0, tax - before.tax_minor)
        ),
        owed=RefundAmount(minor=max(0, before.minor - entitlement), tax_minor=max(0, before.tax_minor - tax)),
        lines=lines,
    )
