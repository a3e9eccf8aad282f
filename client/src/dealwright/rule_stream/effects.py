"""What goes into the till's side of the rule stream, and what comes out of it."""

from dataclasses import dataclass

from dealwright.v1.rule_stream_service_pb2 import SyncRequest


@dataclass(frozen=True, slots=True)
class Now:
    """The time, as whoever drives a follower knows it."""

    monotonic: float
    """Seconds of a clock that never jumps; where it starts doesn't matter."""
    trusted: float
    """Unix time in seconds that nobody can set back: what a server said, and what has passed since."""


@dataclass(frozen=True, slots=True)
class Device:
    """The till that follows."""

    device_id: str
    store_ids: tuple[str, ...]
    """Its stores, as in its token. Empty: every store of the company."""
    engine_version: str
    rule_language: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What the till's disk has, by file; empty bytes stand for a file that isn't there."""

    bundle: bytes = b""
    control: bytes = b""
    keys: bytes = b""
    high_water: bytes = b""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A ruleset that the engine has compiled."""

    unsupported_ids: tuple[str, ...] = ()
    """The promotions in it that the engine can't use."""


@dataclass(frozen=True, slots=True)
class Uncompilable:
    """A ruleset that the engine refuses as a whole."""

    detail: str


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a stream after some seconds."""

    after: float


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message on the stream."""

    request: SyncRequest


@dataclass(frozen=True, slots=True)
class Compile:
    """Compile a ruleset, and answer with `compiled` under the same ticket."""

    ticket: int
    ruleset: bytes


@dataclass(frozen=True, slots=True)
class Write:
    """Write files, one after another, each whole or not at all, and each on the disk before the next.

    With a ticket, answer with `written`. Writes are done in the order in which they were asked for.
    """

    ticket: int | None
    files: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Activate:
    """Price with the ruleset that was compiled under a ticket from now on."""

    ticket: int


@dataclass(frozen=True, slots=True)
class Trust:
    """A server has just said what time it is, as Unix time in seconds."""

    server_time: float


@dataclass(frozen=True, slots=True)
class Passed:
    """It was this late already when a server signed what is held, as Unix time in seconds."""

    signed_time: float


@dataclass(frozen=True, slots=True)
class Close:
    """End the stream; `disconnected` follows as for any other end."""

    reason: str


Effect = Connect | Send | Compile | Write | Activate | Trust | Passed | Close
