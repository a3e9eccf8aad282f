"""Engine and reference agree on generated cases, to the minor unit, the unit and the verdict."""

import os

from tests.differential.soak import disagreement

EXAMPLES = int(os.environ.get("DEALWRIGHT_DIFFERENTIAL_EXAMPLES", "10000"))
"""How many cases are tried; the default takes about twenty seconds."""

SEED = 0
"""The same cases at every run, so that a change is what makes it fail; `make soak` looks for new ones."""


def test_the_engine_agrees_with_the_reference() -> None:
    for number in range(EXAMPLES):
        found = disagreement(SEED, number)
        assert found is None, f"case {number}: {found}"
