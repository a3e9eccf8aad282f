"""Promotions that this engine can't apply, as those of a newer one are: what it reads of them."""

from typing import Any

import pytest
from dealwright.v1.cart_pb2 import Cart
from dealwright.v1.diagnostic_pb2 import Diagnostics
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest, EvaluateResponse
from dealwright.v1.promotion_pb2 import (
    ON_UNSUPPORTED_BLOCK_GROUP,
    ON_UNSUPPORTED_REFUSE_REVISION,
    ON_UNSUPPORTED_SKIP,
    Promotion,
)
from dealwright.v1.result_pb2 import CodeOutcome, Reason, Result
from dealwright.v1.ruleset_pb2 import Ruleset as RulesetMessage
from dealwright_engine import InvalidRuleset, Ruleset
from google.protobuf.json_format import ParseDict

from tests.differential.cases import Case, case

SEED = 3
CASES = 400

UNKNOWN_FIELD = b"\xf8\x3f\x01"
"""Field 1023, a number."""


def promotion(promotion_id: str, document: dict[str, Any]) -> Promotion:
    name = [{"language": "en", "text": promotion_id}]
    return ParseDict({"id": promotion_id, "rule_language": 1, "name": name, **document}, Promotion())


def percent(ppm: int, **rest: Any) -> dict[str, Any]:
    return {"percent_discount": {"phase": "PHASE_ITEM", "percent_off_ppm": ppm}, **rest}


def in_group(*names: str) -> dict[str, Any]:
    return {"stacking": {"groups": [{"name": name} for name in names]}}


def newer(document: dict[str, Any]) -> bytes:
    """A promotion with a field that this engine doesn't know."""
    return promotion("newer", document).SerializeToString() + UNKNOWN_FIELD


def compiled(*promotions: bytes) -> Ruleset:
    message = RulesetMessage(company_id="kopi", revision=4).SerializeToString()
    for each in promotions:
        length = len(each)
        message += b"\x22" + bytes([length & 0x7F | 0x80, length >> 7]) + each
    return Ruleset.compile(message)


def priced(ruleset: Ruleset, *codes: str) -> Result:
    request = EvaluateRequest(cart=Cart(currency_code="IDR", codes=codes))
    request.cart.lines.add(id="a", quantity=1, unit_price_minor=1000)
    return EvaluateResponse.FromString(ruleset.evaluate(request.SerializeToString(), 0)).result


def reasons(result: Result) -> dict[str, str]:
    return {each.promotion_id: Reason.Name(each.reason) for each in result.verdicts}


RICHER = promotion("richer", percent(500_000, **in_group("lunch"))).SerializeToString()
OTHER = promotion("other", percent(100_000)).SerializeToString()

LUNCH = in_group("lunch")
DEEP: dict[str, Any] = {"not": {"threshold": {}}}
for _ in range(60):
    DEEP = {"not": DEEP}

FROM_THE_FUTURE = {
    "a field": newer(percent(100_000, **LUNCH)),
    "a field deep inside": promotion("newer", LUNCH).SerializeToString() + b"\xa2\x01\x03" + UNKNOWN_FIELD,
    "a type": promotion("newer", LUNCH).SerializeToString() + b"\xfa\x3f\x02\x08\x01",
    "no type": promotion("newer", LUNCH).SerializeToString(),
    "a rule language": promotion("newer", {**percent(1), **LUNCH, "rule_language": 2}).SerializeToString(),
    "a choice": promotion("newer", percent(1, **LUNCH)).SerializeToString() + b"\xa2\x01\x02\x08\x63",
    "a field of its schedule": newer(percent(1, **LUNCH)) + b"\x52\x03" + UNKNOWN_FIELD,
    "a field of its stacking": newer(percent(1, **LUNCH)) + b"\x72\x03" + UNKNOWN_FIELD,
    "depth": promotion("newer", percent(1, **LUNCH, condition=DEEP)).SerializeToString(),
    "an action": promotion("newer", percent(1, **LUNCH)).SerializeToString() + b"\x90\x01\x63",
}


@pytest.mark.parametrize("what", FROM_THE_FUTURE)
def test_what_only_a_newer_engine_knows_blocks_its_group(what: str) -> None:
    ruleset = compiled(FROM_THE_FUTURE[what], RICHER, OTHER)

    found = priced(ruleset)

    assert list(ruleset.unsupported) == ["newer"]
    assert ruleset.unsupported["newer"]
    assert reasons(found) == {
        "other": "REASON_APPLIED",
        "richer": "REASON_BLOCKED",
        "newer": "REASON_UNSUPPORTED",
    }
    blocked = next(each for each in found.verdicts if each.promotion_id == "richer")
    assert {each.name: each.text for each in blocked.parameters} == {"unsupported": "newer", "group": "lunch"}
    assert found.totals.discount_minor == 100


def test_what_is_skipped_blocks_nobody() -> None:
    ruleset = compiled(newer(percent(1, **LUNCH, on_unsupported="ON_UNSUPPORTED_SKIP")), RICHER)

    assert reasons(priced(ruleset)) == {"richer": "REASON_APPLIED", "newer": "REASON_UNSUPPORTED"}


