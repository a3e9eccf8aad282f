"""A refund from a recorded result: what it says was paid counts, as long as it is whole and of this sale."""

import hashlib
from collections.abc import Callable

import pytest
from dealwright.v1.cart_pb2 import Cart
from dealwright.v1.diagnostic_pb2 import Diagnostics, Severity
from dealwright.v1.evaluation_service_pb2 import (
    EvaluateRequest,
    EvaluateResponse,
    RefundRequest,
    RefundResponse,
)
from dealwright.v1.refund_pb2 import ReturnPolicy
from dealwright.v1.result_pb2 import Result
from dealwright_engine import InvalidRequest
from google.protobuf.json_format import ParseDict
from hypothesis import given
from hypothesis import strategies as st

from server.documents import read_cart
from tests.differential.refunds import POLICIES
from tests.engine.messages import changed
from tests.engine.offers import Document, cart_of, cashback, compiled, gift, off_items, units
from tests.engine.test_random_input import COMPANY, DEMO, assert_refusal

OFFERS: list[Document] = [off_items(200_000), gift(300), cashback(50)]
RULESET = compiled(OFFERS)


def sold() -> RefundRequest:
    """Two units at 500 with 20 % off, one of which comes back."""
    request = RefundRequest()
    request.sale.request.evaluate_time.FromJsonString("2026-11-21T08:00:00Z")
    request.sale.request.cart.MergeFrom(_cart(cart_of([units(500, 2)], id="bill")))
    answer = RULESET.evaluate(request.sale.request.SerializeToString(), 0)
    request.sale.result.CopyFrom(EvaluateResponse.FromString(answer).result)
    request.returned.add(line_id="1", quantity=1)
    return request


def _cart(document: Document) -> Cart:
    return ParseDict({"cart": document}, EvaluateRequest()).cart


def sealed(result: Result) -> None:
    """Gives a changed result the hash of its content."""
    result.ClearField("result_hash")
    result.result_hash = hashlib.sha256(result.SerializeToString(deterministic=True)).digest()


def test_the_amounts_of_the_record_count() -> None:
    request = sold()
    line = request.sale.result.lines[0]
    line.runs[0].unit_payable_minor = 390
    line.payable_minor = 780
    sealed(request.sale.result)

    refund = RefundResponse.FromString(RULESET.refund(request.SerializeToString())).refund

    assert (refund.paid.minor, refund.refund.minor) == (780, 390)


def another_revision(result: Result) -> None:
    result.revision = 9


def another_company(result: Result) -> None:
    result.company_id = "other"


def another_instant(result: Result) -> None:
    result.evaluate_time.seconds += 1


def another_cart(result: Result) -> None:
    result.cart_id = "other"


def another_currency(result: Result) -> None:
    result.currency_code = "USD"


def another_line(result: Result) -> None:
    result.lines[0].line_id = "2"


def a_line_less(result: Result) -> None:
    del result.lines[0]


def fewer_units(result: Result) -> None:
    result.lines[0].runs[0].quantity = 1


def more_than_the_list_price(result: Result) -> None:
    result.lines[0].runs[0].unit_payable_minor = 501


def another_sum(result: Result) -> None:
    result.lines[0].payable_minor += 1


def tax_beyond_the_value(result: Result) -> None:
    result.lines[0].payable_tax_minor = 1001


def a_gift_of_nothing(result: Result) -> None:
    result.gifts[0].quantity = 0


def a_reward_below_nothing(result: Result) -> None:
    result.rewards[0].cashback_minor = -1


def units_that_the_line_lacks(result: Result) -> None:
    result.applications[0].shares[0].units[0].first_unit = 5


@pytest.mark.parametrize(
    "change",
    [
        another_revision,
        another_company,
        another_instant,
        another_cart,
        another_currency,
        another_line,
        a_line_less,
        fewer_units,
        more_than_the_list_price,
        another_sum,
        tax_beyond_the_value,
        a_gift_of_nothing,
        a_reward_below_nothing,
        units_that_the_line_lacks,
    ],
    ids=lambda change: change.__name__,
)
def test_a_record_of_something_else_is_refused(change: Callable[[Result], None]) -> None:
    request = sold()
    change(request.sale.result)
    sealed(request.sale.result)

    with pytest.raises(InvalidRequest) as refusal:
        RULESET.refund(request.SerializeToString())

    (found,) = Diagnostics.FromString(refusal.value.diagnostics).diagnostics
    assert (found.code, found.field) == ("result_differs", "sale.result")


def test_a_record_that_was_touched_is_refused() -> None:
    request = sold()
    request.sale.result.gifts[0].value_minor += 1

    with pytest.raises(InvalidRequest) as refusal:
        RULESET.refund(request.SerializeToString())

    (found,) = Diagnostics.FromString(refusal.value.diagnostics).diagnostics
    assert "hash" in found.message
    assert found.severity == Severity.SEVERITY_ERROR


def demo_returns() -> list[RefundRequest]:
    """A unit of each line of each demo cart comes back."""
    returns = []
    for place, path in enumerate(sorted((DEMO / "carts").iterdir())):
        request = RefundRequest(policy=POLICIES[place % 3])
        request.sale.request.CopyFrom(read_cart(path).request)
        answer = COMPANY.evaluate(request.sale.request.SerializeToString(), 0)
        request.sale.result.CopyFrom(EvaluateResponse.FromString(answer).result)
        for line in request.sale.request.cart.lines:
            if line.quantity > 1:
                request.returned.add(line_id=line.id, quantity=1)
        returns.append(request)
    return returns


RETURNS = demo_returns()


@given(request=st.sampled_from(RETURNS).flatmap(changed), seals=st.booleans())
def test_a_random_return_is_refused_or_stays_within_what_was_paid(
    request: RefundRequest, seals: bool
) -> None:
    if seals and request.sale.HasField("result"):
        sealed(request.sale.result)
    try:
        answer = RefundResponse.FromString(COMPANY.refund(request.SerializeToString()))
    except InvalidRequest as refusal:
        assert_refusal(refusal.diagnostics)
    else:
        assert 0 <= answer.refund.entitlement.minor <= answer.refund.paid.minor


@given(
    result=st.sampled_from(RETURNS).flatmap(lambda request: changed(request.sale.result)),
    request=st.sampled_from(RETURNS),
    policy=st.sampled_from(ReturnPolicy.values()),
)
def test_a_random_record_is_refused_or_stays_within_what_was_paid(
    result: Result, request: RefundRequest, policy: ReturnPolicy.ValueType
) -> None:
    asked = RefundRequest(policy=policy, returned=request.returned)
    asked.sale.request.CopyFrom(request.sale.request)
    asked.sale.result.CopyFrom(result)
    sealed(asked.sale.result)
    try:
        answer = RefundResponse.FromString(COMPANY.refund(asked.SerializeToString()))
    except InvalidRequest as refusal:
        assert_refusal(refusal.diagnostics)
    else:
        assert 0 <= answer.refund.entitlement.minor <= answer.refund.paid.minor
