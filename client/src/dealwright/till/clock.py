"""What time it is, as far as a till can know: what a server said, and what has passed since. No I/O.

A till's own clock may be wrong by months, or be set back by somebody who wants an old offer. So a server
tells the time, which goes on with a clock that nobody can set, and never goes back, even over a restart.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

AHEAD_SECONDS_MAX = 600.0
"""After a restart the machine's own clock counts if it is ahead; by more than this, the time is suspect."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The machine's clocks at one moment."""

    boot_id: str
    """Names the start of the machine. Empty: unknown, and then no two readings are of the same."""
    elapsed: float
    """Seconds since that start, the time asleep included. Nobody can set it."""
    wall: float
    """Unix time in seconds as the machine has it. Anybody can set it."""


@dataclass(frozen=True, slots=True)
class ClockState:
    """What is kept of the clock over a restart."""

    boot_id: str
    elapsed: float
    trusted: float
    """The time at that moment, in Unix seconds."""
    server_time: float
    """The newest that a server said. 0: none ever did."""
    suspect: bool

    _FORM = struct.Struct(">ddd?")

    def encoded(self) -> bytes:
        packed = self._FORM.pack(self.elapsed, self.trusted, self.server_time, self.suspect)
        return packed + self.boot_id.encode()

    @classmethod
    def read(cls, data: bytes) -> ClockState | None:
        """From a file; None when there is none, or no whole one."""
        if len(data) < cls._FORM.size:
            return None
        elapsed, trusted, server_time, suspect = cls._FORM.unpack_from(data)
        return cls(data[cls._FORM.size :].decode("ascii", "replace"), elapsed, trusted, server_time, suspect)


class TrustedClock:
    """Tells the time from readings of the machine's clocks. It never goes back."""

    def __init__(self, kept: ClockState | None, floor: float, reading: Reading) -> None:
        """`floor` is a time that has certainly passed, such as that of the last journal record."""
        self._last = ClockState(reading.boot_id, reading.elapsed, reading.wall, 0.0, suspect=True)
        if kept is not None:
            self._last = _taken_up(kept, reading)
        if floor > self._last.trusted:
            self._last = _moved(self._last, reading, floor)

    @property
    def offset(self) -> float:
        """What is added to the seconds since the machine's start to have the time, until a server speaks."""
        return self._last.trusted - self._last.elapsed

    def state(self, reading: Reading) -> ClockState:
        """The time now, and what it was made from."""
        self._last = _moved(self._last, reading, self._last.trusted + reading.elapsed - self._last.elapsed)
        return self._last

    def heard(self, server_time: float, reading: Reading) -> None:
        """A server has just said what time it is. One that is behind doesn't turn the time back."""
        here = self.state(reading)
        self._last = ClockState(
            here.boot_id,
            here.elapsed,
            max(here.trusted, server_time),
            max(here.server_time, server_time),
            suspect=False,
        )

    def passed(self, signed_time: float, reading: Reading) -> None:
        """It was so late when a server signed something. How late it is by now nobody knows from that."""
        here = self.state(reading)
        self._last = replace(here, trusted=max(here.trusted, signed_time))


def _taken_up(kept: ClockState, reading: Reading) -> ClockState:
    if kept.boot_id and kept.boot_id == reading.boot_id:
        return _moved(kept, reading, kept.trusted + reading.elapsed - kept.elapsed)
    suspect = kept.suspect or reading.wall > kept.trusted + AHEAD_SECONDS_MAX
    trusted = max(kept.trusted, reading.wall)
    return ClockState(reading.boot_id, reading.elapsed, trusted, kept.server_time, suspect)


def _moved(state: ClockState, reading: Reading, trusted: float) -> ClockState:
    return ClockState(
        reading.boot_id, reading.elapsed, max(trusted, state.trusted), state.server_time, state.suspect
    )
