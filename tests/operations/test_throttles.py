"""Who calls too often is refused, and nobody else."""

import json
from contextlib import suppress
from typing import Any

import grpc
import grpc.aio
import pytest
import structlog
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from sqlalchemy import Engine

from server.actors import Role
from server.definitions.service import Definitions, Publication
from server.runtime import logs
from server.runtime.errors import STATUS_DETAILS_KEY, TooMany
from server.runtime.throttles import (
    HOUR_SECONDS,
    REMEMBERED,
    SECOND,
    TOLD_SECONDS,
    Refusals,
    Throttle,
    network,
    network_of_peer,
)
from tests.access.calls import ask, bearer, reason, serving, token_for
from tests.definitions.samples import percent_off
from tests.evaluation.requests import EVALUATE, latte_request

PROMOTIONS = "/dealwright.v1.DefinitionService/ListPromotions"
THROTTLED = "dealwright_calls_throttled_total"


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 5.0

    def __call__(self) -> float:
        return self.now


def allowed(throttle: Throttle, caller: str, attempts: int) -> int:
    """How many of so many calls in a row are let in."""
    count = 0
    for _ in range(attempts):
        with suppress(TooMany):
            throttle.take(caller)
            count += 1
    return count


@pytest.mark.parametrize("seconds", [SECOND, HOUR_SECONDS])
@pytest.mark.parametrize("calls", [1, 3, 7, 1000])
def test_a_full_bucket_holds_exactly_its_calls(calls: int, seconds: float) -> None:
    clock = Clock()
    throttle = Throttle(calls, seconds, clock=clock)

    assert allowed(throttle, "a", calls + 5) == calls
    assert allowed(throttle, "b", 1) == 1
    clock.now += seconds / calls
    assert allowed(throttle, "a", 3) == 1
    clock.now += 2 * seconds
    assert allowed(throttle, "a", calls + 5) == calls


def test_who_is_refused_is_told_when_there_is_room_and_counted() -> None:
    clock = Clock()
    refusals: list[str] = []
    throttle = Throttle(2, HOUR_SECONDS, refusals.append, clock)
    allowed(throttle, "a", 2)
    with pytest.raises(TooMany, match=r"2 such calls an hour; try again in 1800 s") as refused:
        throttle.take("a")

    assert refused.value.retry_seconds == 1800
    assert refusals == ["a"]
    clock.now += 1800
    throttle.take("a")


def test_the_log_names_somebody_who_is_refused_once_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json")
    clock, counted = Clock(), []
    refusals = Refusals("sync", lambda: counted.append(1), clock)
    for caller in ("tok_1", "tok_2"):
        refusals(caller)
    clock.now += TOLD_SECONDS
    refusals("tok_3")
    structlog.reset_defaults()

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["event"], line["kind"], line["caller"]) for line in lines] == [
        ("calls_throttled", "sync", "tok_1"),
        ("calls_throttled", "sync", "tok_3"),
    ]
    assert len(counted) == 3


def test_a_clock_that_stands_still_lets_in_no_more() -> None:
    throttle = Throttle(5, SECOND, clock=Clock())

    assert allowed(throttle, "a", 1000) == 5


def test_zero_is_no_bound() -> None:
    assert allowed(Throttle(0, SECOND), "a", 1000) == 1000


def test_memory_is_bounded_whoever_calls() -> None:
    throttle = Throttle(2, HOUR_SECONDS, clock=Clock())
    allowed(throttle, "busy", 2)
    for number in range(REMEMBERED - 1):
        throttle.take(str(number))
    assert allowed(throttle, "busy", 1) == 0
    for number in range(5 * REMEMBERED):
        throttle.take(f"other {number}")

    assert throttle.remembered <= 2 * REMEMBERED


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("ipv4:192.0.2.7:4711", "192.0.2.7"),
        ("ipv6:%5B2001:db8:1:2:3::4%5D:4711", "2001:db8:1:2::/64"),
        ("ipv6:[::1]:4711", "::/64"),
        ("unix:", "unix"),
    ],
)
def test_the_addresses_of_one_network_are_one_caller(peer: str, expected: str) -> None:
    assert network_of_peer(peer) == expected


def test_a_name_that_is_no_address_is_a_caller_too() -> None:
    assert network("testclient") == "testclient"


async def second(channel: grpc.aio.Channel, method: str, request: bytes, **how: Any) -> grpc.aio.AioRpcError:
    """How the second of two calls is refused."""
    await ask(channel, method, request, **how)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ask(channel, method, request, **how)
    return refused.value


async def test_a_token_has_so_many_calls_over_grpc_and_others_have_theirs(database: Engine) -> None:
    busy, quiet = (token_for(database, name, Role.ADMIN) for name in ("busy", "quiet"))
    async with serving(database, grpc_calls_per_second=1) as (application, channel):
        application.throttles.grpc.clock = Clock()
        error = await second(channel, PROMOTIONS, b"", metadata=bearer(busy))
        await ask(channel, PROMOTIONS, b"", metadata=bearer(quiet))
        counted = application.metrics.registry.get_sample_value(THROTTLED, {"kind": "grpc"})

    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert reason(error) == "TOO_MANY_CALLS"
    assert counted == 1
    encoded = dict(error.trailing_metadata() or ())[STATUS_DETAILS_KEY]
    retry = RetryInfo()
    assert any(detail.Unpack(retry) for detail in Status.FromString(encoded).details)
    assert retry.retry_delay.seconds == 1


async def test_where_nobody_needs_a_token_addresses_are_counted(
    database: Engine, definitions: Definitions
) -> None:
    definitions.publish("kopi", Publication([percent_off("ten", 10)]))
    async with serving(database, grpc_calls_per_second=1) as (application, channel):
        application.throttles.grpc.clock = Clock()
        error = await second(channel, EVALUATE, latte_request().SerializeToString())

    assert reason(error) == "TOO_MANY_CALLS"


async def test_strangers_are_told_to_wait_and_keep_nobody_out(database: Engine) -> None:
    token = token_for(database, "root", Role.ADMIN)
    async with serving(database, stranger_calls_per_minute=2) as (application, channel):
        application.throttles.strangers.clock = Clock()
        reasons = []
        for metadata in (bearer("dw_guess"), (), bearer("dw_another")):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await ask(channel, PROMOTIONS, b"", metadata=metadata)
            reasons.append(reason(refused.value))
        await ask(channel, PROMOTIONS, b"", metadata=bearer(token))
        counted = application.metrics.registry.get_sample_value(THROTTLED, {"kind": "stranger"})

    assert reasons == ["TOKEN_UNKNOWN", "TOKEN_REQUIRED", "TOO_MANY_CALLS"]
    assert counted == 1
