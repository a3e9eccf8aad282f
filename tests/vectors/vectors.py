"""Vectors: files of tests/vectors (their form is in the README), and what results lack of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from dealwright.v1.evaluation_service_pb2 import EvaluateRequest, VerdictScope
from dealwright.v1.primitives_pb2 import Role
from dealwright.v1.result_pb2 import (
    Application,
    CodeOutcome,
    CodeVerdict,
    NearMiss,
    Parameter,
    Proof,
    Reason,
    Result,
    RewardGrant,
    UnitShare,
)
from dealwright.v1.ruleset_pb2 import Ruleset

from server.documents import Source, parse_value, read_source

FOLDER = Path(__file__).parent
INSTANT = "2026-11-21T08:00:00Z"
TOTALS = ("list", "discount", "payable", "discount_tax", "payable_tax")


@dataclass(frozen=True)
class Vector:
    """One file."""

    path: Path
    rule: str
    ruleset: Ruleset
    request: EvaluateRequest
    expect: dict[str, Any]

    def __str__(self) -> str:
        return self.path.stem


def read_vectors() -> list[Vector]:
    """Every vector, by name."""
    return [read_vector(path) for path in sorted(FOLDER.glob("*.yaml"))]


def read_vector(path: Path) -> Vector:
    """Reads a file and fills in what it may leave out."""
    source = read_source(path)
    value: Any = source.value
    assert value.keys() == {"rule", "ruleset", "request", "expect"}, f"{path.name} has other parts"
    ruleset, request = read_ruleset(source, "ruleset"), read_request(source)
    return Vector(path, value["rule"], ruleset, request, value["expect"])


def read_ruleset(source: Source, part: str) -> Ruleset:
    """A ruleset in a part of a vector."""
    value: Any = source.value
    ruleset = parse_value(source, {"company_id": "vectors", **value[part]}, Ruleset, part)
    for promotion in ruleset.promotions:
        promotion.rule_language = promotion.rule_language or 1
        if not promotion.name:
            promotion.name.add(language="en", text=promotion.id)
    return ruleset


def read_request(source: Source) -> EvaluateRequest:
    """The request of a vector."""
    value: Any = source.value
    request = parse_value(source, value["request"], EvaluateRequest, "request")
    request.cart.currency_code = request.cart.currency_code or "IDR"
    for line in request.cart.lines:
        line.quantity = line.quantity or 1
    if not request.HasField("evaluate_time"):
        request.evaluate_time.FromJsonString(INSTANT)
    request.options.verdicts = request.options.verdicts or VerdictScope.VERDICT_SCOPE_ALL
    return request


def lacking(expect: dict[str, Any], result: Result) -> list[str]:
    """Everything that is expected and isn't so, one sentence each."""
    told = dict(_told(expect, result))
    return [
        f"{name}: expected {expect[name]}, got {told[name]}" for name in expect if expect[name] != told[name]
    ]


def _told(expect: dict[str, Any], result: Result) -> Iterator[tuple[str, Any]]:
    """What the result says, in the words of `expect` and of as much of it as `expect` states."""
    for name, expected in expect.items():
        if name in TOTALS:
            yield name, getattr(result.totals, f"{name}_minor")
        else:
            yield name, _TELLERS[name](expected, result)


def _applications(expected: list[dict[str, Any]], result: Result) -> list[dict[str, Any]]:
    stated = chain(expected, repeat({"promotion": ""}))
    return [
        {name: _of_application(name, application) for name in names}
        for names, application in zip(stated, result.applications, strict=False)
    ]


def _of_application(name: str, application: Application) -> Any:
    match name:
        case "promotion":
            return application.promotion_id
        case "sets" | "step":
            return getattr(application, name)
        case "lines":
            return {share.line_id: share.discount_minor for share in application.shares}
        case "units":
            return {share.line_id: _units(share.units) for share in application.shares}
    return getattr(application, f"{name}_minor")


def _units(runs: Any) -> list[Any]:
    """Each unit touched: its discount, with its role when it has one."""
    return [_unit(run) for run in runs for _ in range(run.quantity)]


def _unit(run: UnitShare) -> Any:
    if not run.role:
        return run.unit_discount_minor
    return f"{Role.Name(run.role).removeprefix('ROLE_').lower()} {run.unit_discount_minor}"


