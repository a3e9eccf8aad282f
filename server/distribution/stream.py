"""One till's stream, as a state machine without I/O.

Whoever drives it feeds in what the till says, and asks for the next frame whenever the last was written.
There is no queue: what comes next follows from where the till is and from what is newest, so that a slow till
costs no more than a quick one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from dealwright.rule_stream.scope import BUNDLE_FORMAT
from dealwright.v1.bundle_pb2 import Manifest, Signed
from dealwright.v1.rule_stream_service_pb2 import (
    GOODBYE_REASON_BEHIND,
    NACK_REASON_ROLLED_BACK,
    NACK_REASON_ROOT,
    Ack,
    GoodbyeReason,
    Hello,
    Nack,
)
from google.protobuf.message import DecodeError

from server.distribution import frames
from server.distribution.log import Edition, Log, Scope
from server.distribution.signer import Signer
from server.distribution.turns import Turn

BOOKMARK_SECONDS = 15.0
"""How long a stream is quiet at most; tills take one for dead after three of these."""

BEHIND_SECONDS = 3.0
"""How long a server waits for the revision that a till already has, before it sends the till elsewhere."""

RENEWAL = 0.25
"""A till gets a new signature when it is worth this share of a bundle's life more."""


SNAPSHOT, DELTA, OTHER = "snapshot", "delta", "other"
"""What frames are part of, for who counts their bytes."""


@dataclass(frozen=True, slots=True)
class Now:
    """The time."""

    monotonic: float
    """Seconds of a clock that never jumps."""
    unix: float
    """Unix time in seconds."""


class Phase(Enum):
    """How far a stream is."""

    WELCOME = auto()
    LIVE = auto()
    ENDED = auto()


@dataclass(slots=True)
class _Set:
    """Frames that lead to a revision, as they are written one after another."""

    frames: tuple[bytes, ...]
    edition: Edition
    """Where they lead."""
    written: int = 0

    @property
    def complete(self) -> bool:
        return self.written == len(self.frames)

    @property
    def number(self) -> tuple[int, int]:
        """Epoch and revision."""
        return self.edition.epoch, self.edition.revision

    @property
    def place(self) -> _Place:
        return _Place(self.edition.epoch, self.edition.revision, self.edition.root)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a till is."""

    epoch: int = 0
    revision: int = 0
    root: bytes = b""


_NEVER = (-1, -1)
"""Before every epoch and sequence."""

_UNREADABLE = (0, 0)
"""What a nack names when the till couldn't read what it was sent."""


