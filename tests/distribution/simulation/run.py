"""One seed from beginning to end: minutes of trouble, then peace, in which all tills must catch up.

python -m tests.distribution.simulation.run --seed 4711          # replay one, and show what happens
python -m tests.distribution.simulation.run --seeds 1000000      # search, with all processors
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context

import dealwright_engine
import pytest

from tests.distribution.simulation.company import STORES, Company
from tests.distribution.simulation.server import Server
from tests.distribution.simulation.till import Till
from tests.distribution.simulation.world import Troubles, Violation, World

TROUBLE_SECONDS = 240.0

PEACE_SECONDS = 400.0
"""Long enough for the longest wait before a connection, a dead stream and a slow disk, one after another."""

LOOK_SECONDS = 10.0
"""How often it is asked meanwhile whether all of them have."""

SETTLED_SECONDS = 60.0
"""How long they have to stay so; longer than a dead stream and the slowest write."""

KILL_SECONDS = 5.0
"""A kill is in force at a connected till after this: the server looks each 2 s, the rest is one delay and one
compilation."""

BACK_SECONDS = 150.0
"""When a rollout has ended, a connected till has the revision of all after this: a slow disk takes up to 60 s
for each of the two revisions that may be on their way, and a control may come between."""

SCOPES = ((STORES[0],), (STORES[1],), (STORES[1], STORES[2]), ())

ORDERLY = Troubles()
HOSTILE = Troubles(lost=0.02, doubled=0.02, swapped=0.05)


@dataclass(frozen=True)
class Outcome:
    """What a run has seen."""

    activations: int
    revisions: int
    epochs: int
    kills: int
    crashes: int

    def plus(self, other: Outcome) -> Outcome:
        return Outcome(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


# Tills of a run check the same signatures again and again, and what is true of one stays true.
_verify = lru_cache(maxsize=1_000)(dealwright_engine.verify)

NOTHING = Outcome(0, 0, 0, 0, 0)


class Run:
    """One company, one server, some tills."""

    def __init__(self, seed: int) -> None:
        # Every fourth world has a network that no transport of ours would be; safety holds there too.
        self.world = World(seed, HOSTILE if seed % 4 == 3 else ORDERLY)
        self.draws = self.world.draws
        self.company = Company(self.draws)
        self.company.publish()
        self.server = Server(self.world, self.company)
        count = self.draws.randint(1, 3)
        self.tills = [
            Till(self.world, self.server, number, self.draws.choice(SCOPES)) for number in range(count)
        ]
        self.crashes = 0

    def go(self) -> Outcome:
        """Trouble, then peace; raises Violation."""
        self.world.after(self._soon(), self._event)
        self.world.run(TROUBLE_SECONDS)
        self._make_peace()
        self._catch_up()
        # What was said on one stream has to be known on the next.
        for till in self.tills:
            till.disconnect_both()
        self._catch_up()
        # Nothing that was still under way may undo it.
        self.world.run(self.world.now + SETTLED_SECONDS)
        for till in self.tills:
            self._require_current(till)
        return Outcome(
            sum(till.activations for till in self.tills),
            len(self.company.history),
            self.company.epoch,
            self.company.sequence,
            self.crashes,
        )

    def _catch_up(self) -> None:
        """Gives the tills the time that they need at most."""
        end = self.world.now + PEACE_SECONDS
        while self.world.now < end and not all(map(self._current, self.tills)):
            self.world.run(self.world.now + LOOK_SECONDS)

    def _soon(self) -> float:
        return self.draws.expovariate(1 / 6)

    def _event(self) -> None:
        if self.world.now >= TROUBLE_SECONDS:
            return
        draws, world = self.draws, self.world
        till = draws.choice(self.tills)
        chance = draws.random()
        if chance < 0.35:
            self._publish()
            if draws.random() < 0.7 and self.server.up and not self.server.lagging:
                self.server.refresh()
        elif chance < 0.5:
            self.company.toggle_kill()
            self._expect_kill()
        elif chance < 0.65 and till.up:
            self.crashes += 1
            till.crash()
            world.after(draws.uniform(0.1, 20), till.boot)
        elif chance < 0.75 and self.server.up:
            self.crashes += 1
            self.server.crash()
            world.after(draws.uniform(0.1, 30), self.server.start)
        elif chance < 0.85:
            till.disconnect_both()
        elif chance < 0.9:
            self.company.restore()
            self.server.crash()
            world.after(draws.uniform(0.1, 10), self.server.start)
        elif chance < 0.95:
            # Never back by more than tills would forgive, sometimes ahead by more than a bundle's life.
            world.offset += draws.choice((-60.0, 3600.0, 40 * 3600.0, 80 * 3600.0))
        else:
            self.server.lag(not self.server.lagging)
        world.after(self._soon(), self._event)

    def _publish(self) -> None:
        """The next revision: for all, or for some stores first; or what was for some is taken back."""
        company = self.company
        if company.rolling_out or self.draws.random() < 0.7:
            stopping = company.rolling_out
            company.publish()
            if stopping:
                self._expect_settled()
        else:
            company.start_rollout()

    def _expect_settled(self) -> None:
        """When a rollout ends, tills that stay connected to a server that stays well have what all have in
        time."""
        company, server = self.company, self.server
        if not self.world.troubles.orderly or not server.well:
            return
        place = company.epoch, company.head
        undisturbed = [(till, till.greeted_at, till.failures) for till in self.tills if till.greeted_at]
        troubles = server.troubles

        def look() -> None:
            if server.troubles != troubles or company.epoch != place[0]:
                return
            for till, *before in undisturbed:
                if before == [till.greeted_at, till.failures]:
                    till.require_revision(place)

        self.world.after(BACK_SECONDS, look)

    def _expect_kill(self) -> None:
        """Tills that stay connected to a server that stays well have the kill in force in time."""
        company, server = self.company, self.server
        if not self.world.troubles.orderly or not server.well:
            return
        place, killed = (company.epoch, company.sequence), company.killed
        connected = [till for till in self.tills if till.greeted_at is not None]
        undisturbed = [(till, till.greeted_at, till.failures) for till in connected]
        troubles = server.troubles

        def look() -> None:
            if server.troubles == troubles and company.epoch == place[0]:
                for till, *before in undisturbed:
                    if before == [till.greeted_at, till.failures]:
                        till.require_control(place, killed)

        self.world.after(KILL_SECONDS, look)

    def _make_peace(self) -> None:
        self.world.troubles = Troubles(cut=0, disk_fails=0, compile_fails=0, slow_disk=0)
        self.server.lag(False)
        if not self.server.up:
            self.server.start()
        for till in self.tills:
            till.disconnect_both()
            if not till.up:
                till.boot()
        self.company.publish()
        if self.draws.random() < 0.3:
            self.company.start_rollout()
        for till in self.tills:
            if self.company.refused_by_old_engines:
                till.upgrade()

    def _current(self, till: Till) -> bool:
        """Whether a till has, on a stream, what there is."""
        company, follower = self.company, till.follower
        head = (company.epoch, company.revision_at(till.store_ids))
        return (
            till.greeted_at is not None
            and follower.active
            and (follower.epoch, follower.revision) == head
            and (follower.control_epoch, follower.control_sequence) == (company.epoch, company.sequence)
        )

    def _require_current(self, till: Till) -> None:
        if not self._current(till):
            head = (self.company.epoch, self.company.revision_at(till.store_ids))
            place, why = (till.follower.epoch, till.follower.revision), till.follower.refused
            raise Violation(f"{till.device_id} is at {place} and not at {head}: {why}")
        till.require_control((self.company.epoch, self.company.sequence), self.company.killed)
        till.check(newest=True)
        till.require_told()


def run(seed: int) -> Outcome:
    """One seed; a violation says how to replay it."""
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(dealwright_engine, "verify", _verify)
            return Run(seed).go()
    except Exception as error:
        raise Violation(
            f"{error}\nreplay it with: python -m tests.distribution.simulation.run --seed {seed}"
        ) from error


SEEDS_AT_ONCE = 1_000
"""What a process of a search does before it tells what it has seen."""

ALLOCATIONS = 100_000
"""How much is allocated before unreachable cycles are looked for; a run makes few of them, at its end."""


@dataclass(frozen=True)
class Found:
    """What some seeds have come to."""

    seeds: int
    seen: Outcome
    violations: tuple[str, ...]


def search(first: int, seeds: int, processes: int) -> Iterator[Found]:
    """Runs seeds in processes, and tells of some after some."""
    starts = range(first, first + seeds, SEEDS_AT_ONCE)
    counts = [min(SEEDS_AT_ONCE, first + seeds - start) for start in starts]
    with ProcessPoolExecutor(
        processes, get_context("spawn"), initializer=gc.set_threshold, initargs=(ALLOCATIONS,)
    ) as pool:
        yield from pool.map(_search, starts, counts)


def _search(first: int, seeds: int) -> Found:
    seen, violations = NOTHING, []
    for seed in range(first, first + seeds):
        try:
            seen = seen.plus(run(seed))
        except Violation as violation:
            violations.append(str(violation))
    return Found(seeds, seen, tuple(violations))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seed", type=int, help="replay this one alone")
    parser.add_argument("--first", type=int, default=0, help="where a search begins")
    parser.add_argument("--seeds", type=int, default=10_000, help="how many seeds a search takes")
    parser.add_argument(
        "--processes",
        type=int,
        default=os.cpu_count(),
        help="default: one per processor",
    )
    arguments = parser.parse_args()
    if arguments.seed is not None:
        print(run(arguments.seed))
        return 0
    begin, seen, done, failed = time.monotonic(), NOTHING, 0, 0
    for found in search(arguments.first, arguments.seeds, arguments.processes):
        print(*found.violations, sep="\n", end="\n" if found.violations else "", file=sys.stderr)
        seen, done, failed = seen.plus(found.seen), done + found.seeds, failed + len(found.violations)
        print(
            f"{done} seeds, {failed} with a violation, {time.monotonic() - begin:.0f} s: "
            f"{seen.activations} activations, {seen.revisions} revisions, {seen.kills} kills, "
            f"{seen.crashes} crashes",
            flush=True,
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
