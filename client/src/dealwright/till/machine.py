"""The clocks of this machine."""

import time
import uuid
from pathlib import Path

from dealwright.till.clock import Reading

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_THIS_PROCESS = f"process-{uuid.uuid4().hex}"


def read_clocks() -> Reading:
    """A reading of now. Where the machine doesn't name its start, each process counts as one."""
    return Reading(_boot_id(), _elapsed(), time.time())


def _boot_id() -> str:
    global _known  # noqa: PLW0603 - it can't change while this process runs
    if not _known:
        try:
            _known = _BOOT_ID.read_text().strip()
        except OSError:
            _known = _THIS_PROCESS
    return _known


def _elapsed() -> float:
    """Seconds that go on while the machine sleeps, where it can tell."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


_known = ""
