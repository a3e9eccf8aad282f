"""Compares engine and reference on many random cases, with progress on the screen.

    make soak CASES=1000000 SEED=1

Ends with 1 at the first case on which they differ, and prints it, made as small as possible, as a vector.
"""

import argparse
import sys
import time

from tests.differential.cases import case
from tests.differential.comparison import advice_difference, difference, refused_definitions
from tests.differential.documents import as_vector
from tests.differential.shrinking import shrunk

CASES_PER_REPORT = 1000
# Advice means to evaluate many carts.
CASES_PER_ADVICE = 20


def main() -> int:
    """Runs until so many cases agreed, or one didn't."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--cases", type=int, default=100_000, help="how many cases (default %(default)s)")
    arguments.add_argument("--seed", type=int, default=1, help="which cases (default %(default)s)")
    asked = arguments.parse_args()
    begin = time.monotonic()
    for number in range(asked.cases):
        found = disagreement(asked.seed, number)
        if found:
            print(f"\nseed {asked.seed}, case {number}: {found}")
            return 1
        if (number + 1) % CASES_PER_REPORT == 0:
            rate = (number + 1) / (time.monotonic() - begin)
            print(f"\r{number + 1} cases agree, {rate:.0f} a second", end="", flush=True)
    print(f"\r{asked.cases} cases of seed {asked.seed} agree")
    return 0


def disagreement(seed: int, number: int) -> str | None:
    """How engine and reference differ on a case, or None."""
    found = case(seed, number)
    refused = refused_definitions(found)
    if refused:
        return f"{refused}\n\n{as_vector(found)}"
    differs = advice_difference if number % CASES_PER_ADVICE == 0 and not difference(found) else difference
    if differs(found) is None:
        return None
    small = shrunk(found, differs)
    return f"{differs(small)}\n\n{as_vector(small)}"


if __name__ == "__main__":
    sys.exit(main())
