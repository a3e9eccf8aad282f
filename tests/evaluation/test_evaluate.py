"""Evaluate and Explain over gRPC: the same answers as offline, and refusals that say where."""

import asyncio
import random
import sys
from typing import Any

import grpc
import grpc.aio
import pytest
from dealwright.v1.evaluation_service_pb2 import EvaluateResponse, ExplainRequest, ExplainResponse
from dealwright.v1.result_pb2 import Reason
from dealwright_engine import Ruleset

from server.definitions.service import Definitions, Publication
from server.evaluation.service import INLINE_BYTES_MAX, Evaluation
from server.runtime.app import Application
from server.runtime.transport import (
    MESSAGE_BYTES_MAX,
    METADATA_BYTES_MAX,
    METADATA_BYTES_USUAL,
    QUEUED_USUAL,
)
from tests.definitions.samples import jakarta_settings, percent_off
from tests.evaluation.requests import (
    CALL_SECONDS,
    EVALUATE,
    EXPLAIN,
    BareMethod,
    call,
    details,
    latte_request,
)


@pytest.fixture
async def serving(application: Application, definitions: Definitions) -> Application:
    """The server with one promotion in force."""
    definitions.publish("kopi", Publication([percent_off("ten", 10)], settings=jakarta_settings()))
    await application.holder.refresh()
    return application


async def test_a_cart_is_priced(serving: Application, channel: grpc.aio.Channel) -> None:
    answer = await call(channel, EVALUATE, latte_request().SerializeToString())

    result = EvaluateResponse.FromString(answer).result
    assert (result.company_id, result.revision, result.cart_id) == ("kopi", 1, "bill-1")
    assert (result.totals.list_minor, result.totals.discount_minor, result.totals.payable_minor) == (
        5_000_000,
        500_000,
        4_500_000,
    )
    assert [application.promotion_id for application in result.applications] == ["ten"]


@pytest.mark.parametrize("lines", [1, 3, 2_000])
async def test_the_answer_is_the_offline_answer_to_the_byte(
    serving: Application, channel: grpc.aio.Channel, definitions: Definitions, lines: int
) -> None:
    request = latte_request(lines=lines).SerializeToString()
    offline = Ruleset.compile(definitions.ruleset("kopi").SerializeToString(deterministic=True))
    assert (len(request) > INLINE_BYTES_MAX) == (lines == 2_000)

    assert await call(channel, EVALUATE, request) == offline.evaluate(request, 0)


async def test_explain_gives_a_verdict_on_everything_and_the_trace(
    serving: Application, channel: grpc.aio.Channel, definitions: Definitions
) -> None:
    definitions.publish("kopi", Publication([percent_off("never", 90)], deleted_ids=[]))
    await serving.holder.refresh()
    asked = latte_request()
    request = ExplainRequest(cart=asked.cart, evaluate_time=asked.evaluate_time)

    response = ExplainResponse.FromString(await call(channel, EXPLAIN, request.SerializeToString()))

    verdicts = {verdict.promotion_id: verdict.reason for verdict in response.result.verdicts}
    assert set(verdicts) == {"ten", "never"}
    assert Reason.REASON_APPLIED in verdicts.values()
    assert [trace.promotion_id for trace in response.traces] == [
        application.promotion_id for application in response.result.applications
    ]
    assert all(trace.text for trace in response.traces)


async def test_the_servers_clock_is_used_when_the_request_has_none(
    serving: Application, channel: grpc.aio.Channel
) -> None:
    request = latte_request()
    request.ClearField("evaluate_time")

    result = EvaluateResponse.FromString(await call(channel, EVALUATE, request.SerializeToString())).result

    assert result.evaluate_time.seconds > 1_767_225_600  # 2026-01-01


def nested_groups() -> bytes:
    """An unknown field with groups in groups, deeper than any decoder follows."""
    return latte_request().SerializeToString() + b"\x7b" * 500 + b"\x7c" * 500


def broken(change: Any) -> bytes:
    request = latte_request()
    change(request.cart)
    return request.SerializeToString()


def negative_quantity(cart: Any) -> None:
    cart.lines[0].quantity = -1


def unknown_currency(cart: Any) -> None:
    cart.currency_code = "XQQ"


def too_many_lines(cart: Any) -> None:
    for number in range(10_000):
        cart.lines.add(id=f"more-{number}", quantity=1, unit_price_minor=1)


def overflow(cart: Any) -> None:
    for number in range(9_000):
        cart.lines.add(id=f"dear-{number}", quantity=1_000_000, unit_price_minor=10**15)


