"""Engine and reference agree on generated cases, to the minor unit, the unit and the verdict."""

import os
from dataclasses import replace

import pytest
from dealwright.v1.result_pb2 import Proof
from dealwright.v1.ruleset_pb2 import Ruleset

from tests.differential.cases import case
from tests.differential.comparison import ask_engine, ask_reference
from tests.differential.soak import disagreement

EXAMPLES = int(os.environ.get("DEALWRIGHT_DIFFERENTIAL_EXAMPLES", "5000"))
"""How many cases are tried; the default takes about twenty seconds in one process."""

PARTS = 10
"""That many tests share the cases, so that several processes may."""

SEED = 0
"""The same cases at every run, so that a change is what makes it fail; `make soak` looks for new ones."""

BOUNDED_EXAMPLES = 300


@pytest.mark.parametrize("part", range(PARTS))
def test_the_engine_agrees_with_the_reference(part: int) -> None:
    for number in range(part, EXAMPLES, PARTS):
        found = disagreement(SEED, number)
        assert found is None, f"case {number}: {found}"


def test_no_plan_beats_one_of_a_search_that_ended_by_more_than_its_gap() -> None:
    bounded = 0
    for number in range(BOUNDED_EXAMPLES):
        hurried = case(SEED, number)
        ruleset = Ruleset()
        ruleset.CopyFrom(hurried.ruleset)
        ruleset.policy.search_nodes_max = 1 + number % 4
        hurried = replace(hurried, ruleset=ruleset)
        found, best = ask_engine(hurried).selection, ask_reference(hurried).selection

        assert found.benefit_minor <= best.benefit_minor <= found.benefit_minor + found.gap_minor
        bounded += found.proof == Proof.PROOF_BOUNDED

    assert bounded > BOUNDED_EXAMPLES // 100
