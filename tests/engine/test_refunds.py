"""What holds for every refund, whatever was sold and in whatever steps it comes back."""

from collections.abc import Sequence

import dealwright_engine
import pytest
from dealwright.v1.evaluation_service_pb2 import (
    EvaluateRequest,
    EvaluateResponse,
    RefundRequest,
    RefundResponse,
    Sale,
)
from dealwright.v1.refund_pb2 import Refund, RefundAmount, ReturnedUnits, ReturnPolicy
from dealwright.v1.ruleset_pb2 import Ruleset

from tests.differential.chances import Chance
from tests.differential.refunds import POLICIES, Sold, a_return, sold, some_units

SEED = 1
SALES = range(400)


def steps(number: int) -> tuple[Sold, list[list[ReturnedUnits]]]:
    """A sale, and units of it that come back in several steps, in any order."""
    chance, of = Chance(SEED, number), sold(SEED, number)
    parents = {line.parent_id for line in of.lines}
    # A child line would have to come back in the same step as its parent.
    lines = [line for line in of.lines if not line.parent_id and line.id not in parents]
    parts = shuffled(chance, [part for units in some_units(chance, lines) for part in _parts(chance, units)])
    taken: list[list[ReturnedUnits]] = []
    while parts:
        count = chance.number(1, len(parts))
        taken.append(parts[:count])
        parts = parts[count:]
    return of, taken


def shuffled(chance: Chance, units: list[ReturnedUnits]) -> list[ReturnedUnits]:
    return [units.pop(chance.number(0, len(units) - 1)) for _ in range(len(units))]


def _parts(chance: Chance, units: ReturnedUnits) -> list[ReturnedUnits]:
    """The same units in one entry or in two."""
    first = chance.number(1, units.quantity)
    parts = [ReturnedUnits(line_id=units.line_id, quantity=first)]
    if first < units.quantity:
        parts.append(ReturnedUnits(line_id=units.line_id, quantity=units.quantity - first))
    if units.HasField("first_unit"):
        parts[0].first_unit = units.first_unit
        parts[-1].first_unit = units.first_unit + (first if len(parts) > 1 else 0)
    return parts


def in_steps(
    sold: Sold, taken: Sequence[Sequence[ReturnedUnits]], policy: ReturnPolicy.ValueType
) -> list[Refund]:
    """The refunds of the steps, each with what was refunded before."""
    before = RefundAmount()
    back: list[ReturnedUnits] = []
    answers = []
    for units in taken:
        back += units
        request = sold.request(back, policy)
        request.refunded.CopyFrom(before)
        answers.append(sold.refund(request).refund)
        before.minor += answers[-1].refund.minor
        before.tax_minor += answers[-1].refund.tax_minor
    return answers


@pytest.mark.parametrize("policy", POLICIES)
def test_everything_back_is_what_was_paid(policy: ReturnPolicy.ValueType) -> None:
    for number in SALES:
        of = sold(SEED, number)
        refund = of.refund(of.everything(policy)).refund
        totals = of.result.totals

        assert refund.refund == refund.entitlement == refund.paid
        assert (refund.paid.minor, refund.paid.tax_minor) == (totals.payable_minor, totals.payable_tax_minor)


def test_a_refund_adds_up_and_lies_between_nothing_and_what_was_paid() -> None:
    for number in SALES:
        of, request = a_return(SEED, number)
        response = of.refund(request)
        refund = response.refund

        assert_adds_up(response, request)
        assert 0 <= refund.entitlement.minor <= refund.paid.minor
        assert 0 <= refund.entitlement.tax_minor <= refund.paid.tax_minor
        assert response.HasField("kept") == (request.policy != ReturnPolicy.RETURN_POLICY_UNSPECIFIED)