def test_what_says_so_has_the_ruleset_refused_and_is_named() -> None:
    refusing = newer(percent(1, on_unsupported="ON_UNSUPPORTED_REFUSE_REVISION"))
    known = promotion("known", percent(1, on_unsupported="ON_UNSUPPORTED_REFUSE_REVISION"))

    assert priced(compiled(known.SerializeToString())).totals.discount_minor == 0
    with pytest.raises(InvalidRuleset) as refusal:
        compiled(OTHER, known.SerializeToString(), refusing)

    (found,) = Diagnostics.FromString(refusal.value.diagnostics).diagnostics
    assert (found.code, found.field, found.promotion_id) == ("unknown_field", "promotions[2]", "newer")


def test_bytes_that_are_no_promotion_block_nobody() -> None:
    ruleset = compiled(b"\x0a\x05newer\x72\x02\xff\xff", RICHER)

    assert list(ruleset.unsupported) == ["newer"]
    assert reasons(priced(ruleset))["richer"] == "REASON_APPLIED"


def test_a_code_of_what_is_unsupported_is_known() -> None:
    trigger = {"trigger": {"code": {"codes": ["LUNCH"]}}, "stacking": {"exclusive": "EXCLUSIVITY_ORDER"}}
    ruleset = compiled(newer(percent(1, **trigger)), OTHER)

    found = priced(ruleset, "lunch")

    assert [(each.outcome, each.promotion_id, each.reason) for each in found.codes] == [
        (CodeOutcome.CODE_OUTCOME_NOT_APPLIED, "newer", Reason.REASON_UNSUPPORTED)
    ]
    assert reasons(found)["other"] == "REASON_BLOCKED"
    assert reasons(priced(ruleset))["other"] == "REASON_APPLIED"


def of_newer_engine(each: Case, on_unsupported: Any) -> tuple[RulesetMessage, Promotion]:
    """The ruleset of a case with one promotion more, which this engine can't apply."""
    ruleset = RulesetMessage()
    ruleset.CopyFrom(each.ruleset)
    for own in ruleset.promotions:
        own.rule_language = 1
    added = ruleset.promotions.add()
    added.CopyFrom(case(SEED + 1, hash(each.request.cart.id) % CASES).ruleset.promotions[0])
    added.id, added.rule_language, added.on_unsupported = "zz", 2, on_unsupported
    added.ClearField("trigger")
    added.ClearField("schedule")
    added.ClearField("targeting")
    return ruleset, added


def evaluated(ruleset: RulesetMessage, each: Case) -> Result:
    asked = Ruleset.compile(ruleset.SerializeToString()).evaluate(each.request.SerializeToString(), 0)
    return EvaluateResponse.FromString(asked).result


def test_what_is_skipped_changes_no_byte_but_its_own_verdict() -> None:
    for number in range(CASES):
        each = case(SEED, number)
        ruleset, added = of_newer_engine(each, ON_UNSUPPORTED_SKIP)
        found = evaluated(ruleset, each)
        del ruleset.promotions[-1]
        expected = evaluated(ruleset, each)

        others = [verdict for verdict in found.verdicts if verdict.promotion_id != added.id]
        del found.verdicts[:]
        found.verdicts.extend(others)
        found.result_hash = expected.result_hash = b""
        assert found.SerializeToString(deterministic=True) == expected.SerializeToString(deterministic=True)


def test_what_blocks_is_as_if_the_others_of_its_groups_were_not_there() -> None:
    blocked_anything = 0
    for number in range(CASES):
        each = case(SEED, number)
        ruleset, added = of_newer_engine(each, ON_UNSUPPORTED_BLOCK_GROUP)
        # The groups of the first promotion that has some, so that there is something to block.
        groups = next((own.stacking.groups for own in ruleset.promotions if own.stacking.groups), ())
        added.stacking.Clear()
        added.stacking.groups.extend(groups)
        names = {group.name for group in groups}
        found = evaluated(ruleset, each)
        rest = [
            own for own in ruleset.promotions if names.isdisjoint(group.name for group in own.stacking.groups)
        ]
        blocked = {own.id for own in ruleset.promotions} - {own.id for own in rest}
        del ruleset.promotions[:]
        ruleset.promotions.extend(rest)
        expected = evaluated(ruleset, each)

        assert found.applications == expected.applications
        assert found.lines == expected.lines
        assert found.totals == expected.totals
        said = [verdict for verdict in found.verdicts if verdict.reason == Reason.REASON_BLOCKED]
        assert {verdict.promotion_id for verdict in said} <= blocked
        blocked_anything += bool(said)
    assert blocked_anything > CASES // 20


def test_one_that_refuses_is_refused_whatever_else_there_is() -> None:
    for number in range(20):
        ruleset, added = of_newer_engine(case(SEED, number), ON_UNSUPPORTED_REFUSE_REVISION)

        with pytest.raises(InvalidRuleset, match="rule_language"):
            Ruleset.compile(ruleset.SerializeToString())

        added.rule_language = 1
        Ruleset.compile(ruleset.SerializeToString())