class Stream:
    """What one till has, what it was sent, and what comes next."""

    def __init__(
        self,
        log: Log,
        scope: Scope,
        hello: Hello,
        now: Now,
        *,
        answers: bool = True,
        turn: Turn | None = None,
    ) -> None:
        """`answers` says whether the till answers each set on the stream; else it has what was written.

        `turn` is asked before a snapshot begins. None: it is always its turn.
        """
        self.scope = scope
        self.device_id = hello.device_id
        self.engine_version = hello.engine_version
        self.phase = Phase.WELCOME
        self.nack: Nack | None = None
        self.unsupported_ids: tuple[str, ...] = ()
        self.acked_control = hello.control_sequence
        self._log = log
        self._answers = answers
        self._turn = turn
        cursor = hello.cursor
        self._place = _Place(cursor.epoch, cursor.revision, cursor.root)
        self._proof = hello.manifest
        self._proven = False
        self._proven_by: Signer | None = None
        self._expires = _expiry(hello.manifest)
        self._key_id = hello.manifest.key_id
        self._set: _Set | None = None
        self._refused: tuple[int, int] | None = None
        self._snapshot_due = False
        self._mended: tuple[int, int] | None = None
        # One that has everything is told so at once.
        self._bookmark_due = True
        # A till that names none may hold one of an earlier epoch: it is told that nothing is killed, too.
        self._sent_control = (cursor.epoch, hello.control_sequence or -1)
        self._sent_keys = hello.key_list_version
        self.wrote = OTHER
        """What the last frame was part of."""
        self._bookmark_at = now.monotonic + BOOKMARK_SECONDS
        self._behind_until = now.monotonic + BEHIND_SECONDS
        self._goodbye: tuple[GoodbyeReason.ValueType, float] | None = None

    # What is known.

    @property
    def epoch(self) -> int:
        return self._place.epoch

    @property
    def revision(self) -> int:
        """What the till has applied."""
        return self._place.revision

    @property
    def _newest(self) -> int:
        """The newest revision of the till's scope."""
        return self._log.revision_at(self.scope)

    @property
    def waiting(self) -> bool:
        """Whether the till hasn't answered a set yet."""
        return self._set is not None

    @property
    def current(self) -> bool:
        """Whether the till has the newest revision."""
        return (self._place.epoch, self._place.revision) == (self._log.epoch, self._newest)

    @property
    def ahead(self) -> bool:
        """Whether the till has something newer than the server."""
        return (self._place.epoch, self._place.revision) > (self._log.epoch, self._newest)

    def proven_ahead(self) -> bool:
        """Whether a till that is ahead can show that a server has signed what it has."""
        return self.ahead and self._proof_of_place() is not None

    def _proof_of_place(self) -> Manifest | None:
        """The manifest of what the till has, if one of our keys has signed it."""
        signer = self._log.signer
        if self._proven_by is not signer:
            # Asked again and again while the till is ahead.
            self._proven_by, self._proven = signer, signer.signed(self._proof)
        if not self._proven:
            return None
        manifest = _manifest(self._proof)
        about_place = (
            manifest.format == BUNDLE_FORMAT
            and (manifest.company_id, manifest.scope_id) == (self._log.company_id, self.scope.id)
            and (manifest.epoch, manifest.revision) == (self._place.epoch, self._place.revision)
        )
        return manifest if about_place else None

    # What happens.

    def acked(self, ack: Ack) -> None:
        """The till has a revision in force."""
        self.acked_control = ack.control_sequence
        self.unsupported_ids = tuple(ack.unsupported_ids)
        if self.nack and (ack.epoch, ack.revision) >= (self.nack.epoch, self.nack.revision):
            self.nack = None
        has = _Place(ack.epoch, ack.revision, ack.root)
        sent = self._set
        # A control is acked too, with what was in force before; that answers no set of the same number.
        if sent is not None and has == sent.place:
            self._drop_set()
            self._arrived(sent)
        elif (has.epoch, has.revision) > (self._place.epoch, self._place.revision):
            # It came another way, as a file.
            self._place = has
            if sent is not None and (has.epoch, has.revision) > sent.number:
                self._drop_set()

    def refused(self, nack: Nack) -> None:
        """The till goes on with what it had."""
        self.nack = nack
        sent = self._set
        if sent is not None and not _is_about(nack, sent.place):
            # It is about the bookmark before, or what the till's disk has.
            return
        self._drop_set()
        head = (self._log.epoch, self._newest)
        if nack.reason == NACK_REASON_ROOT and self._mended != head:
            # What it has is damaged, or isn't what the log thinks. A snapshot may help, once per revision.
            self._snapshot_due, self._mended = True, head
        elif nack.reason == NACK_REASON_ROLLED_BACK and self._mended != head and self.current:
            # The database was set back, and so was the clock: of one revision, the till has a later word.
            self._mended = head
            proof = self._proof_of_place()
            if proof is not None:
                self._log.sign_from(self.scope, float(proof.issue_time.seconds))
        elif sent is not None:
            # The same again would be refused again; the next revision is another matter.
            self._refused = sent.number

    def end(self, reason: GoodbyeReason.ValueType, retry_after: float = 0.0) -> None:
        """Says goodbye before anything else."""
        if self._goodbye is None:
            self._goodbye = reason, retry_after

    def leave(self) -> None:
        """The till has ended its side, or is gone."""
        self.phase = Phase.ENDED
        self._drop_set()

    def next(self, now: Now) -> bytes | None:
        """The next frame to be written. None: nothing, until something happens or `wake_at`."""
        if self.phase is Phase.ENDED:
            return None
        self.wrote = OTHER
        frame = self._next(now)
        if frame is not None:
            self._bookmark_at = now.monotonic + BOOKMARK_SECONDS
        return frame

    @property
    def wake_at(self) -> float:
        """When to ask again at the latest, in monotonic seconds."""
        return self._behind_until if self.ahead else self._bookmark_at

    def _next(self, now: Now) -> bytes | None:
        if self._goodbye is not None:
            self.phase = Phase.ENDED
            return frames.goodbye(*self._goodbye)
        log = self._log
        if self.phase is Phase.WELCOME:
            self.phase = Phase.LIVE
            return frames.welcome(log.company_id, self.scope.id, log.epoch, now.unix, BOOKMARK_SECONDS)
        if self._sent_keys < log.signer.key_list_version:
            self._sent_keys = log.signer.key_list_version
            # What a key has signed that isn't listed any more is worth nothing once the till restarts.
            self._bookmark_due = True
            self._sent_control = _NEVER
            return log.keys_frame
        control = log.control.epoch, log.control.sequence
        if log.signed_control is not None and self._sent_control < control:
            self._sent_control = control
            return log.control_frame
        if self._set is None:
            if self.ahead:
                return self._wait_for_the_log(now)
            self._begin(now)
        return self._next_of_set() or self._bookmark(now)

    def _begin(self, now: Now) -> None:
        """Begins a set, if the till lacks something that it hasn't refused."""
        log = self._log
        head = (log.epoch, self._newest)
        if self._refused == head:
            return
        edition = log.edition(self.scope, now.unix)
        place = self._place
        if place == _Place(log.epoch, edition.revision, edition.root) and not self._snapshot_due:
            return
        known = log.root_at(self.scope, place.epoch, place.revision)
        base = place.revision if known == place.root and not self._snapshot_due else None
        if base == edition.revision:
            base = None
        found = log.frames(self.scope, base, now.unix)
        if len(found) > 1 and self._turn and not self._turn.take(now.monotonic):
            return
        self._snapshot_due = False
        self._set = _Set(found, edition)

    def _next_of_set(self) -> bytes | None:
        sent = self._set
        if sent is not None and not sent.complete:
            sent.written += 1
            self.wrote = DELTA if len(sent.frames) == 1 else SNAPSHOT
            return sent.frames[sent.written - 1]
        if sent is not None and not self._answers:
            self._drop_set()
            self._arrived(sent)
        return None

    def _drop_set(self) -> None:
        self._set = None
        if self._turn:
            self._turn.give_back()

    def _arrived(self, sent: _Set) -> None:
        self._place = sent.place
        self._expires, self._key_id = sent.edition.expires, sent.edition.manifest.key_id

    def _bookmark(self, now: Now) -> bytes | None:
        """Says which revision there is; a till that has it knows that it has everything."""
        log = self._log
        at_once = self._bookmark_due and self.current and self._set is None
        if not at_once and now.monotonic < self._bookmark_at:
            return None
        self._bookmark_due = False
        manifest = None
        if self.current and self._set is None:
            edition = log.edition(self.scope, now.unix)
            worth_more = edition.expires - self._expires >= RENEWAL * log.life_seconds
            if worth_more or not log.signer.keys.knows(self._key_id):
                self._expires, self._key_id = edition.expires, edition.manifest.key_id
                manifest = edition.manifest
        return frames.bookmark(log.epoch, self._newest, now.unix, manifest)

    def _wait_for_the_log(self, now: Now) -> bytes | None:
        """Never sends anything older: waits for the revision, and then sends the till elsewhere."""
        if now.monotonic < self._behind_until:
            return None
        self.end(GOODBYE_REASON_BEHIND, 1.0)
        return self._next(now)


def _is_about(nack: Nack, place: _Place) -> bool:
    """Whether a till has refused this revision. Only the root tells it from one before a restore."""
    number = nack.epoch, nack.revision
    same_root = not nack.root or nack.root == place.root
    return number == _UNREADABLE or (number == (place.epoch, place.revision) and same_root)


def _manifest(signed: Signed) -> Manifest:
    try:
        return Manifest.FromString(signed.payload)
    except DecodeError:
        return Manifest()


def _expiry(signed: Signed) -> float:
    """Unix time in seconds at which what a till has expires, as far as it says."""
    return float(_manifest(signed).expire_time.seconds)
