"""The clocks of this machine."""

import time
import uuid
from functools import cache
from pathlib import Path

from dealwright.till.clock import Reading

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Clocks:
    """The clocks that a till reads. Tests put others in their place."""

    def read(self) -> Reading:
        """All of them, now."""
        return Reading(_boot_id(), self.elapsed(), time.time())

    def elapsed(self) -> float:
        """Seconds since the machine's start, which go on while it sleeps, where it can tell."""
        return time.clock_gettime(_ELAPSED)


_ELAPSED = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


@cache
def _boot_id() -> str:
    """Names the start of the machine. Where it doesn't say, each process counts as one."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return f"process-{uuid.uuid4().hex}"
