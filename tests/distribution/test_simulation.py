"""Many small histories with crashes, cuts and restores: no till is ever wrong, and all of them catch up."""

import gc
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from itertools import accumulate

import pytest

from tests.distribution.simulation.mutants import MUTANTS, Mutant, mutated
from tests.distribution.simulation.run import ALLOCATIONS, NOTHING, Outcome, run
from tests.distribution.simulation.world import Violation

SEEDS = 10_000

PARTS = 16
"""Of which tests that run beside each other take one each."""

SECONDS = 12.0
"""How long a part takes at most; half of that on two processors that do nothing else."""

ENOUGH = 50
"""Seeds of a part that are always run, however busy the machine."""

MUTANT_SEEDS = 150

REMEMBERED = (509, 20093, 20840, 30288, 4348)
"""Seeds that found a fault: a restore to an epoch without kills left a till with those of the one before; a
disk that had lost the keys locked a till out; a kill that was taken back landed; an ack of a kill passed for
one of a snapshot of the same number; a nack of what the disk had passed for one of another revision of that
number. Those of `test_follower.py` are the same, step by step; histories have had rollouts since."""


@pytest.fixture(autouse=True)
def _rare_collections() -> Iterator[None]:
    """Looking for unreachable cycles in all that the tests have loaded would take longer than the seeds."""
    usual = gc.get_threshold()
    gc.set_threshold(ALLOCATIONS)
    yield
    gc.set_threshold(*usual)


@pytest.mark.parametrize("part", range(PARTS))
def test_no_history_leads_a_till_astray(part: int) -> None:
    end, done, seen = time.monotonic() + SECONDS, 0, NOTHING
    for seed in range(part, SEEDS, PARTS):
        seen = seen.plus(run(seed))
        done += 1
        if done >= ENOUGH and time.monotonic() > end:
            break
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


@pytest.mark.process
def test_a_search_with_several_processes_tells_what_all_seeds_have_seen() -> None:
    seen = deque(accumulate(map(run, range(3, 8)), Outcome.plus), maxlen=1).pop()
    command = ["-m", "tests.distribution.simulation.run", "--first", "3", "--seeds", "5", "--processes", "2"]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.startswith("5 seeds, 0 with a violation, ")
    assert f"{seen.activations} activations, {seen.revisions} revisions, {seen.kills} kills" in done.stdout
