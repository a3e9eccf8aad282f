"""The analysis: what it finds, with carts that the engine confirms, and claims that hold on random carts."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dealwright_engine
import pytest
from dealwright.v1.diagnostic_pb2 import Severity
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest, EvaluateResponse, VerdictScope
from dealwright.v1.guardrails_pb2 import Guardrails
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.reference_pb2 import Product
from dealwright.v1.result_pb2 import Reason, Result
from dealwright.v1.ruleset_pb2 import RoundingGrain, Ruleset
from dealwright.v1.stacking_pb2 import ExclusionGroup
from dealwright.v1.text_pb2 import Text

from server.definitions.analysis.covering import accompanies, covers, excludes
from server.definitions.analysis.findings import Finding
from server.definitions.analysis.report import Report, analyse
from server.definitions.validation import validate as diagnose
from server.documents import Source, parse_message, parse_value, read_source, to_value
from tests.differential import rules as random_rules
from tests.differential.carts import CATEGORIES, STORES, request
from tests.differential.cases import case
from tests.differential.chances import Chance

FOLDER = Path(__file__).parents[1] / "invalid" / "analysis"
NOW = datetime(2026, 11, 21, 5, tzinfo=UTC)
NOTHING_LEFT = (Reason.REASON_APPLIED, Reason.REASON_NO_EFFECT, Reason.REASON_BETTER_PLAN)
"""The verdicts on what holds: applied, or without effect on the prices that are left."""

FILES = sorted(FOLDER.glob("*.yaml"))


def analysed(source: Source, which: str) -> Report:
    """What is found in one of the rulesets of a file."""
    value: Any = source.value
    products = [parse_value(source, each, Product, "") for each in value.get("products", [])]
    guardrails = parse_value(source, value.get("guardrails", {}), Guardrails, "guardrails")
    ruleset = parse_message(source, Ruleset, which)
    return analyse(ruleset, {each.id: to_value(each) for each in products}, guardrails, now=NOW)


def priced(promotions: Ruleset, asked: EvaluateRequest) -> Result:
    compiled = dealwright_engine.Ruleset.compile(promotions.SerializeToString())
    return EvaluateResponse.FromString(compiled.evaluate(asked.SerializeToString(), 0)).result


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_finding_is_found_with_a_cart_and_not_where_it_nearly_is(path: Path) -> None:
    source = read_source(path)
    value: Any = source.value

    found = [each for each in analysed(source, "document").findings if each.diagnostic.code == path.stem]
    nearly = [each.diagnostic.code for each in analysed(source, "near_miss").findings]

    assert value["expect"]["promotion_id"] in [each.diagnostic.promotion_id for each in found]
    assert path.stem not in nearly
    for each in found:
        assert "{" not in each.diagnostic.message
        assert each.priced.request.cart.lines


def holds(found: Finding, ruleset: Ruleset) -> bool:
    """Whether the engine does on the cart what the finding says, asked once more from the beginning."""
    diagnostic = found.diagnostic
    numbers = {each.name: each.number for each in diagnostic.parameters}
    others = found.promotion_ids - {diagnostic.promotion_id}
    asked = EvaluateRequest()
    asked.CopyFrom(found.priced.request)
    asked.options.verdicts = VerdictScope.VERDICT_SCOPE_ALL
    both = Ruleset()
    both.CopyFrom(ruleset)
    if diagnostic.code in ("never_alone", "order_by_id"):
        del both.promotions[:]
        both.promotions.extend(each for each in ruleset.promotions if each.id in found.promotion_ids)
    result = priced(both, asked)
    applied = {each.promotion_id for each in result.applications}
    reason = next(each.reason for each in result.verdicts if each.promotion_id == diagnostic.promotion_id)
    share = result.totals.discount_minor * 1_000_000 // max(result.totals.list_minor, 1)
    return {
        "never_applied": lambda: reason != Reason.REASON_APPLIED,
        "dominated": lambda: reason in (Reason.REASON_GROUP, Reason.REASON_EXCLUSIVE),
        "shut_out": lambda: reason in (Reason.REASON_GROUP, Reason.REASON_EXCLUSIVE),
        "given_twice": lambda: {diagnostic.promotion_id, *others} <= applied,
        "never_alone": lambda: (
            {diagnostic.promotion_id, *others} <= applied
            and result.totals.discount_minor == numbers["discount"] > numbers["alone"]
        ),
        "order_by_id": lambda: result.totals.payable_minor == numbers["payable"] != numbers["other_payable"],
        "discount_high": lambda: share == numbers["share"] > numbers["limit"],
    }[diagnostic.code]()


def test_the_engine_confirms_each_cart_of_random_rulesets() -> None:
    confirmed = 0
    for number in range(300):
        ruleset = case(11, number).ruleset
        for found in analyse(ruleset, now=NOW).findings:
            assert holds(found, ruleset), (number, found.diagnostic)
            confirmed += 1

    assert confirmed > 20


def test_what_is_said_never_to_be_applied_is_never_applied() -> None:
    said = 0
    for number in range(400):
        drawn = case(12, number)
        promotion = Promotion()
        promotion.CopyFrom(drawn.ruleset.promotions[0])
        promotion.ClearField("trigger")
        parts = promotion.condition.all.conditions
        parts.add().payment.methods.append("card")
        parts.add().quantity.units.minimum = 2 + number % 3
        if number % 2:
            parts.add().payment.methods.append("qris")
        else:
            parts.add().quantity.units.maximum = 2
        alone = Ruleset(company_id="x", stores=STORES, categories=CATEGORIES, promotions=[promotion])
        alone.holiday_calendars.extend(drawn.ruleset.holiday_calendars)
        codes = [each.diagnostic.code for each in analyse(alone, now=NOW).findings]
        if "never_applied" not in codes:
            continue
        said += 1
        for cart in range(10):
            asked = request(Chance(13, 10 * number + cart), [promotion], 12)
            assert not priced(alone, asked).applications

    assert said > 100


def wider(chance: Chance, promotion: Promotion) -> Promotion:
    """A promotion like another, without some of what narrows it."""
    other = Promotion()
    other.CopyFrom(promotion)
    other.id = "wider"
    other.ClearField("limits")
    for part in ("schedule", "targeting", "trigger"):
        if chance.one_in(2):
            other.ClearField(part)
    rule = getattr(other, other.WhichOneof("rule") or "")
    for part in ("scope", "max_discount", "min_purchase", "units"):
        if chance.one_in(3):
            rule.ClearField(part)
    if hasattr(rule, "percent_off_ppm") and chance.one_in(2):
        rule.percent_off_ppm = min(rule.percent_off_ppm + 50_000, 1_000_000)
    return other


def narrow_and_wide(seed: int, number: int, kinds: list[str]) -> tuple[Promotion, Promotion, Ruleset]:
    """A promotion, one that is wider, and settings to try them with."""
    chance, drawn = Chance(seed, number), case(seed + 1, number).ruleset
    narrow = Promotion(id="narrow", rule_language=1, name=[Text(language="en", text="Narrow")])
    random_rules.set_rule(chance, narrow, chance.of(kinds))
    for part in ("schedule", "targeting"):
        if drawn.promotions[0].HasField(part):
            getattr(narrow, part).CopyFrom(getattr(drawn.promotions[0], part))
    rest = Ruleset(company_id="x", policy=drawn.policy, stores=STORES, categories=CATEGORIES)
    rest.holiday_calendars.extend(drawn.holiday_calendars)
    return narrow, wider(chance, narrow), rest


def is_refused(promotion: Promotion) -> bool:
    return any(found.severity == Severity.SEVERITY_ERROR for found in diagnose(promotion))


def carts(seed: int, number: int, promotions: list[Promotion]) -> Iterator[EvaluateRequest]:
    """Eight carts that promotions may concern, with a verdict on each."""
    for cart in range(8):
        asked = request(Chance(seed, 8 * number + cart), promotions, 12)
        asked.ClearField("limit_state")
        asked.options.verdicts = VerdictScope.VERDICT_SCOPE_ALL
        yield asked


def test_what_accompanies_another_holds_wherever_that_is_applied() -> None:
    claimed = applied = 0
    for number in range(600):
        narrow, wide, rest = narrow_and_wide(
            17, number, ["percent_discount", "amount_discount", "happy_hour"]
        )
        if is_refused(narrow) or is_refused(wide) or not accompanies(wide, narrow):
            continue
        claimed += 1
        rest.promotions.extend([narrow, wide])
        for asked in carts(19, number, [narrow, wide]):
            reasons = {each.promotion_id: each.reason for each in priced(rest, asked).verdicts}
            if reasons["narrow"] == Reason.REASON_APPLIED:
                applied += 1
                assert reasons["wider"] in NOTHING_LEFT, (number, asked, narrow, wide)

    assert claimed > 200
    assert applied > 400


def test_what_dominates_another_always_gives_at_least_as_much() -> None:
    claimed = applied = 0
    for number in range(600):
        narrow, wide, rest = narrow_and_wide(14, number, ["percent_discount", "amount_discount"])
        for promotion in (narrow, wide):
            promotion.stacking.groups.append(ExclusionGroup(name="g"))
        rest.policy.ClearField("selection")
        if rest.policy.rounding.grain == RoundingGrain.ROUNDING_GRAIN_ORDER:
            rest.policy.rounding.ClearField("grain")
        if is_refused(narrow) or is_refused(wide) or not (covers(wide, narrow) and excludes(wide, narrow)):
            continue
        claimed += 1
        one, both = Ruleset(), Ruleset()
        one.CopyFrom(rest)
        both.CopyFrom(rest)
        one.promotions.append(wide)
        both.promotions.extend([narrow, wide])
        for asked in carts(16, number, [narrow, wide]):
            alone, together = priced(one, asked).totals, priced(both, asked).totals
            applied += alone.discount_minor > 0
            # Where both give the same, either may be chosen, and with it how the tax falls on lines.
            assert alone.discount_minor == together.discount_minor, (number, asked, narrow, wide)

    assert claimed > 400
    assert applied > 1000
