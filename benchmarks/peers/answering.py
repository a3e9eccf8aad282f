"""How a peer in a process of its own answers: a JSON document a line in, one a line out.

`{"load": ...}` prepares and gives the answers, so that they can be checked; `{"round": true}` gives the
microseconds of each input.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

Prepared = tuple[Callable[[Any], Any], Sequence[Any]]
"""What answers one input, and the inputs."""


def answer(prepare: Callable[[dict[str, Any]], Prepared]) -> None:
    """Answers until its input ends."""
    clock = time.perf_counter_ns
    gc.disable()
    call: Callable[[Any], Any] = len
    inputs: Sequence[Any] = ()
    for line in sys.stdin:
        asked = json.loads(line)
        if "load" in asked:
            begin = clock()
            call, inputs = prepare(asked["load"])
            loading = (clock() - begin) / 1e6
            reply: dict[str, Any] = {"loading_ms": loading, "answers": [call(given) for given in inputs]}
        else:
            times = []
            for given in inputs:
                begin = clock()
                call(given)
                times.append((clock() - begin) / 1e3)
            reply = {"micros": times}
            gc.collect()
        print(json.dumps(reply), flush=True)
