"""Engine and reference agree on generated cases, to the minor unit, the unit and the verdict."""

import os

from hypothesis import HealthCheck, Phase, given, settings

from tests.differential.cases import Case, cases
from tests.differential.comparison import difference, refused_definitions
from tests.differential.documents import as_vector

EXAMPLES = int(os.environ.get("DEALWRIGHT_DIFFERENTIAL_EXAMPLES", "1200"))
"""How many cases are tried; the default takes about twenty seconds."""


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    # The same cases at every run, so that a change is what makes it fail; `make soak` looks for new ones.
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(case=cases())
def test_the_engine_agrees_with_the_reference(case: Case) -> None:
    assert refused_definitions(case) == ""
    found = difference(case)
    assert found is None, f"{found}\n\n{as_vector(case)}"
