"""What a ruleset weighs in memory and how long loading it takes, each time in a process of its own.

Beside loading stands parsing the same bytes with protobuf for Python, which is written in C: a unit that
moves with the machine.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TypedDict

from benchmarks.catalogue import rules
from benchmarks.markdown import table
from benchmarks.messages import ruleset
from benchmarks.ratios import Measured, Ratio

COUNTS = (1000, 10_000, 100_000)
PROCESSES = 7
"""For each size, in turns."""
PROCESS_SECONDS_MAX = 120
LOADING_MS_WANTED = 20
"""For 1 000 promotions."""


class Loaded(TypedDict):
    """What one process says about loading."""

    promotions: int
    bytes: int
    peak: int
    seconds: float
    parsing: float


def tables() -> Iterator[str]:
    loaded = _loaded(COUNTS)
    rows = [
        (
            count,
            _weight(count),
            statistics.median(each["peak"] for each in loaded[count]) / count,
            len(ruleset(rules(count))) / count,
            min(each["seconds"] for each in loaded[count]) * 1e3,
            min(each["parsing"] for each in loaded[count]) * 1e3,
        )
        for count in COUNTS
    ]
    titles = ("promotions", "bytes each", "at the peak", "as a message", "loading ms", "parsing ms")
    yield table(titles, rows)
    thousand = min(each["seconds"] for each in loaded[1000]) * 1e3
    reached = "reached" if thousand <= LOADING_MS_WANTED else "not reached"
    yield f"Loading 1 000 promotions: {thousand:.1f} ms, at most {LOADING_MS_WANTED} wanted, {reached}.\n"


@cache
def _loaded(counts: Sequence[int]) -> dict[int, list[Loaded]]:
    """What the processes of each size say, the sizes in turns."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {count: Path(folder, str(count)) for count in counts}
        for count, path in paths.items():
            path.write_bytes(ruleset(rules(count)))
        rounds = [[_load(path) for path in paths.values()] for _ in range(PROCESSES)]
    return {count: list(each) for count, each in zip(counts, zip(*rounds, strict=True), strict=True)}


def _load(path: Path) -> Loaded:
    command = [sys.executable, "-m", "benchmarks.loading", str(path)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=PROCESS_SECONDS_MAX)
    loaded: Loaded = json.loads(ended.stdout)
    return loaded


def _weight(count: int) -> float:
    return statistics.median(each["bytes"] for each in _loaded(COUNTS)[count]) / count


def _loading_beside_parsing() -> Measured:
    processes = _loaded(COUNTS)[1000]
    return Measured(
        min(each["seconds"] for each in processes) * 1e6, min(each["parsing"] for each in processes) * 1e6
    )


def _memory_beside_message() -> Measured:
    count = 10_000
    return Measured(_weight(count), len(ruleset(rules(count))) / count)


RATIOS = (
    Ratio("loading to parsing, 1 000 promotions", _loading_beside_parsing),
    Ratio("bytes in memory to bytes as a message, 10 000 promotions", _memory_beside_message),
)
