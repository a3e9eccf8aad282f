"""What rule streams cost: a first synchronisation, a publication at thousands of tills, memory per stream.

Servers are processes, as are the tills, and all are on loopback on one machine. The many tills read and ack
what comes, and apply nothing (`stream_tills.py`): in a shop each has a processor of its own. A whole `Till`
follows beside them, which checks, compiles, writes and applies.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from dealwright import Till

from benchmarks.markdown import table
from benchmarks.ratios import Ratio
from benchmarks.stream_cycles import cycles
from benchmarks.stream_servers import (
    WAIT_SECONDS,
    Installation,
    Said,
    Server,
    installed,
    processor_seconds,
    progress,
)

_CROWDS = os.environ.get("DEALWRIGHT_BENCH_CROWDS", "1000/1,2500/2,5000/4")
CROWDS = tuple(
    (int(tills), int(servers)) for tills, servers in (each.split("/") for each in _CROWDS.split(","))
)
"""How many tills follow how many server processes."""

DEAF = 100
"""Of a thousand tills, how many stop reading."""

PUBLICATIONS = 5
STORES, SMALL, LARGE = 50, 100, 1000
"""Stores that tills are in, promotions of the company that many tills follow, and of that of one till."""

PER_CONNECTION = 10
SETTLE_SECONDS = 1.0
"""Between two publications, and before memory is read."""

POLL_SECONDS = 0.001
MILLISECONDS = 1e3

P99 = "acked p99 ms"
COLUMNS = (
    "tills on server processes",
    "all connected s",
    "committed p50 ms",
    "acked p50 ms",
    P99,
    "last ack ms",
    "applied by a whole till p50 ms",
    "server processor us per till",
    "tills' processor us per till",
    "KiB per stream",
)

RATIOS: tuple[Ratio, ...] = ()


@dataclass(frozen=True)
class Figures:
    """What publications at a crowd took, in seconds from the moment in which publishing began."""

    connected: float
    """Until all had the first revision, from the moment in which all began to connect."""
    acked: list[float]
    """At every till, in their order."""
    committed: list[float]
    """Until the database had it."""
    applied: list[float]
    """At the whole till."""
    processor: float
    """Seconds of processors that servers took for a publication, per till."""
    tills_processor: float
    """The same of the processes in which the tills are."""
    stream_bytes: float
    """Memory of a server per stream."""


def tables() -> Iterator[str]:
    """What `make bench B=streams` prints."""
    with installed(LARGE, 1) as installation:
        yield _first(installation)
    with installed(SMALL, STORES) as installation:
        crowds = [(f"{tills} on {servers}", tills, servers, 0) for tills, servers in CROWDS]
        tills, servers = CROWDS[0]
        crowds.append((f"{tills} on {servers}, {DEAF} of them deaf", tills, servers, DEAF))
        yield table(
            COLUMNS,
            [(name, *_measured(installation, name, *crowd)) for name, *crowd in crowds],
        )
        yield cycles(installation)


def _measured(
    installation: Installation, name: str, tills: int, servers: int, deaf: int
) -> tuple[str | float, ...]:
    """A row. A crowd for which the machine is too small doesn't cost the others their rows."""
    progress(f"{name}: connecting")
    try:
        row = _row(_crowd(installation, tills, servers, deaf=deaf))
    except TimeoutError as error:
        progress(f"{name}: {error}")
        return "too slow", *[""] * (len(COLUMNS) - 2)
    progress(f"{name}: 99 of 100 had acked within {row[COLUMNS.index(P99) - 1]:.0f} ms")
    return row


def _row(figures: Figures) -> tuple[float, ...]:
    def share(of: list[float], part: float) -> float:
        return round(sorted(of)[min(len(of) - 1, int(len(of) * part))] * MILLISECONDS)

    return (
        round(figures.connected, 1),
        share(figures.committed, 0.5),
        share(figures.acked, 0.5),
        share(figures.acked, 0.99),
        share(figures.acked, 1),
        share(figures.applied, 0.5),
        round(figures.processor * 1e6),
        round(figures.tills_processor * 1e6),
        round(figures.stream_bytes / 1024),
    )


