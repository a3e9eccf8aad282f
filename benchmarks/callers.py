"""Callers of a server: some that wait for each answer, and some that call at a rate whatever comes back.

They are a program in Rust (native/src/bin/call.rs). Callers in Python would take more of the processors that
they share with the server than the server does, and couldn't call at the rate that is asked of them.
"""

import asyncio
import json
import math
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

import grpc
import grpc.aio

Method: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]"

NATIVE = Path(__file__).parents[1] / "target" / "bench" / "release"
"""What `make bench` builds of Rust."""

CONNECTIONS = 4
OK = grpc.StatusCode.OK.name
DEADLINE_SECONDS = 10.0
ENDING_SECONDS = 60.0
LENGTH_BYTES = 4
OUTPUT_BYTES_MAX = 64 * 1024 * 1024


@dataclass
class Load:
    """What callers saw: how calls ended, and how long those took that went well."""

    seconds: float = 0.0
    ends: Counter[str] = field(default_factory=Counter)
    taken: list[float] = field(default_factory=list)
    """Milliseconds."""

    @property
    def per_second(self) -> float:
        return self.ends[OK] / self.seconds

    @property
    def failed(self) -> str:
        """How many ended how, but for those that went well."""
        return ", ".join(f"{count} {code}" for code, count in self.ends.items() if code != OK) or "0"

    def percentile(self, share: float) -> float:
        """Milliseconds."""
        times = sorted(self.taken)
        return times[math.ceil(share * len(times)) - 1] if times else math.nan


class Callers:
    """Those of one method, with requests that they send in turns."""

    def __init__(self, address: str, method: str, requests: Sequence[bytes], token: str = "") -> None:
        self._file = tempfile.NamedTemporaryFile(suffix=".requests")  # noqa: SIM115 - it lives as long as this
        for request in requests:
            self._file.write(len(request).to_bytes(LENGTH_BYTES, "big") + request)
        self._file.flush()
        self._task = {
            "address": address,
            "method": method,
            "requests": self._file.name,
            "token": token,
            "connections": CONNECTIONS,
            "deadline_seconds": DEADLINE_SECONDS,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    async def closed_loop(self, at_a_time: int, seconds: float) -> Load:
        """So many calls at a time, each followed by the next one."""
        return await self._call({"at_a_time": at_a_time, "seconds": seconds})

    async def open_loop(self, per_second: float, seconds: float) -> Load:
        """So many calls a second. A call's time counts from when it was due."""
        return await self._call({"per_second": per_second, "seconds": seconds})

    async def _call(self, pace: dict[str, float]) -> Load:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            NATIVE / "call", stdin=pipe, stdout=pipe, limit=OUTPUT_BYTES_MAX
        )
        asked = json.dumps(self._task | pace).encode()
        try:
            answer, _ = await asyncio.wait_for(
                process.communicate(asked), pace["seconds"] + DEADLINE_SECONDS + ENDING_SECONDS
            )
        finally:
            if process.returncode is None:
                process.kill()
        if process.returncode != 0:
            raise RuntimeError(f"the callers ended with {process.returncode}")
        found = json.loads(answer)
        return Load(found["seconds"], Counter(found["ends"]), found["taken"])