def assert_adds_up(response: RefundResponse, request: RefundRequest) -> None:
    """Lines add up to goods, these less claims to the entitlement, and that less refunds to what is due."""
    refund = response.refund
    for line in refund.lines:
        assert line.quantity == sum(units.quantity for units in line.units)
        if refund.policy != ReturnPolicy.RETURN_POLICY_RE_EVALUATE:
            assert line.goods.minor == sum(units.quantity * units.unit_payable_minor for units in line.units)
            assert line.goods.tax_minor >= 0
    assert refund.goods == RefundAmount(
        minor=sum(line.goods.minor for line in refund.lines),
        tax_minor=sum(line.goods.tax_minor for line in refund.lines),
    )
    assert refund.claims_minor == sum(claim.value_minor for claim in refund.claims)
    assert refund.entitlement.minor == max(0, refund.goods.minor - refund.claims_minor)
    for part in ("minor", "tax_minor"):
        due, owed = getattr(refund.refund, part), getattr(refund.owed, part)
        assert due - owed == getattr(refund.entitlement, part) - getattr(request.refunded, part)
        assert min(due, owed) == 0


def test_kept_deals_refund_the_same_in_any_steps_and_owe_nothing() -> None:
    for number in SALES:
        of, taken = steps(number)
        answers = in_steps(of, taken, ReturnPolicy.RETURN_POLICY_KEEP)
        at_once = of.refund(of.request([units for step in taken for units in step])).refund

        assert sum(answer.refund.minor for answer in answers) == at_once.refund.minor
        assert sum(answer.refund.tax_minor for answer in answers) == at_once.refund.tax_minor
        assert all(answer.owed == RefundAmount() for answer in answers)
        entitlements = [answer.entitlement.minor for answer in answers]
        assert entitlements == sorted(entitlements)


@pytest.mark.parametrize("policy", POLICIES)
def test_refunds_less_what_is_owed_are_those_of_one_return(policy: ReturnPolicy.ValueType) -> None:
    for number in SALES:
        of, taken = steps(number)
        answers = in_steps(of, taken, policy)
        at_once = of.refund(of.request([units for step in taken for units in step], policy)).refund

        for part in ("minor", "tax_minor"):
            paid_back = sum(getattr(answer.refund, part) for answer in answers)
            owed = getattr(answers[-1].owed, part) if answers else 0
            assert paid_back - owed == getattr(at_once.entitlement, part)


def test_neither_the_order_of_entries_nor_the_form_of_the_proof_matters() -> None:
    for number in SALES:
        of, request = a_return(SEED, number)
        other = RefundRequest()
        other.CopyFrom(request)
        del other.returned[:]
        other.returned.extend(shuffled(Chance(SEED, number), list(request.returned)))
        if request.sale.WhichOneof("paid") == "result":
            other.sale.result_hash = of.result.result_hash
        else:
            other.sale.result.CopyFrom(of.result)

        assert of.refund(other) == of.refund(request)


@pytest.mark.parametrize("policy", POLICIES)
def test_nothing_is_due_and_nothing_claimed_while_nothing_comes_back(
    policy: ReturnPolicy.ValueType,
) -> None:
    for number in SALES:
        of = sold(SEED, number)
        refund = of.refund(of.request([], policy)).refund

        assert (refund.entitlement, list(refund.claims), list(refund.lines)) == (RefundAmount(), [], [])


@pytest.mark.parametrize("policy", POLICIES)
def test_a_million_units_are_as_quick_as_one(policy: ReturnPolicy.ValueType) -> None:
    """Work follows runs of units: a refund of most of a million units names them in one row."""
    of = million_units()
    refund = of.refund(of.request([ReturnedUnits(line_id="a", quantity=999_999)], policy)).refund

    assert refund.goods.minor == 999_999_000
    assert len(refund.lines[0].units) == 1


def million_units() -> Sold:
    ruleset = Ruleset(company_id="example")
    compiled = dealwright_engine.Ruleset.compile(ruleset.SerializeToString())
    request = EvaluateRequest()
    request.evaluate_time.FromJsonString("2026-11-21T08:00:00Z")
    request.cart.currency_code = "IDR"
    request.cart.lines.add(id="a", quantity=1_000_000, unit_price_minor=1000)
    result = EvaluateResponse.FromString(compiled.evaluate(request.SerializeToString(), 0)).result
    return Sold(ruleset, compiled, Sale(request=request, result=result), result)
