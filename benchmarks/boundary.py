"""What Python pays for calling the engine, beside what its caller pays for messages."""

from __future__ import annotations

from collections.abc import Iterator

from dealwright.v1.evaluation_service_pb2 import (
    VERDICT_SCOPE_NONE,
    EvaluateOptions,
    EvaluateRequest,
    EvaluateResponse,
)

from benchmarks.catalogue import Rule, bills, rules
from benchmarks.markdown import table
from benchmarks.messages import compiled, request
from benchmarks.ratios import Ratio, of_medians
from benchmarks.timing import Calls, measure
from server.runtime.origin import arrive
from server.runtime.throttles import REMEMBERED, SECOND, Throttle

SECONDS = 8.0
CARTS = 16
CALLS = 50
"""Calls to a reading of the clock, most of them being shorter than it."""

NO_RULES: tuple[Rule, ...] = ()
BARE = EvaluateOptions(verdicts=VERDICT_SCOPE_NONE)
TEXTS = EvaluateOptions(language="en")


def tables() -> Iterator[str]:
    contenders = {
        "reading a property of the ruleset": _property(),
        "before it: taking in where a call comes from": _arrive(),
        "before it: counting a call of its token": _throttle(),
        "evaluate: 1 line, no promotions, no verdicts": _evaluate(NO_RULES, 1, BARE),
        "evaluate: 1 line, no promotions, texts": _evaluate(NO_RULES, 1, TEXTS),
        "evaluate: 20 lines, no promotions, no verdicts": _evaluate(NO_RULES, 20, BARE),
        "evaluate: 20 lines, 1 000 promotions, no verdicts": _evaluate(rules(1000), 20, BARE),
        "evaluate: 20 lines, 1 000 promotions, texts": _evaluate(rules(1000), 20, TEXTS),
        "SerializeToString of the request: 1 line": _serialize(1),
        "SerializeToString of the request: 20 lines": _serialize(20),
        "making the request and SerializeToString: 20 lines": _make(20),
        "FromString of the response: 20 lines, 1 000 promotions, texts": _read(rules(1000), 20, TEXTS),
    }
    times = measure(list(contenders.values()), SECONDS)
    yield table(("call", "us"), [(name, each.p50) for name, each in zip(contenders, times, strict=True)])


def _property() -> Calls:
    ruleset = compiled(NO_RULES)
    return Calls(lambda _: ruleset.revision, [None] * CARTS, CALLS)


def _arrive() -> Calls:
    metadata = (
        ("user-agent", "grpc-python/1.85.1 grpc-c/52.0.0 (linux; chttp2)"),
        ("accept-encoding", "identity, deflate, gzip"),
        ("x-request-id", "0123456789abcdef"),
        ("authorization", "Bearer dw_0123456789abcdef0123456789abcdef"),
    )
    return Calls(arrive, [metadata] * CARTS, CALLS)


def _throttle() -> Calls:
    """Among as many callers as are remembered."""
    throttle = Throttle(10**9, SECOND)
    for number in range(REMEMBERED):
        throttle.take(f"tok_{number}")
    return Calls(throttle.take, [f"tok_{number}" for number in range(CARTS)], CALLS)


def _evaluate(listed: tuple[Rule, ...], lines: int, options: EvaluateOptions) -> Calls:
    ruleset = compiled(listed)
    carts = [asked.SerializeToString() for asked in _requests(lines, options)]
    return Calls(lambda body: ruleset.evaluate(body, 0), carts, CALLS)


def _serialize(lines: int) -> Calls:
    return Calls(EvaluateRequest.SerializeToString, _requests(lines, BARE), CALLS)


def _make(lines: int) -> Calls:
    return Calls(lambda bill: request(bill, BARE).SerializeToString(), bills(CARTS, lines), CALLS)


def _read(listed: tuple[Rule, ...], lines: int, options: EvaluateOptions) -> Calls:
    ruleset = compiled(listed)
    answers = [ruleset.evaluate(asked.SerializeToString(), 0) for asked in _requests(lines, options)]
    return Calls(EvaluateResponse.FromString, answers, CALLS)


def _requests(lines: int, options: EvaluateOptions) -> list[EvaluateRequest]:
    return [request(bill, options) for bill in bills(CARTS, lines)]


RATIOS = (
    Ratio(
        "smallest evaluate to SerializeToString",
        of_medians(lambda: _evaluate(NO_RULES, 1, BARE), lambda: _serialize(1)),
    ),
    Ratio(
        "20 lines without promotions to SerializeToString",
        of_medians(lambda: _evaluate(NO_RULES, 20, BARE), lambda: _serialize(20)),
    ),
)
