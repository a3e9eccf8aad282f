"""Test carts: whether one can be saved, and what comes out of many of them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import dealwright_engine
from dealwright.v1.diagnostic_pb2 import Diagnostic, Diagnostics, Severity
from dealwright.v1.evaluation_service_pb2 import (
    CompareRequest,
    CompareResponse,
    EvaluateRequest,
    EvaluateResponse,
    VerdictScope,
)
from dealwright.v1.result_pb2 import Reason, Result
from dealwright.v1.ruleset_pb2 import Ruleset
from dealwright.v1.test_cart_pb2 import TestCart

from server.definitions.checks.expectations import APPLIED, Deviation, deviations, needs_all_verdicts
from server.definitions.validation import fault
from server.runtime.errors import DefinitionsRefused
from server.runtime.settings import COMPANY_ID, COMPANY_ID_NEEDS

TEST_CART = "test_cart"
"""The parameter of a diagnostic that names the test cart."""

DEVIATES = "test_cart_deviates"
"""The code of what comes out otherwise than expected, where it is told as a finding."""

LANGUAGE = "en"
"""What changes on a test cart is told in it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out of one test cart."""

    test_cart_id: str
    result: Result
    deviations: tuple[Deviation, ...]
    payable_before_minor: int | None = None
    changes: tuple[str, ...] = ()

    @property
    def tells_something(self) -> bool:
        return bool(self.deviations or self.changes)


class Compiled:
    """A ruleset that carts are priced with."""

    def __init__(self, message: Ruleset) -> None:
        self.revision = message.revision
        self.ruleset = dealwright_engine.Ruleset.compile(message.SerializeToString(deterministic=True))

    def evaluate(self, request: EvaluateRequest) -> Result:
        answer = self.ruleset.evaluate(request.SerializeToString(), 0)
        return EvaluateResponse.FromString(answer).result


def run(carts: Iterable[TestCart], ruleset: Ruleset) -> list[Outcome]:
    """What comes out of carts with a ruleset."""
    compiled = Compiled(ruleset)
    outcomes = []
    for cart in carts:
        result = compiled.evaluate(request_of(cart))
        outcomes.append(Outcome(cart.id, result, tuple(deviations(cart.expected, result))))
    return outcomes


def run_both(carts: Sequence[TestCart], before: Ruleset, after: Ruleset) -> list[Outcome]:
    """What comes out of carts with a ruleset, and what it changes from the one before."""
    if not carts:
        return []
    old, new = Compiled(before), Compiled(after)
    return [_compared(cart, old, new) for cart in carts]


def _compared(cart: TestCart, old: Compiled, new: Compiled) -> Outcome:
    asked = CompareRequest(
        revision_before=old.revision, revision_after=new.revision, request=request_of(cart)
    )
    answer = CompareResponse.FromString(old.ruleset.compare(new.ruleset, asked.SerializeToString(), 0))
    comparison = answer.comparison
    changes = [f"{found.promotion_id}: {found.text}" for found in comparison.promotions]
    if comparison.payable_minor:
        changes.insert(0, comparison.text)
    return Outcome(
        cart.id,
        answer.after,
        tuple(deviations(cart.expected, answer.after)),
        answer.before.totals.payable_minor,
        tuple(changes),
    )


def request_of(cart: TestCart) -> EvaluateRequest:
    """The request that prices a test cart."""
    request = EvaluateRequest(cart=cart.cart, evaluate_time=cart.evaluate_time)
    if cart.HasField("limit_state"):
        request.limit_state.CopyFrom(cart.limit_state)
    request.options.language = LANGUAGE
    request.options.verdicts = (
        VerdictScope.VERDICT_SCOPE_ALL
        if needs_all_verdicts(cart.expected)
        else VerdictScope.VERDICT_SCOPE_CANDIDATES
    )
    return request


def require_saveable(carts: Sequence[TestCart]) -> None:
    """Refuses carts that can't be priced, and expectations that nothing could meet."""
    faults = faults_of(carts)
    if faults:
        raise DefinitionsRefused(faults)


