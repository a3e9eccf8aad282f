"""Engine and reference agree on refunds of generated sales, to the minor unit, the unit and the claim."""

from dealwright.v1.evaluation_service_pb2 import RefundResponse

from tests.differential.refunds import a_return
from tests.differential.test_differential import EXAMPLES, SEED
from tests.reference.refund import refund

CASES_PER_REFUND = 8
"""A refund evaluates twice and more, so that fewer of them are tried."""


def test_a_refund_agrees_with_the_reference() -> None:
    for number in range(EXAMPLES // CASES_PER_REFUND):
        sold, request = a_return(SEED, number)

        engine, reference = sold.refund(request), refund(sold.ruleset, request)

        assert comparable(engine) == comparable(reference), f"case {number}: {request}"


def comparable(response: RefundResponse) -> RefundResponse:
    """The refund, and what the part that is kept costs; its verdicts are compared in test_differential."""
    answer = RefundResponse(refund=response.refund)
    kept = response.kept
    answer.kept.MergeFrom(
        type(kept)(totals=kept.totals, lines=kept.lines, gifts=kept.gifts, rewards=kept.rewards)
    )
    return answer
