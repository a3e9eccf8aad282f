"""One process that loads one ruleset, so that nothing else is in its memory; prints what it took as JSON."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from dealwright.v1.ruleset_pb2 import Ruleset
from dealwright_engine import Ruleset as Compiled

from benchmarks.catalogue import rules
from benchmarks.messages import ruleset

WARMING_UP = 10


def main() -> None:
    body = Path(sys.argv[1]).read_bytes()
    # What the first use of anything costs is no part of the ruleset.
    first = ruleset(rules(WARMING_UP))
    Compiled.compile(first)
    Ruleset.FromString(first)
    before = _resident("VmRSS")
    begin = time.perf_counter()
    compiled = Compiled.compile(body)
    seconds = time.perf_counter() - begin
    after, peak = _resident("VmRSS"), _resident("VmHWM")
    begin = time.perf_counter()
    Ruleset.FromString(body)
    parsing = time.perf_counter() - begin
    found = {
        "promotions": compiled.promotion_count,
        "bytes": after - before,
        "peak": peak - before,
        "seconds": seconds,
        "parsing": parsing,
    }
    print(json.dumps(found))


def _resident(which: str) -> int:
    """The memory of this process in bytes: now (VmRSS), or the most so far (VmHWM)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{which}:")[1].split()[0]) * 1024


if __name__ == "__main__":
    main()