def faults_of(carts: Sequence[TestCart]) -> list[Diagnostic]:
    """What is wrong with test carts by themselves."""
    faults: list[Diagnostic] = []
    ids = [cart.id for cart in carts]
    for cart in carts:
        found = list(_faults(cart))
        if ids.count(cart.id) > 1:
            found.append(fault("duplicate", "id", f"{cart.id} occurs twice."))
        faults += _about(cart, found)
    return faults


def deviating(carts: Sequence[TestCart], ruleset: Ruleset) -> list[Diagnostic]:
    """What comes out of test carts otherwise than expected, and what the engine remarks about them."""
    found: list[Diagnostic] = []
    for cart, outcome in zip(carts, run(carts, ruleset), strict=True):
        told = [fault(DEVIATES, "expected", f"{each.text}.") for each in outcome.deviations]
        for remark in outcome.result.remarks:
            warning = Diagnostic(code=remark.code, field=remark.field, message=remark.text)
            warning.severity = Severity.SEVERITY_WARNING
            told.append(warning)
        found += _about(cart, told)
    return found


def _about(cart: TestCart, found: Sequence[Diagnostic]) -> Sequence[Diagnostic]:
    for diagnostic in found:
        diagnostic.parameters.add(name=TEST_CART, text=cart.id)
    return found


def cart_of(diagnostic: Diagnostic) -> str:
    """The id of the test cart that a fault is about."""
    return next((each.text for each in diagnostic.parameters if each.name == TEST_CART), "")


def _faults(cart: TestCart) -> Iterator[Diagnostic]:
    if not COMPANY_ID.fullmatch(cart.id):
        yield fault("id_invalid", "id", f"it needs {COMPANY_ID_NEEDS}")
    if not cart.HasField("evaluate_time"):
        yield fault("required", "evaluate_time", "It is required.")
    yield from _faults_of_the_request(cart)
    yield from _faults_of_the_expectation(cart)


def _faults_of_the_request(cart: TestCart) -> Iterator[Diagnostic]:
    empty = dealwright_engine.Ruleset.compile(Ruleset(company_id="test-cart").SerializeToString())
    try:
        empty.evaluate(request_of(cart).SerializeToString(), 0)
    except dealwright_engine.InvalidRequest as error:
        yield from Diagnostics.FromString(error.diagnostics).diagnostics


def _faults_of_the_expectation(cart: TestCart) -> Iterator[Diagnostic]:
    known = {line.id for line in cart.cart.lines}
    seen: set[tuple[str, str]] = set()
    for index, line in enumerate(cart.expected.lines):
        path = f"expected.lines[{index}].line_id"
        if line.line_id not in known:
            yield fault("line_unknown", path, f"The cart has no line {line.line_id}.")
        if ("line", line.line_id) in seen:
            yield fault("duplicate", path, f"{line.line_id} occurs twice.")
        seen.add(("line", line.line_id))
    for index, wanted in enumerate(cart.expected.promotions):
        path = f"expected.promotions[{index}]"
        if not wanted.promotion_id:
            yield fault("required", f"{path}.promotion_id", "It is required.")
        if ("promotion", wanted.promotion_id) in seen:
            yield fault("duplicate", f"{path}.promotion_id", f"{wanted.promotion_id} occurs twice.")
        seen.add(("promotion", wanted.promotion_id))
        if wanted.reason not in Reason.values():
            value = f"{wanted.reason} is no value that this version knows."
            yield fault("enum_unknown", f"{path}.reason", value)
        elif wanted.HasField("discount_minor") and (wanted.reason or APPLIED) != APPLIED:
            why = "It isn't allowed here: what isn't applied takes nothing off."
            yield fault("not_allowed", f"{path}.discount_minor", why)
