"""Vectors of what comes after a sale: refunds and comparisons (their form is in the README)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dealwright.v1.comparison_pb2 import PromotionDifference
from dealwright.v1.evaluation_service_pb2 import (
    CompareRequest,
    CompareResponse,
    EvaluateRequest,
    EvaluateResponse,
    RefundRequest,
    RefundResponse,
)
from dealwright.v1.refund_pb2 import Claim, LineRefund
from dealwright.v1.result_pb2 import Reason, Verdict
from dealwright.v1.ruleset_pb2 import Ruleset
from dealwright_engine import Ruleset as Compiled

from server.documents import parse_value, read_source
from tests.vectors.vectors import FOLDER, read_request, read_ruleset


@dataclass(frozen=True)
class RefundVector:
    """A file of tests/vectors/refunds."""

    path: Path
    rule: str
    ruleset: Ruleset
    request: RefundRequest
    expect: dict[str, Any]

    def __str__(self) -> str:
        return self.path.stem


@dataclass(frozen=True)
class ComparisonVector:
    """A file of tests/vectors/comparisons."""

    path: Path
    rule: str
    before: Ruleset
    after: Ruleset
    request: EvaluateRequest
    expect: dict[str, Any]

    def __str__(self) -> str:
        return self.path.stem

    def asked(self) -> CompareRequest:
        return CompareRequest(
            revision_before=self.before.revision, revision_after=self.after.revision, request=self.request
        )


def compiled(ruleset: Ruleset) -> Compiled:
    return Compiled.compile(ruleset.SerializeToString(deterministic=True))


def read_refunds() -> list[RefundVector]:
    """Every vector of a refund, by name. Unless it says otherwise, what was paid is what the engine gives."""
    return [_read_refund(path) for path in sorted((FOLDER / "refunds").glob("*.yaml"))]


def _read_refund(path: Path) -> RefundVector:
    source = read_source(path)
    value: Any = source.value
    assert value.keys() == {"rule", "ruleset", "request", "refund", "expect"}, f"{path.name} has other parts"
    ruleset = read_ruleset(source, "ruleset")
    request = parse_value(source, value["refund"], RefundRequest, "refund")
    request.sale.revision = ruleset.revision
    request.sale.request.CopyFrom(read_request(source))
    if not request.sale.WhichOneof("paid"):
        engine = compiled(ruleset)
        assert not engine.unsupported, f"{path.name} has a promotion that can't be applied"
        answer = engine.evaluate(request.sale.request.SerializeToString(), 0)
        request.sale.result_hash = EvaluateResponse.FromString(answer).result.result_hash
    return RefundVector(path, value["rule"], ruleset, request, value["expect"])


def read_comparisons() -> list[ComparisonVector]:
    """Every vector of a comparison, by name."""
    return [_read_comparison(path) for path in sorted((FOLDER / "comparisons").glob("*.yaml"))]


def _read_comparison(path: Path) -> ComparisonVector:
    source = read_source(path)
    value: Any = source.value
    assert value.keys() == {"rule", "before", "after", "request", "expect"}, f"{path.name} has other parts"
    before, after = read_ruleset(source, "before"), read_ruleset(source, "after")
    return ComparisonVector(path, value["rule"], before, after, read_request(source), value["expect"])


def lacking_in_refund(expect: dict[str, Any], response: RefundResponse) -> list[str]:
    """Everything that is expected and isn't so, one sentence each."""
    return _lacking(expect, {name: _of_refund(name, expect, response) for name in expect})


def lacking_in_comparison(expect: dict[str, Any], response: CompareResponse) -> list[str]:
    """Everything that is expected and isn't so, one sentence each."""
    return _lacking(expect, {name: _of_comparison(name, expect, response) for name in expect})


def _lacking(expect: dict[str, Any], told: dict[str, Any]) -> list[str]:
    return [
        f"{name}: expected {expect[name]}, got {told[name]}" for name in expect if expect[name] != told[name]
    ]


def _of_refund(name: str, expect: dict[str, Any], response: RefundResponse) -> Any:
    refund = response.refund
    match name:
        case "kept":
            return response.kept.totals.payable_minor
        case "claims":
            return [_claim(claim) for claim in refund.claims]
        case "lines":
            return {
                line.line_id: _stated(expect["lines"].get(line.line_id, {}), _line(line))
                for line in refund.lines
            }
    amount = getattr(refund, name.removesuffix("_tax"))
    return amount.tax_minor if name.endswith("_tax") else amount.minor


def _claim(claim: Claim) -> dict[str, Any]:
    if claim.WhichOneof("lost") == "gift":
        gift = claim.gift
        lost = {"gift": gift.product_id, "promotion": gift.promotion_id, "quantity": gift.quantity}
    else:
        kind = claim.reward.WhichOneof("grant") or ""
        grant = {kind.removesuffix("_minor"): getattr(claim.reward, kind)}
        lost = {"reward": grant, "promotion": claim.reward.promotion_id}
    return {**lost, "value": claim.value_minor}


def _line(line: LineRefund) -> dict[str, Any]:
    units = [
        {"first": units.first_unit, "quantity": units.quantity, "paid": units.unit_payable_minor}
        for units in line.units
    ]
    return {"minor": line.goods.minor, "tax": line.goods.tax_minor, "units": units}


def _of_comparison(name: str, expect: dict[str, Any], response: CompareResponse) -> Any:
    comparison = response.comparison
    match name:
        case "before" | "after":
            return getattr(response, name).totals.payable_minor
        case "lines":
            return {
                line.line_id: _stated(expect["lines"].get(line.line_id, {}), _Minors(line))
                for line in comparison.lines
            }
        case "promotions":
            stated = {each["promotion"]: each for each in expect["promotions"]}
            return [
                _stated(stated.get(each.promotion_id, {"promotion": ""}), _promotion(each))
                for each in comparison.promotions
            ]
        case "text":
            return comparison.text
    return getattr(comparison, f"{name}_minor")


def _promotion(difference: PromotionDifference) -> dict[str, Any]:
    gave, gives = difference.given_before, difference.given_after
    return {
        "promotion": difference.promotion_id,
        "gave": gave.discount_minor if difference.HasField("given_before") else None,
        "gives": gives.discount_minor if difference.HasField("given_after") else None,
        "said": _reason(difference.verdict_before),
        "says": _reason(difference.verdict_after),
        "text": difference.text,
    }


def _reason(verdict: Verdict) -> str | None:
    return Reason.Name(verdict.reason).removeprefix("REASON_") if verdict.promotion_id else None


class _Minors:
    """The amounts of a line's difference by their short names."""

    def __init__(self, line: Any) -> None:
        self._line = line

    def __getitem__(self, name: str) -> int:
        return int(getattr(self._line, f"{name}_minor"))


def _stated(names: Any, whole: Any) -> dict[str, Any]:
    return {name: whole[name] for name in names}
