"""What a test cart expects, beside what came out of it."""

from collections.abc import Iterator
from dataclasses import dataclass

from dealwright.v1.result_pb2 import Reason, Result
from dealwright.v1.test_cart_pb2 import Expectation, ExpectedLine, ExpectedPromotion

from server.documents.money import amount

APPLIED = Reason.REASON_APPLIED


@dataclass(frozen=True, slots=True)
class Deviation:
    """One thing that came out otherwise than expected; None where there is no amount."""

    subject: str
    subject_id: str
    text: str
    expected_minor: int | None = None
    given_minor: int | None = None
    expected_reason: Reason.ValueType = Reason.REASON_UNSPECIFIED
    given_reason: Reason.ValueType = Reason.REASON_UNSPECIFIED


def deviations(expected: Expectation, result: Result) -> list[Deviation]:
    """Everything in a result that isn't as expected. What the expectation doesn't say isn't compared."""
    return [*_payable(expected, result), *_promotions(expected, result), *_lines(expected, result)]


def expectation_of(result: Result, before: Expectation) -> Expectation:
    """The expectation that a result meets, all of it, and of what isn't applied what was asked about."""
    discounts = _discounts(result)
    verdicts = _verdicts(result)
    missed = [
        ExpectedPromotion(promotion_id=wanted.promotion_id, reason=verdicts[wanted.promotion_id])
        for wanted in before.promotions
        if wanted.promotion_id not in discounts and wanted.promotion_id in verdicts
    ]
    applied = [ExpectedPromotion(promotion_id=key, discount_minor=minor) for key, minor in discounts.items()]
    return Expectation(
        payable_minor=result.totals.payable_minor,
        promotions=[*applied, *missed],
        no_others=True,
        lines=[
            ExpectedLine(line_id=line.line_id, discount_minor=line.discount_minor) for line in result.lines
        ],
    )


def needs_all_verdicts(expected: Expectation) -> bool:
    """Whether promotions that aren't applied are asked about, be they no candidates."""
    return any(wanted.reason not in (Reason.REASON_UNSPECIFIED, APPLIED) for wanted in expected.promotions)


def reason_words(reason: Reason.ValueType) -> str:
    """REASON_NOT_STARTED becomes "not started"."""
    return Reason.Name(reason).removeprefix("REASON_").replace("_", " ").lower()


def _payable(expected: Expectation, result: Result) -> Iterator[Deviation]:
    given = result.totals.payable_minor
    if expected.HasField("payable_minor") and expected.payable_minor != given:
        shown = _shown(expected.payable_minor, given, result)
        yield Deviation("payable", "", f"payable: {shown}", expected.payable_minor, given)


def _promotions(expected: Expectation, result: Result) -> Iterator[Deviation]:
    discounts, verdicts = _discounts(result), _verdicts(result)
    for wanted in expected.promotions:
        key = wanted.promotion_id
        reason = wanted.reason or APPLIED
        given = APPLIED if key in discounts else verdicts.get(key, Reason.REASON_UNSPECIFIED)
        if reason != given:
            came = reason_words(given) if given else "no verdict"
            text = f"promotion {key}: expected {reason_words(reason)}, but {came}"
            yield Deviation("promotion", key, text, expected_reason=reason, given_reason=given)
        elif wanted.HasField("discount_minor") and wanted.discount_minor != discounts.get(key, 0):
            shown = _shown(wanted.discount_minor, discounts[key], result)
            text = f"promotion {key}: discount {shown}"
            yield Deviation("promotion", key, text, wanted.discount_minor, discounts[key])
    listed = {wanted.promotion_id for wanted in expected.promotions}
    for key in discounts.keys() - listed if expected.no_others else ():
        text = f"promotion {key}: expected nothing of it, but applied"
        yield Deviation("promotion", key, text, None, discounts[key], given_reason=APPLIED)


def _lines(expected: Expectation, result: Result) -> Iterator[Deviation]:
    given = {line.line_id: line.discount_minor for line in result.lines}
    for wanted in expected.lines:
        minor = given.get(wanted.line_id, 0)
        if minor != wanted.discount_minor:
            text = f"line {wanted.line_id}: discount {_shown(wanted.discount_minor, minor, result)}"
            yield Deviation("line", wanted.line_id, text, wanted.discount_minor, minor)


def _discounts(result: Result) -> dict[str, int]:
    """What each promotion that is applied takes off in all its steps; 0 when it gives something else."""
    found = dict.fromkeys(
        [
            *(given.promotion_id for given in result.applications),
            *(given.promotion_id for given in result.gifts),
            *(given.promotion_id for given in result.rewards),
        ],
        0,
    )
    for application in result.applications:
        found[application.promotion_id] += application.discount_minor
    return found


def _verdicts(result: Result) -> dict[str, Reason.ValueType]:
    return {verdict.promotion_id: verdict.reason for verdict in result.verdicts}


def _shown(expected: int, given: int, result: Result) -> str:
    code = result.currency_code
    return f"expected {code} {amount(expected, code)}, but {amount(given, code)}"
