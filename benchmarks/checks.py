"""What the checks before a publication cost, beside compiling the ruleset once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from dealwright.v1.ruleset_pb2 import Ruleset
from dealwright.v1.test_cart_pb2 import TestCart
from dealwright_engine import Ruleset as Compiled

from benchmarks.catalogue import bills, rules
from benchmarks.markdown import table
from benchmarks.messages import request, ruleset, stacking
from benchmarks.ratios import Ratio, of_medians
from benchmarks.timing import Calls, measure
from server.definitions.analysis.report import analyse
from server.definitions.checks.test_carts import run_both
from server.definitions.validation import require_compiling

SECONDS = 6.0
PROMOTIONS = 1000
TEST_CARTS = 50
LINES = 20


def tables() -> Iterator[str]:
    before, after, carts = _before(), _after(), _carts()
    contenders = {
        "compiling it": Calls(Compiled.compile, [_body()]),
        "looking at it as a whole, now and before": Calls(lambda _: require_compiling(after, before), [None]),
        f"{TEST_CARTS} test carts of {LINES} lines, now and before": Calls(
            lambda _: run_both(carts, before, after), [None]
        ),
    }
    contenders["analysing a promotion that changed"] = Calls(
        lambda _: analyse(after, changed=[after.promotions[0].id]), [None]
    )
    contenders["analysing all of them"] = Calls(lambda _: analyse(after), [None])
    times = measure(list(contenders.values()), SECONDS)
    rows = [(name, each.p50 / 1000) for name, each in zip(contenders, times, strict=True)]
    yield table((f"{PROMOTIONS} promotions", "ms"), rows)


def _check() -> None:
    require_compiling(_after(), _before())
    run_both(_carts(), _before(), _after())


@cache
def _body() -> bytes:
    return ruleset(rules(PROMOTIONS), stacking)


@cache
def _after() -> Ruleset:
    return Ruleset.FromString(_body())


@cache
def _before() -> Ruleset:
    """As it was: one promotion said something else."""
    before = Ruleset.FromString(_body())
    before.promotions[0].priority += 1
    return before


@cache
def _carts() -> list[TestCart]:
    asked = [request(bill) for bill in bills(TEST_CARTS, LINES)]
    return [
        TestCart(id=f"cart-{number}", cart=one.cart, evaluate_time=one.evaluate_time)
        for number, one in enumerate(asked)
    ]


RATIOS = (
    Ratio(
        "checks of a publication to compiling",
        of_medians(lambda: Calls(lambda _: _check(), [None]), lambda: Calls(Compiled.compile, [_body()])),
    ),
)
