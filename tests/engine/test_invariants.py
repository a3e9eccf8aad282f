"""What holds for every ruleset and every cart, on those that the differential tests draw."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from random import Random

from dealwright.v1.evaluation_service_pb2 import EvaluateResponse, ExplainRequest, ExplainResponse
from dealwright.v1.primitives_pb2 import Phase
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.result_pb2 import Reason, Result
from dealwright.v1.ruleset_pb2 import Ruleset as RulesetMessage
from dealwright.v1.ruleset_pb2 import Selection
from dealwright_engine import Ruleset

from tests.differential.cases import Case, case
from tests.engine.adding_up import assert_adds_up

SEED = 1
CASES = 800

SPREADS = ("payment_discount", "percent_discount", "amount_discount")
"""Types with one step that is a spread, outside the item phase."""


def cases() -> Iterator[Case]:
    return (case(SEED, number) for number in range(CASES))


def answer(ruleset: RulesetMessage, asked: Case) -> bytes:
    return Ruleset.compile(ruleset.SerializeToString()).evaluate(asked.request.SerializeToString(), 0)


def result(ruleset: RulesetMessage, asked: Case) -> Result:
    return EvaluateResponse.FromString(answer(ruleset, asked)).result


def copied(ruleset: RulesetMessage) -> RulesetMessage:
    copy = RulesetMessage()
    copy.CopyFrom(ruleset)
    return copy


def test_sums_are_exact_and_nothing_is_negative() -> None:
    for each in cases():
        found = result(each.ruleset, each)

        assert_adds_up(each.request.cart, found)
        assert all(reward.cashback_minor >= 0 and reward.points >= 0 for reward in found.rewards)


def test_no_unit_is_lowered_below_its_floor() -> None:
    at_floor = 0
    for each in cases():
        found = result(each.ruleset, each)
        for line, priced in zip(each.request.cart.lines, found.lines, strict=True):
            floor = min(line.floor_minor, line.unit_price_minor)
            assert all(run.unit_payable_minor >= floor for run in priced.runs)
            at_floor += floor > 0 and any(run.unit_payable_minor == floor for run in priced.runs)

    assert at_floor > CASES // 20


def test_each_share_is_within_one_minor_unit_of_its_exact_share() -> None:
    shared = 0
    for each in cases():
        asked = ExplainRequest(cart=each.request.cart, evaluate_time=each.request.evaluate_time)
        for bought in asked.cart.lines:
            bought.ClearField("floor_minor")
        ruleset = Ruleset.compile(each.ruleset.SerializeToString())
        explained = ExplainResponse.FromString(ruleset.explain(asked.SerializeToString(), 0))
        spreads = {promotion.id for promotion in each.ruleset.promotions if is_spread(promotion)}
        for application, trace in zip(explained.result.applications, explained.traces, strict=True):
            if application.promotion_id in spreads:
                value = sum(line.base_minor for line in trace.lines)
                assert sum(line.given_minor for line in trace.lines) == trace.given_minor
                for line in trace.lines:
                    exact = Fraction(trace.given_minor * line.base_minor, value)
                    assert abs(line.given_minor - exact) < 1
                shared += len(trace.lines) > 1

    assert shared > CASES // 100


def is_spread(promotion: Promotion) -> bool:
    rule = promotion.WhichOneof("rule")
    phase = getattr(getattr(promotion, str(rule)), "phase", None)
    return rule in SPREADS and phase != Phase.PHASE_ITEM


def test_a_promotion_that_is_not_eligible_changes_nothing() -> None:
    for number, each in enumerate(cases()):
        longer = copied(each.ruleset)
        added = longer.promotions.add()
        added.CopyFrom(case(SEED + 1, number).ruleset.promotions[0])
        added.id, added.rule_language = "zz", 1
        added.ClearField("trigger")
        added.schedule.end_time.FromJsonString("2020-01-01T00:00:00Z")
        added.schedule.ClearField("start_time")

        found = result(longer, each)

        others = [verdict for verdict in found.verdicts if verdict.promotion_id != added.id]
        assert all(
            verdict.reason in (Reason.REASON_ENDED, Reason.REASON_CURRENCY)
            for verdict in found.verdicts
            if verdict not in others
        )
        del found.verdicts[:]
        found.verdicts.extend(others)
        expected = result(each.ruleset, each)
        found.result_hash = expected.result_hash = b""
        assert found == expected


def test_the_order_of_promotions_in_the_ruleset_changes_nothing() -> None:
    for number, each in enumerate(cases()):
        shuffled = copied(each.ruleset)
        promotions = list(each.ruleset.promotions)
        Random(number).shuffle(promotions)
        del shuffled.promotions[:]
        shuffled.promotions.extend(promotions)

        assert answer(shuffled, each) == answer(each.ruleset, each)


def test_the_order_of_lines_changes_only_who_wins_ties() -> None:
    """Lines at different prices tie for a last minor unit alone, which only a later step could multiply."""
    moved = 0
    for number, each in enumerate(cases()):
        lines = list(each.request.cart.lines)
        if len({line.unit_price_minor for line in lines}) < len(lines):
            continue
        for promotion in each.ruleset.promotions:
            if promotion.WhichOneof("rule") == "custom":
                continue
            alone = copied(each.ruleset)
            del alone.promotions[:]
            alone.promotions.append(promotion)
            expected = result(alone, each)

            Random(number).shuffle(lines)
            shuffled = Case(alone, type(each.request)(), each.explain)
            shuffled.request.CopyFrom(each.request)
            del shuffled.request.cart.lines[:]
            shuffled.request.cart.lines.extend(lines)
            found = result(alone, shuffled)

            assert found.totals.discount_minor == expected.totals.discount_minor
            assert found.selection == expected.selection
            assert (found.gifts, found.rewards) == (expected.gifts, expected.rewards)
            before = {line.line_id: line.discount_minor for line in expected.lines}
            assert all(abs(line.discount_minor - before[line.line_id]) <= 1 for line in found.lines)
            moved += bool(found.applications) and len(lines) > 1

    assert moved > CASES // 10


def test_the_best_plan_gives_no_less_than_the_one_by_priority() -> None:
    better = 0
    for each in cases():
        best, by_priority = copied(each.ruleset), copied(each.ruleset)
        best.policy.selection = Selection.SELECTION_BEST
        by_priority.policy.selection = Selection.SELECTION_PRIORITY

        gain = result(best, each).selection.benefit_minor - result(by_priority, each).selection.benefit_minor

        assert gain >= 0
        better += gain > 0

    assert better > CASES // 100


def test_repetition_and_threads_give_the_same_bytes() -> None:
    asked = [
        (Ruleset.compile(each.ruleset.SerializeToString()), each.request.SerializeToString())
        for each in cases()
    ]
    alone = [ruleset.evaluate(request, 0) for ruleset, request in asked]
    with ThreadPoolExecutor(max_workers=4) as threads:
        beside_others = list(threads.map(lambda each: each[0].evaluate(each[1], 0), [*asked, *asked]))

    assert beside_others == [*alone, *alone]
