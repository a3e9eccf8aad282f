"""Engine and reference agree on how two versions of generated rulesets differ."""

import dealwright_engine
from dealwright.v1.comparison_pb2 import Comparison
from dealwright.v1.evaluation_service_pb2 import CompareRequest, CompareResponse
from dealwright.v1.result_pb2 import Reason
from dealwright.v1.ruleset_pb2 import Ruleset

from tests.differential.cases import case
from tests.differential.test_differential import EXAMPLES, SEED
from tests.reference.comparison import compare

CASES_PER_COMPARISON = 20


def test_a_comparison_agrees_with_the_reference() -> None:
    for number in range(EXAMPLES // CASES_PER_COMPARISON):
        of, other = case(SEED, number), case(SEED, number + 1)
        after = Ruleset()
        after.CopyFrom(of.ruleset)
        # The first promotion goes, and what another case has comes, some of it under the same id.
        taken = {promotion.id for promotion in of.ruleset.promotions[1:]}
        del after.promotions[0]
        after.promotions.extend(each for each in other.ruleset.promotions if each.id not in taken)
        asked = CompareRequest(
            revision_before=of.ruleset.revision, revision_after=after.revision, request=of.request
        )
        rulesets = [
            dealwright_engine.Ruleset.compile(each.SerializeToString()) for each in (of.ruleset, after)
        ]

        answer = rulesets[0].compare(rulesets[1], asked.SerializeToString(), 0)
        engine = CompareResponse.FromString(answer).comparison

        assert without_texts(engine) == compare(of.ruleset, after, of.request), f"case {number}"


def test_nothing_differs_from_itself() -> None:
    for number in range(EXAMPLES // CASES_PER_COMPARISON):
        of = case(SEED, number)
        ruleset = dealwright_engine.Ruleset.compile(of.ruleset.SerializeToString())
        revision = of.ruleset.revision
        asked = CompareRequest(revision_before=revision, revision_after=revision, request=of.request)

        answer = CompareResponse.FromString(ruleset.compare(ruleset, asked.SerializeToString(), 0))

        assert without_texts(answer.comparison) == Comparison()


def without_texts(comparison: Comparison) -> Comparison:
    """What the rules fix of a comparison."""
    comparison.ClearField("text")
    for promotion in comparison.promotions:
        promotion.ClearField("text")
        for verdict in ("verdict_before", "verdict_after"):
            if promotion.HasField(verdict):
                said = getattr(promotion, verdict)
                said.ClearField("text")
                if said.reason == Reason.REASON_UNSUPPORTED:
                    said.ClearField("parameters")
    return comparison
