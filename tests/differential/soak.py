"""Compares engine and reference on many cases, seed after seed, with progress on the screen.

    make soak CASES=1000000 SEED=1

Ends with 1 at the first case on which they differ, and prints it, made as small as possible, as a vector.
"""

import argparse
import itertools
import sys
import time

from hypothesis import HealthCheck, given, seed, settings

from tests.differential.cases import Case, cases
from tests.differential.comparison import difference, refused_definitions
from tests.differential.documents import as_vector

CASES_PER_SEED = 1000
"""A new seed after so many cases, so that a failure can be found again quickly."""


class Differs(Exception):
    """A case on which engine and reference differ; its text says how."""


def main() -> int:
    """Runs until so many cases agreed, or one didn't."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--cases", type=int, default=100_000, help="how many cases (default %(default)s)")
    arguments.add_argument("--seed", type=int, default=1, help="the first seed (default %(default)s)")
    asked = arguments.parse_args()
    begin = time.monotonic()
    done = 0
    for number in itertools.count(asked.seed):
        try:
            done += compare(number, min(CASES_PER_SEED, asked.cases - done))
        except Differs as differs:
            print(f"\nseed {number}: {differs}")
            return 1
        rate = done / (time.monotonic() - begin)
        print(f"\r{done} cases agree, {rate:.0f} a second, seed {number} done", end="", flush=True)
        if done >= asked.cases:
            print()
            return 0
    raise AssertionError("there is always another seed")


def compare(number: int, examples: int) -> int:
    """Compares the cases of one seed; how many there were."""
    seen = 0

    @seed(number)
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=cases())
    def agree(case: Case) -> None:
        nonlocal seen
        seen += 1
        found = refused_definitions(case) or difference(case)
        if found:
            raise Differs(f"{found}\n\n{as_vector(case)}")

    agree()
    return seen


if __name__ == "__main__":
    sys.exit(main())
