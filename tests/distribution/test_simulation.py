"""Many small histories with crashes, cuts and restores: no till is ever wrong, and all of them catch up."""

import os
import time
from collections import deque

import pytest

from tests.distribution.simulation.mutants import MUTANTS, Mutant, mutated
from tests.distribution.simulation.run import Outcome, run
from tests.distribution.simulation.world import Violation

SEEDS = int(os.environ.get("DEALWRIGHT_STREAM_SEEDS", "10000"))

SECONDS = 40.0
"""How long the search takes at most; `make soak-streams` takes as long as it needs."""

ENOUGH = 50
"""Seeds that even a busy machine does in that time."""

MUTANT_SEEDS = 150

REMEMBERED = (509, 20093, 20840, 30288)
"""Seeds that found a fault: a restore to an epoch without kills left a till with those of the one before; a
disk that had lost the keys locked a till out; a kill that was taken back landed; an ack of a kill passed for
one of a snapshot of the same number. Those of `test_follower.py` are the same, step by step; histories
have had rollouts since."""


def test_no_history_leads_a_till_astray() -> None:
    end, done, seen = time.monotonic() + SECONDS, 0, Outcome(0, 0, 0, 0, 0)
    for seed in range(SEEDS):
        seen = seen.plus(run(seed))
        done += 1
        if time.monotonic() > end:
            break
    assert done >= min(ENOUGH, SEEDS)
    # It isn't quiet there.
    assert min(seen.activations, seen.revisions, seen.kills, seen.crashes) > done
    assert seen.epochs > done


@pytest.mark.parametrize("seed", REMEMBERED)
def test_what_went_wrong_once_does_not_again(seed: int) -> None:
    run(seed)


def test_a_seed_is_the_same_history_each_time() -> None:
    assert run(7) == run(7)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_simulation_notices_what_is_wrong(mutant: Mutant) -> None:
    with mutated(mutant), pytest.raises(Violation, match=r"--seed \d+"):
        deque(map(run, range(MUTANT_SEEDS)), maxlen=0)