@pytest.mark.parametrize(
    ("request_bytes", "field"),
    [
        (b"\xff\xff\xff", ""),
        (nested_groups(), ""),
        (b"", "cart"),
        (broken(negative_quantity), "cart.lines[0].quantity"),
        (broken(unknown_currency), "cart.currency_code"),
        (broken(too_many_lines), "cart.lines"),
        (broken(overflow), "cart.lines"),
    ],
    ids=[
        "no message",
        "depth",
        "no cart",
        "negative quantity",
        "unknown currency",
        "10001 lines",
        "overflow",
    ],
)
@pytest.mark.parametrize("method", [EVALUATE, EXPLAIN])
async def test_a_broken_request_is_refused_with_its_field(
    serving: Application, channel: grpc.aio.Channel, method: str, request_bytes: bytes, field: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(channel, method, request_bytes)

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    info, violations = details(refused.value)
    assert (info.domain, info.reason) == ("dealwright", violations.field_violations[0].reason)
    assert info.reason == info.reason.upper() != ""
    assert violations.field_violations[0].field == field
    assert violations.field_violations[0].description


async def test_thousands_of_faults_still_fit_into_a_header(
    serving: Application, channel: grpc.aio.Channel
) -> None:
    request = latte_request(quantity=-1, lines=5_000)

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(channel, EVALUATE, request.SerializeToString())

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert details(refused.value)[1].field_violations[0].field == "cart.lines[0].quantity"


async def test_a_request_above_four_mebibytes_is_refused(
    serving: Application, channel: grpc.aio.Channel
) -> None:
    padded = latte_request()
    padded.cart.id = "x" * MESSAGE_BYTES_MAX

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(channel, EVALUATE, padded.SerializeToString())

    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_metadata_has_its_bound(serving: Application, channel: grpc.aio.Channel) -> None:
    evaluate: BareMethod = channel.unary_unary(EVALUATE)

    async def attempt(length: int) -> grpc.StatusCode:
        made = evaluate(
            latte_request().SerializeToString(), timeout=CALL_SECONDS, metadata=(("x-much", "x" * length),)
        )
        return await made.code()

    assert await attempt(METADATA_BYTES_USUAL // 2) is grpc.StatusCode.OK
    assert await attempt(METADATA_BYTES_MAX) is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert await attempt(0) is grpc.StatusCode.OK


async def test_without_a_ruleset_calls_are_told_to_come_back(
    application: Application, channel: grpc.aio.Channel
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(channel, EVALUATE, latte_request().SerializeToString())

    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert details(refused.value)[0].reason == "NO_RULESET"


async def test_random_bytes_never_get_more_than_a_refusal(
    serving: Application, channel: grpc.aio.Channel
) -> None:
    chance = random.Random(20261121)
    valid = latte_request(lines=5).SerializeToString()
    codes = set()
    for turn in range(300):
        garbled = bytearray(valid if turn % 2 else chance.randbytes(chance.randrange(1, 200)))
        for _ in range(chance.randrange(1, 6)):
            garbled[chance.randrange(len(garbled))] = chance.randrange(256)
        try:
            await call(channel, EVALUATE, bytes(garbled))
            codes.add(grpc.StatusCode.OK)
        except grpc.aio.AioRpcError as error:
            codes.add(error.code())

    assert codes == {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT}


async def test_the_handler_touches_no_message_and_no_dict(serving: Application) -> None:
    """Records every function that a call enters: none is protobuf's, and no message is parsed or made."""
    evaluation = Evaluation(serving.holder, serving.metrics)
    request = latte_request().SerializeToString()
    await evaluation.evaluate(request)
    entered: list[str] = []

    def record(frame: Any, event: str, function: Any) -> None:
        if event == "c_call":
            entered.append(f"{function.__module__}.{function.__qualname__}")
        elif event == "call":
            entered.append(f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}")

    sys.setprofile(record)
    try:
        answer = await evaluation.evaluate(request)
    finally:
        sys.setprofile(None)

    assert EvaluateResponse.FromString(answer).result.totals.discount_minor == 500_000
    assert any(name.endswith("Ruleset.evaluate") for name in entered)
    suspicious = ("protobuf", "google", "FromString", "Serialize", "_pb2", "json", "dict")
    assert [name for name in entered if any(word in name for word in suspicious)] == []


async def test_many_calls_at_once_get_their_own_answers(
    serving: Application, channel: grpc.aio.Channel
) -> None:
    quantities = range(1, QUEUED_USUAL)
    requests = [latte_request(quantity=quantity) for quantity in quantities]

    answers = await asyncio.gather(
        *(call(channel, EVALUATE, request.SerializeToString()) for request in requests)
    )

    totals = [EvaluateResponse.FromString(answer).result.totals.list_minor for answer in answers]
    assert totals == [quantity * 2_500_000 for quantity in quantities]
