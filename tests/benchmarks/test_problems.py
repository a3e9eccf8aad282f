"""The problems that the search is timed on say the same in definitions as in numbers."""

import itertools
import random

import dealwright_engine
import pytest
from dealwright.v1.evaluation_service_pb2 import EvaluateResponse
from dealwright.v1.result_pb2 import PROOF_PROVEN

from benchmarks.problems import KINDS, Problem

CANDIDATES = 7


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_the_best_plan_is_the_best_choice(kind: str, seed: int) -> None:
    problem = KINDS[kind](random.Random(seed), CANDIDATES)
    ruleset = dealwright_engine.Ruleset.compile(problem.ruleset.SerializeToString())
    answer = EvaluateResponse.FromString(ruleset.evaluate(problem.request.SerializeToString(), 0))
    selection = answer.result.selection
    assert (selection.proof, selection.benefit_minor) == (PROOF_PROVEN, best_choice(problem))


def best_choice(problem: Problem) -> int:
    """The highest worth of all choices that break no row."""
    numbers = itertools.product(*(range(most + 1) for most in problem.most))
    return max(
        sum(worth * number for worth, number in zip(problem.worth, chosen, strict=True))
        for chosen in numbers
        if all(sum(chosen[place] for place in choices) <= limit for choices, limit in problem.rows)
    )
