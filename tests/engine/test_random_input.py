"""Whatever bytes or messages come in, only the documented exceptions come out, and what is accepted adds up.

A panic in the extension would be a BaseException that nothing here catches, so it fails these tests.
"""

from pathlib import Path

import pytest
from dealwright.v1.cart_pb2 import Cart
from dealwright.v1.diagnostic_pb2 import Diagnostics, Severity
from dealwright.v1.evaluation_service_pb2 import (
    EvaluateRequest,
    EvaluateResponse,
    ExplainRequest,
    ExplainResponse,
)
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.ruleset_pb2 import Ruleset as RulesetMessage
from dealwright_engine import (
    InvalidRequest,
    InvalidRuleset,
    Ruleset,
    reason_codes,
    validate,
    validate_ruleset,
)
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from server.documents import read_cart, read_definitions
from tests.engine.adding_up import assert_adds_up
from tests.engine.messages import changed, messages

DEMO = Path(__file__).parents[2] / "examples" / "demo"
DEFINITIONS = read_definitions([DEMO / "company.yaml", DEMO / "promotions"])
PROMOTIONS = DEFINITIONS.promotions
REQUESTS = [read_cart(path).request for path in sorted((DEMO / "carts").iterdir())]
COMPANY = Ruleset.compile(DEFINITIONS.ruleset().SerializeToString())
CODES = {code: severity for code, severity, _ in reason_codes()}
SMALL_COMPANY = RulesetMessage(promotions=PROMOTIONS[:3])
SMALL_COMPANY.MergeFrom(DEFINITIONS.settings or RulesetMessage())
NOW_NANOS = 1_796_000_000_000_000_000

promotions = messages(Promotion) | st.sampled_from(PROMOTIONS).flatmap(changed)
requests = messages(EvaluateRequest) | st.sampled_from(REQUESTS).flatmap(changed)


@given(st.binary(max_size=200))
def test_random_bytes_are_refused_or_read_everywhere(data: bytes) -> None:
    assert_catalogued(validate(data))
    compile_or_refuse(data)
    evaluate_or_refuse(COMPANY, data)
    explain_or_refuse(COMPANY, data)


@given(request=st.sampled_from(REQUESTS), place=st.integers(0), byte=st.integers(0, 255))
def test_a_request_with_one_wrong_byte_is_refused_or_adds_up(
    request: EvaluateRequest, place: int, byte: int
) -> None:
    data = bytearray(request.SerializeToString())
    data[place % len(data)] = byte

    evaluate_or_refuse(COMPANY, bytes(data))


edits = st.lists(st.tuples(st.integers(0), st.binary(max_size=4), st.integers(0, 4)), max_size=3)


@given(st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=2), edits)
def test_a_request_is_read_as_other_decoders_read_it(
    parts: list[EvaluateRequest], edits: list[tuple[int, bytes, int]]
) -> None:
    # Two requests behind one another are one: lists go on, messages are merged, of values the last counts.
    data = b"".join(part.SerializeToString() for part in parts)
    for place, new, replaced in edits:
        start = place % len(data)
        data = data[:start] + new + data[start + replaced :]

    try:
        message = EvaluateRequest.FromString(data)
    except DecodeError:
        assert answer(data) == answer(b"\xff")
    else:
        assert answer(data) == answer(message.SerializeToString())


def answer(data: bytes) -> bytes:
    try:
        return COMPANY.evaluate(data, NOW_NANOS)
    except InvalidRequest as refused:
        return refused.diagnostics


@given(promotions)
def test_a_random_promotion_gets_catalogued_diagnostics(promotion: Promotion) -> None:
    assert_catalogued(validate(promotion.SerializeToString()))


@given(promotions)
def test_a_broken_promotion_never_breaks_its_ruleset(promotion: Promotion) -> None:
    message = DEFINITIONS.ruleset()
    kept = [known for known in message.promotions if known.id != promotion.id]
    del message.promotions[:]
    message.promotions.extend([*kept, promotion])

    ruleset = Ruleset.compile(message.SerializeToString())

    assert ruleset.promotion_count == len(kept) + 1
    for request in REQUESTS:
        assert evaluate_or_refuse(ruleset, request.SerializeToString())


@given(messages(RulesetMessage) | changed(SMALL_COMPANY), st.sampled_from(REQUESTS))
def test_a_random_ruleset_is_refused_or_prices_carts(
    message: RulesetMessage, request: EvaluateRequest
) -> None:
    ruleset = compile_or_refuse(message.SerializeToString())

    assert_catalogued(validate_ruleset(message.SerializeToString()))
    if ruleset is not None:
        evaluate_or_refuse(ruleset, request.SerializeToString())


@given(requests)
def test_a_random_request_is_refused_or_adds_up(request: EvaluateRequest) -> None:
    data = request.SerializeToString()

    first, second = evaluate_or_refuse(COMPANY, data), evaluate_or_refuse(COMPANY, data)

    assert first == second


@given(requests)
def test_explaining_gives_the_amounts_of_evaluating(request: EvaluateRequest) -> None:
    question = ExplainRequest(cart=request.cart) if request.HasField("cart") else ExplainRequest()
    if request.HasField("evaluate_time"):
        question.evaluate_time.CopyFrom(request.evaluate_time)
    if request.HasField("limit_state"):
        question.limit_state.CopyFrom(request.limit_state)
    request.ClearField("options")

    priced = evaluate_or_refuse(COMPANY, request.SerializeToString())
    explained = explain_or_refuse(COMPANY, question.SerializeToString())

    assert (priced is None) == (explained is None)
    if priced and explained:
        assert priced.result.totals == explained.result.totals
        assert len(explained.traces) == len(explained.result.applications)


@pytest.mark.parametrize("data", [b"", b"\x0a\x00"])
def test_nothing_at_all_is_refused(data: bytes) -> None:
    assert evaluate_or_refuse(COMPANY, data) is None
    assert compile_or_refuse(b"") is None


def compile_or_refuse(data: bytes) -> Ruleset | None:
    try:
        ruleset = Ruleset.compile(data)
    except InvalidRuleset as refusal:
        assert_refusal(refusal.diagnostics)
        return None
    assert_catalogued(ruleset.diagnostics)
    return ruleset


def evaluate_or_refuse(ruleset: Ruleset, data: bytes) -> EvaluateResponse | None:
    try:
        response = EvaluateResponse.FromString(ruleset.evaluate(data, NOW_NANOS))
    except InvalidRequest as refusal:
        assert_refusal(refusal.diagnostics)
        return None
    assert_adds_up(EvaluateRequest.FromString(data).cart, response.result)
    return response


def explain_or_refuse(ruleset: Ruleset, data: bytes) -> ExplainResponse | None:
    try:
        response = ExplainResponse.FromString(ruleset.explain(data, NOW_NANOS))
    except InvalidRequest as refusal:
        assert_refusal(refusal.diagnostics)
        return None
    assert_adds_up(cart_of(data), response.result)
    return response


def cart_of(data: bytes) -> Cart:
    return ExplainRequest.FromString(data).cart


def assert_refusal(data: bytes) -> None:
    severities = [diagnostic.severity for diagnostic in Diagnostics.FromString(data).diagnostics]
    assert Severity.SEVERITY_ERROR in severities
    assert_catalogued(data)


def assert_catalogued(data: bytes) -> None:
    for diagnostic in Diagnostics.FromString(data).diagnostics:
        severity = Severity.Name(diagnostic.severity).removeprefix("SEVERITY_").lower()
        assert CODES[diagnostic.code] == severity
        assert diagnostic.message