def _lines(expected: dict[str, dict[str, int]], result: Result) -> dict[str, dict[str, int]]:
    lines = {line.line_id: line for line in result.lines}
    return {
        line_id: {amount: getattr(lines[line_id], f"{amount}_minor") for amount in amounts}
        for line_id, amounts in expected.items()
    }


def _left(expected: dict[str, list[int]], result: Result) -> dict[str, list[int]]:
    return {
        line.line_id: [run.unit_payable_minor for run in line.runs for _ in range(run.quantity)]
        for line in result.lines
        if line.line_id in expected
    }


def _verdicts(expected: dict[str, Any], result: Result) -> dict[str, Any]:
    return {
        verdict.promotion_id: _answer(expected[verdict.promotion_id], verdict.reason, verdict.parameters)
        for verdict in result.verdicts
        if verdict.promotion_id in expected
    }


def _answer(expected: Any, reason: Reason.ValueType, parameters: Any) -> Any:
    name = Reason.Name(reason).removeprefix("REASON_")
    if not isinstance(expected, dict):
        return name
    stated = {each.name: _parameter(each) for each in parameters if each.name in expected}
    return {"reason": name, **stated}


def _parameter(parameter: Parameter) -> Any:
    kind = parameter.WhichOneof("value")
    return parameter.money.minor if kind == "money" else getattr(parameter, kind or "text")


def _codes(expected: list[Any], result: Result) -> list[Any]:
    stated = chain(expected, repeat(None))
    return [_code(each, code) for each, code in zip(stated, result.codes, strict=False)]


def _code(expected: Any, code: CodeVerdict) -> Any:
    outcome = CodeOutcome.Name(code.outcome).removeprefix("CODE_OUTCOME_")
    if not isinstance(expected, dict):
        return outcome
    whole = {
        "outcome": outcome,
        "promotion": code.promotion_id,
        "reason": Reason.Name(code.reason).removeprefix("REASON_"),
    }
    return {name: whole[name] for name in expected}


def _gifts(_: Any, result: Result) -> list[dict[str, Any]]:
    return [
        {
            "promotion": gift.promotion_id,
            "product": gift.product_id,
            "quantity": gift.quantity,
            "value": gift.value_minor,
        }
        for gift in result.gifts
    ]


def _rewards(_: Any, result: Result) -> list[dict[str, Any]]:
    return [_reward(reward) for reward in result.rewards]


def _reward(reward: RewardGrant) -> dict[str, Any]:
    kind = reward.WhichOneof("grant") or ""
    return {"promotion": reward.promotion_id, kind.removesuffix("_minor"): getattr(reward, kind)}


def _near_misses(_: Any, result: Result) -> list[dict[str, Any]]:
    return [
        {"promotion": near_miss.promotion_id, **_change(near_miss), "gain": near_miss.gain_minor}
        for near_miss in result.near_misses
    ]


def _change(near_miss: NearMiss) -> dict[str, Any]:
    if near_miss.WhichOneof("change") == "spend_more":
        return {"spend_more": near_miss.spend_more.minor}
    return {"product_ids": list(near_miss.buy_more.product_ids), "quantity": near_miss.buy_more.quantity}


def _suggestions(_: Any, result: Result) -> list[dict[str, Any]]:
    return [
        {
            "promotion": suggestion.promotion_id,
            "product": suggestion.product_id,
            "special_price": suggestion.special_price_minor,
            "text": suggestion.text,
        }
        for suggestion in result.suggestions
    ]


def _remarks(_: Any, result: Result) -> list[dict[str, Any]]:
    return [
        {"code": remark.code, "field": remark.field, **{each.name: each.text for each in remark.parameters}}
        for remark in result.remarks
    ]


_TELLERS: dict[str, Callable[[Any, Result], Any]] = {
    "applications": _applications,
    "lines": _lines,
    "left": _left,
    "verdicts": _verdicts,
    "order": lambda _, result: [verdict.promotion_id for verdict in result.verdicts],
    "codes": _codes,
    "gifts": _gifts,
    "rewards": _rewards,
    "near_misses": _near_misses,
    "suggestions": _suggestions,
    "remarks": _remarks,
    "benefit": lambda _, result: result.selection.benefit_minor,
    "gap": lambda _, result: result.selection.gap_minor,
    "proof": lambda _, result: Proof.Name(result.selection.proof).removeprefix("PROOF_"),
    "evaluate_time": lambda _, result: result.evaluate_time.ToJsonString(),
}
