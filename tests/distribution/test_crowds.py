"""Many at once: snapshots one after another, and bursts of publications as one."""

import asyncio
import sys
import threading
from pathlib import Path

from dealwright.v1.rule_stream_service_pb2 import Ack, Hello, SyncResponse
from sqlalchemy import Engine

from server.actors import Actor, Role
from server.definitions.service import Definitions
from server.distribution.bursts import LONGEST_SECONDS, QUIET_SECONDS, Bursts
from server.distribution.log import Log, Scope
from server.distribution.stream import Now, Stream
from server.distribution.turns import TURN_SECONDS, Turns
from tests.access.calls import serving
from tests.definitions.samples import percent_off
from tests.distribution.test_follower import NOON, log_of, newest
from tests.distribution.test_streams import followed, publish

ALL = Scope.of(())
DEVICE = Actor("till", "kopi", frozenset({Role.DEVICE}), "here")


class Line:
    """Streams that want a snapshot at the same time, of which so many may have one."""

    def __init__(self, log: Log, count: int, streams: int) -> None:
        self.log = log
        self.turns = Turns(count)
        self.woken: list[int] = []
        self.streams = [
            Stream(log, ALL, Hello(), Now(0.0, NOON), turn=self.turns.of(self._waker(number)))
            for number in range(streams)
        ]

    def _waker(self, number: int) -> "Waker":
        return Waker(self.woken, number)

    def kinds(self, number: int, at: float = 0.0) -> list[str | None]:
        """What a stream sends until it has nothing more to say."""
        found: list[str | None] = []
        while (data := self.streams[number].next(Now(at, NOON))) is not None:
            found.append(SyncResponse.FromString(data).frame.WhichOneof("kind"))
        return found

    def ack(self, number: int) -> None:
        edition = self.log.edition(ALL, NOON)
        self.streams[number].acked(Ack(epoch=edition.epoch, revision=edition.revision, root=edition.root))


class Waker:
    def __init__(self, woken: list[int], number: int) -> None:
        self._woken, self._number = woken, number

    def __call__(self) -> None:
        self._woken.append(self._number)


def test_snapshots_come_in_turns_and_nobody_is_forgotten() -> None:
    line = Line(log_of(1, "a"), count=2, streams=5)
    assert ["snapshot_end" in line.kinds(number) for number in range(5)] == [True, True, False, False, False]
    assert line.turns.waiting == 3
    line.ack(0)
    assert line.woken == [2]
    assert "snapshot_end" in line.kinds(2)
    # One that is gone makes room, whether it had its turn or waited for it.
    line.streams[3].leave()
    line.streams[1].leave()
    assert line.woken == [2, 4]
    assert "snapshot_end" in line.kinds(4)
    assert line.turns.waiting == 0


def test_a_till_that_does_not_answer_keeps_its_turn_for_a_while_only() -> None:
    line = Line(log_of(1, "a"), count=1, streams=2)
    line.kinds(0)
    assert "snapshot_end" not in line.kinds(1)
    line.turns.expire(TURN_SECONDS - 0.1)
    assert line.woken == []
    line.turns.expire(TURN_SECONDS)
    assert line.woken == [1]
    assert "snapshot_end" in line.kinds(1, TURN_SECONDS)
    # A late answer of the first takes nothing from the second.
    line.ack(0)
    line.streams[1].leave()
    assert line.turns.waiting == 0


def test_a_delta_waits_for_nobody() -> None:
    line = Line(log_of(1, "a"), count=1, streams=2)
    for number in range(2):
        line.kinds(number)
        line.ack(number)
        line.kinds(number)
        line.ack(number)
    hold = Stream(line.log, ALL, Hello(), Now(0.0, NOON), turn=line.turns.of(lambda: None))
    while hold.next(Now(0.0, NOON)) is not None:
        pass
    line.log.publish(line.log.prepare(newest(2, "a", "b")))
    assert line.kinds(0) == ["delta"]


async def test_the_first_of_a_burst_is_told_at_once_and_the_rest_together() -> None:
    told: list[int] = []
    revisions = [1]
    bursts = Bursts(lambda: told.append(revisions[-1]))
    bursts.happened()
    assert told == [1]
    for revision in range(2, 10):
        revisions.append(revision)
        bursts.happened()
    assert told == [1]
    async with asyncio.timeout(20):
        while told != [1, 9]:
            await asyncio.sleep(QUIET_SECONDS)
    # Alone again: at once.
    await asyncio.sleep(2 * QUIET_SECONDS)
    revisions.append(10)
    bursts.happened()
    assert told[-1] == 10


async def test_what_never_ends_is_told_from_time_to_time() -> None:
    told: list[float] = []
    loop = asyncio.get_running_loop()
    bursts = Bursts(lambda: told.append(loop.time()))
    end = loop.time() + 3 * LONGEST_SECONDS
    happened = 0
    while loop.time() < end or len(told) < 3:
        bursts.happened()
        happened += 1
        await asyncio.sleep(QUIET_SECONDS / 10)
    assert 3 <= len(told) < happened


async def test_metrics_are_read_while_tills_come_and_go(
    database: Engine, definitions: Definitions, keys_dir: Path
) -> None:
    publish(definitions, percent_off("ten", 10))
    over, behind = threading.Event(), []
    async with serving(database, keys_dir=keys_dir) as (application, _):
        sessions, read = application.sessions, application.metrics.streams_behind.collect
        opened = [sessions.open(DEVICE, Hello(device_id=f"till-{each}"), answers=True) for each in range(500)]

        def look() -> None:
            while not over.is_set():
                behind.append(next(iter(read())).samples[0].value)

        switching = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            looking = asyncio.create_task(asyncio.to_thread(look))
            for each in range(500, 3_000):
                opened.append(sessions.open(DEVICE, Hello(device_id=f"till-{each}"), answers=True))
                sessions.close(opened.pop(0))
                await asyncio.sleep(0)
        finally:
            over.set()
            sys.setswitchinterval(switching)
        await looking

    assert behind
    assert 499 <= min(behind) <= max(behind) <= 501


async def test_a_till_ends_at_the_last_of_many_publications(
    database: Engine, definitions: Definitions, keys_dir: Path
) -> None:
    async with followed(database, definitions, keys_dir) as (_, till):
        revisions = [publish(definitions, percent_off("ten", percent)) for percent in range(11, 21)]
        await till.at(revisions[-1])
        assert "snapshot_begin" not in till.frames[till.frames.index("snapshot_end") :]
