"""The reference for comparisons (S-11.9): two results side by side."""

from dealwright.v1.comparison_pb2 import Comparison, Given, LineDifference, PromotionDifference
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest
from dealwright.v1.result_pb2 import Result, Verdict
from dealwright.v1.ruleset_pb2 import Ruleset

from tests.reference.answer import evaluate


def compare(before: Ruleset, after: Ruleset, request: EvaluateRequest) -> Comparison:
    """S-11.9. The texts, which the rules don't fix, stay empty."""
    had, has = evaluate(before, request), evaluate(after, request)
    applied = [each.promotion_id for result in (had, has) for each in result.applications]
    judged = [each.promotion_id for result in (had, has) for each in result.verdicts]
    lines = []
    for old, new in zip(had.lines, has.lines, strict=True):
        line = LineDifference(
            line_id=old.line_id,
            discount_minor=new.discount_minor - old.discount_minor,
            payable_minor=new.payable_minor - old.payable_minor,
            payable_tax_minor=new.payable_tax_minor - old.payable_tax_minor,
        )
        if line.discount_minor or line.payable_tax_minor:
            lines.append(line)
    differences = [_difference(id_, had, has) for id_ in dict.fromkeys([*applied, *judged])]
    return Comparison(
        promotions=[difference for difference in differences if difference is not None],
        lines=lines,
        discount_minor=has.totals.discount_minor - had.totals.discount_minor,
        payable_minor=has.totals.payable_minor - had.totals.payable_minor,
        payable_tax_minor=has.totals.payable_tax_minor - had.totals.payable_tax_minor,
    )


def _difference(promotion_id: str, had: Result, has: Result) -> PromotionDifference | None:
    old, new = (_given(promotion_id, result) for result in (had, has))
    said, says = (_verdict(promotion_id, result) for result in (had, has))
    if old == new and said == says:
        return None
    return PromotionDifference(
        promotion_id=promotion_id, given_before=old, given_after=new, verdict_before=said, verdict_after=says
    )


def _given(promotion_id: str, result: Result) -> Given | None:
    applications = [each for each in result.applications if each.promotion_id == promotion_id]
    if not applications:
        return None
    return Given(
        discount_minor=sum(each.discount_minor for each in applications),
        gifts=[gift for gift in result.gifts if gift.promotion_id == promotion_id],
        rewards=[reward for reward in result.rewards if reward.promotion_id == promotion_id],
    )


def _verdict(promotion_id: str, result: Result) -> Verdict | None:
    return next((each for each in result.verdicts if each.promotion_id == promotion_id), None)