def _first(installation: Installation) -> str:
    """A first synchronisation, and a change of one promotion."""
    with installation.serving(1) as (server,), tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        with _till(installation, server, folder) as till:
            _until(lambda: till.state.revision > 0)
            seconds = time.perf_counter() - begin
            snapshot = server.sent("snapshot")
            revision = installation.publish()
            _until_at(till, revision)
            rows = [
                ("a till is opened, connects, and has all in force, ms", f"{seconds * MILLISECONDS:.0f}"),
                ("bytes of the snapshot", f"{snapshot:,}"),
                ("bytes of a change of one promotion", f"{server.sent('delta'):,}"),
            ]
    return table((f"one till, {LARGE} promotions", "value"), rows)


def _crowd(installation: Installation, tills: int, servers: int, *, deaf: int = 0) -> Figures:
    """Publications at many tills; those that are deaf stop reading once they have the first revision."""
    committed, acked, applied = [], [], []
    with ExitStack() as stack:
        serving = stack.enter_context(installation.serving(servers))
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        whole = stack.enter_context(_till(installation, serving[0], folder))
        _until(lambda: whole.state.revision > 0)
        before = sum(server.resident for server in serving)
        crowds = [
            stack.enter_context(following(installation, server, number, tills // servers, deaf))
            for number, server in enumerate(serving)
        ]
        begin = min(at for crowd in crowds for at in crowd.arrived())
        connected = max(at for crowd in crowds for at in crowd.arrived()) - begin
        progress(f"all have the first revision after {connected:.1f} s")
        time.sleep(SETTLE_SECONDS)
        stream_bytes = (sum(server.resident for server in serving) - before) / tills
        processor = sum(server.processor_seconds for server in serving)
        tills_processor = sum(crowd.processor_seconds for crowd in crowds)
        for number in range(PUBLICATIONS):
            begin = time.perf_counter()
            revision = installation.publish()
            committed.append(time.perf_counter() - begin)
            _until_at(whole, revision)
            applied.append(time.perf_counter() - begin)
            acked += [at - begin for crowd in crowds for at in crowd.arrived()]
            progress(f"publication {number + 1} of {PUBLICATIONS} has been acked by all")
            time.sleep(SETTLE_SECONDS)
        processor = sum(server.processor_seconds for server in serving) - processor
        tills_processor = sum(crowd.processor_seconds for crowd in crowds) - tills_processor
    each = PUBLICATIONS * tills
    return Figures(
        connected, acked, committed, applied, processor / each, tills_processor / each, stream_bytes
    )


class _Crowd:
    """A process with many tills."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._said = Said(process)
        self._process = psutil.Process(process.pid)

    @property
    def processor_seconds(self) -> float:
        """What it has taken of processors until now."""
        return processor_seconds(self._process)

    def arrived(self) -> list[float]:
        """When they began; then, when each of them had acked the next revision."""
        said = json.loads(self._said.next())
        if said.get("again"):
            progress(f"{said['again']} streams had to be opened again")
        at: list[float] = said["at"]
        return at


@contextmanager
def following(
    installation: Installation, server: Server, number: int, count: int, deaf: int
) -> Iterator[_Crowd]:
    """So many tills that follow a server, for as long as it lasts."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "benchmarks.stream_tills"]
    streams = [
        (installation.tokens[each % len(installation.tokens)], f"till-{number}-{each}")
        for each in range(count)
    ]
    asked = {
        "address": server.address,
        "streams": streams,
        "per_connection": PER_CONNECTION,
        "deaf": deaf,
    }
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process, ExitStack() as stack:
        if process.stdin is not None:
            stack.callback(process.stdin.close)
            process.stdin.write(json.dumps(asked) + "\n")
            process.stdin.flush()
        yield _Crowd(process)


@contextmanager
def _till(installation: Installation, server: Server, folder: str) -> Iterator[Till]:
    token, store = installation.tokens[0], installation.stores[0]
    with Till(
        Path(folder), "whole", installation.root_key, server.address, token=token, store_ids=[store]
    ) as till:
        yield till


def _until_at(till: Till, revision: int) -> None:
    _until(lambda: till.state.revision == revision)


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError("the till doesn't get what was published")
        time.sleep(POLL_SECONDS)
