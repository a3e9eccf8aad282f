"""The till's side of the rule stream, as a state machine without I/O.

A revision goes through the same gate whether it comes as a snapshot, a delta, or a file: its manifest is
admitted, the root is checked, the engine compiles it, the disk keeps it; then it is activated and acked.
Whatever fails on the way leaves what was in force before. A kill waits for none of that but the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import dealwright_engine
from google.protobuf.message import DecodeError

from dealwright.rule_stream.admission import (
    HighWater,
    Refused,
    admit,
    cut,
    held_by,
    read_bundle,
    require_root,
)
from dealwright.rule_stream.backoff import HEALTHY_SECONDS, Backoff
from dealwright.rule_stream.effects import (
    Activate,
    Close,
    Compile,
    Compiled,
    Connect,
    Device,
    Effect,
    Kept,
    Now,
    Passed,
    Send,
    Trust,
    Uncompilable,
    Write,
)
from dealwright.rule_stream.holding import Holding
from dealwright.rule_stream.scope import PROTOCOL, scope_id
from dealwright.rule_stream.staging import Staging
from dealwright.rule_stream.trust import Keys, Untrusted
from dealwright.v1.bundle_pb2 import Bundle, Control, Manifest, Signed
from dealwright.v1.rule_stream_service_pb2 import (
    NACK_REASON_DISK,
    NACK_REASON_EXPIRED,
    NACK_REASON_MALFORMED,
    NACK_REASON_ROOT,
    NACK_REASON_SIGNATURE,
    NACK_REASON_UNSUPPORTED,
    Ack,
    Bookmark,
    Cursor,
    Delta,
    Frame,
    Goodbye,
    Hello,
    Nack,
    SnapshotBegin,
    SnapshotChunk,
    SnapshotEnd,
    SyncRequest,
    Welcome,
)

SILENT_PERIODS = 3
"""A stream without a frame for so many bookmark periods is dead."""

PERIOD_SECONDS = 15.0
"""The bookmark period before a server has said its own."""

UNSUPPORTED_IDS_MAX = 100
"""How many promotions an ack names."""

DETAIL_LENGTH_MAX = 500


@dataclass(frozen=True, slots=True)
class Trial:
    """A ruleset on its way to being in force."""

    signed: Signed
    manifest: Manifest
    holding: Holding
    killed: frozenset[str]
    """What was left out when it was given to the engine."""
    kept: bool = False
    """Whether the disk has it."""
    unsupported_ids: tuple[str, ...] = ()


class Follower:
    """Follows the scope of a device. Each input gives the effects to be done, in their order."""

    def __init__(self, device: Device, root_key: bytes, kept: Kept) -> None:
        self.device = device
        self.scope_id = scope_id(device.store_ids)
        self.refused: Refused | None = None
        """Why the newest of what was offered or kept isn't in force. None: it is."""
        self.manifest: Manifest | None = None
        """Of what is in force or, before anything is, of what the disk has."""
        self.last_contact: float | None = None
        """Unix time in seconds that a server said last."""
        self.deadline: float | None = None
        """When `tick` is due, in monotonic seconds."""
        self._files = kept
        self._keys = Keys.none(root_key)
        self._control = Control()
        self._signed_control = Signed()
        self._high_water = HighWater.read(kept.high_water)
        self._signed = Signed()
        self._holding: Holding | None = None
        self._unsupported_ids: tuple[str, ...] = ()
        self._left_out: frozenset[str] = frozenset()
        """What was killed when that was compiled which is in force."""
        self._active = False
        self._tickets = 0
        self._revision_trial: tuple[int, Trial] | None = None
        self._kill_trial: tuple[int, Trial] | None = None
        self._staging: Staging | None = None
        self._connected_at: float | None = None
        self._greeted = False
        self._hello_due = False
        self._period = PERIOD_SECONDS
        self._backoff = Backoff()
        self._asked_wait = 0.0
        self._answers: dict[str, Callable[..., list[Effect]]] = {
            "welcome": self._welcome,
            "snapshot_begin": self._snapshot_begin,
            "snapshot_chunk": self._snapshot_chunk,
            "snapshot_end": self._snapshot_end,
            "delta": self._delta,
            "control": self._take_control,
            "bookmark": self._bookmark,
            "goodbye": self._goodbye,
            "keys": self._take_keys,
        }

    # What is known.

    @property
    def active(self) -> bool:
        """Whether something is in force."""
        return self._active

    @property
    def following(self) -> bool:
        """Whether there is a stream on which a server has answered."""
        return self._greeted

    @property
    def epoch(self) -> int:
        return self.manifest.epoch if self.manifest else 0

    @property
    def revision(self) -> int:
        return self.manifest.revision if self.manifest else 0

    @property
    def killed(self) -> frozenset[str]:
        """The promotions that are killed."""
        return frozenset(self._control.killed_ids)

    @property
    def control_sequence(self) -> int:
        return self._control.sequence

    @property
    def control_epoch(self) -> int:
        return self._control.epoch

    @property
    def root(self) -> bytes:
        return self.manifest.root if self.manifest else b""

    @property
    def unsupported_ids(self) -> tuple[str, ...]:
        """The promotions in force that the engine can't use."""
        return self._unsupported_ids

    def bundle(self) -> bytes:
        """What is held as a bundle, for a file; empty when nothing is held."""
        if self._holding is None or self.manifest is None:
            return b""
        return self._bundle(self._signed, self.manifest, self._holding)

    # What happens.

    def start(self, now: Now) -> list[Effect]:
        """Takes up what the disk has, and begins to connect."""
        effects: list[Effect] = []
        try:
            bundle = read_bundle(self._files.bundle) if self._files.bundle else Bundle()
            # A bundle brings the keys and the control that were known when it was kept: the disk may have
            # failed with their own files.
            for signed in (_signed(self._files.keys), bundle.keys):
                if signed.payload:
                    self._keys = self._keys.renewed(signed)
            self._take_up_controls((_signed(self._files.control), bundle.control), now)
            if self._files.bundle:
                effects = self._take_up(bundle, now)
        except (Refused, Untrusted) as error:
            self.refused = _refusal(error)
        return [*effects, Connect(0.0)]

    def offered(self, data: bytes, now: Now) -> list[Effect]:
        """Takes a bundle that came as a file; raises Refused, and then nothing has changed."""
        bundle = read_bundle(data)
        try:
            keys = self._keys.renewed(bundle.keys) if bundle.HasField("keys") else self._keys
        except Untrusted as error:
            raise _refusal(error) from error
        high_water = self._high_water if keys.knows(self._high_water.key_id) else HighWater()
        manifest = admit(
            bundle.manifest,
            keys,
            now.trusted,
            scope_id=self.scope_id,
            company_id=self._company_id,
            high_water=high_water,
            root=self.root,
        )
        holding = held_by(bundle, manifest)
        effects = [_passed(manifest), *self._renew_keys(keys)]
        if bundle.HasField("control"):
            effects += self._take_control(bundle.control, now)
        return effects + self._try(bundle.manifest, manifest, holding)

    def connected(self, now: Now) -> list[Effect]:
        """A stream is open."""
        self._connected_at = now.monotonic
        self._heard(now)
        # What is about to be kept is what the hello has to speak of.
        self._hello_due = self._revision_trial is not None
        return [] if self._hello_due else [self._hello()]

    def received(self, frame: Frame, now: Now) -> list[Effect]:
        """A frame has come."""
        if self._connected_at is None:
            return []
        self._heard(now)
        kind = frame.WhichOneof("kind")
        if kind is None:
            return []
        if not self._greeted and kind not in ("welcome", "goodbye"):
            return [Close(f"{kind} before a welcome")]
        return self._answers[kind](getattr(frame, kind), now)

    def compiled(self, ticket: int, outcome: Compiled | Uncompilable, now: Now) -> list[Effect]:
        """The engine is done with a ruleset."""
        if self._kill_trial and self._kill_trial[0] == ticket:
            trial = self._kill_trial[1]
            self._kill_trial = None
            if isinstance(outcome, Uncompilable):
                return []
            # What was killed or taken back meanwhile must not be undone by what was known before.
            current = trial.killed == self.killed
            return self._kill_lands(ticket, trial, outcome) if current else self._apply_kills()
        if not (self._revision_trial and self._revision_trial[0] == ticket):
            return []
        trial = self._revision_trial[1]
        if isinstance(outcome, Uncompilable):
            return self._fail(trial, Refused(NACK_REASON_UNSUPPORTED, outcome.detail))
        trial = replace(trial, unsupported_ids=outcome.unsupported_ids)
        if trial.killed != self.killed:
            return self._compile(replace(trial, killed=self.killed))
        if trial.kept:
            return self._put_into_force(ticket, trial)
        self._revision_trial = ticket, trial
        return [Write(ticket, self._files_of(trial.signed, trial.manifest, trial.holding))]

    def written(self, ticket: int, ok: bool, now: Now) -> list[Effect]:
        """The disk is done with what belongs to a ticket."""
        if not (self._revision_trial and self._revision_trial[0] == ticket):
            return []
        trial = self._revision_trial[1]
        if not ok:
            return self._fail(trial, Refused(NACK_REASON_DISK, "the disk didn't take it"))
        trial = replace(trial, kept=True)
        if trial.killed != self.killed:
            return self._compile(replace(trial, killed=self.killed))
        return self._put_into_force(ticket, trial)

    def disconnected(self, now: Now, draw: float) -> list[Effect]:
        """The stream has ended, or never came about. `draw` is a random number from [0, 1)."""
        if self._greeted and now.monotonic - (self._connected_at or 0.0) >= HEALTHY_SECONDS:
            self._backoff.healthy()
        self._connected_at = self._staging = self.deadline = None
        self._greeted = self._hello_due = False
        asked, self._asked_wait = self._asked_wait, 0.0
        return [Connect(self._backoff.next(draw, asked))]

    def tick(self, now: Now) -> list[Effect]:
        """Time has passed."""
        if self.deadline is None or now.monotonic < self.deadline:
            return []
        self.deadline = None
        return [Close("the server is silent")]

    # Frames.

    def _welcome(self, welcome: Welcome, now: Now) -> list[Effect]:
        if welcome.scope_id != self.scope_id or self._company_id not in ("", welcome.company_id):
            self._asked_wait = HEALTHY_SECONDS
            return [Close(f"the token is for {welcome.company_id}, scope {welcome.scope_id}")]
        self._greeted = True
        if welcome.bookmark_period.ToTimedelta():
            self._period = welcome.bookmark_period.ToTimedelta().total_seconds()
        self._heard(now)
        return [self._trust(welcome.server_time.ToNanoseconds() / 1e9), *self._told_anew(now)]

    def _told_anew(self, now: Now) -> list[Effect]:
        """What became of what the disk has: another server doesn't know. What has failed is tried again."""
        if self._active:
            return [self._ack()]
        if self._holding is None or self.manifest is None or self._revision_trial:
            return []
        if self.manifest.expire_time.seconds <= now.trusted:
            return []
        return self._compile(Trial(self._signed, self.manifest, self._holding, self.killed, kept=True))

    def _snapshot_begin(self, begin: SnapshotBegin, now: Now) -> list[Effect]:
        self._staging = None
        try:
            self._staging = Staging(begin, self._admitted(begin.manifest, now))
        except Refused as refused:
            return self._nack(begin.manifest, refused)
        return []

    def _snapshot_chunk(self, chunk: SnapshotChunk, now: Now) -> list[Effect]:
        # Without a beginning, it belongs to what was refused.
        if self._staging is None:
            return []
        try:
            self._staging.add(chunk)
        except Refused as refused:
            signed, self._staging = self._staging.signed, None
            return self._nack(signed, refused)
        return []

    def _snapshot_end(self, end: SnapshotEnd, now: Now) -> list[Effect]:
        staging, self._staging = self._staging, None
        if staging is None:
            return []
        try:
            holding = cut(staging.ruleset())
            require_root(holding, staging.manifest)
        except Refused as refused:
            return self._nack(staging.signed, refused)
        return self._try(staging.signed, staging.manifest, holding)

    def _delta(self, delta: Delta, now: Now) -> list[Effect]:
        try:
            manifest = self._admitted(delta.manifest, now)
            if self._holding is None or (manifest.epoch, delta.from_revision) != (self.epoch, self.revision):
                raise Refused(
                    NACK_REASON_ROOT, f"a delta from revision {delta.from_revision}, not from {self.revision}"
                )
            try:
                holding = self._holding.after(delta)
            except dealwright_engine.InvalidRuleset as error:
                raise Refused(NACK_REASON_MALFORMED, str(error)) from error
            require_root(holding, manifest)
        except Refused as refused:
            return self._nack(delta.manifest, refused)
        return self._try(delta.manifest, manifest, holding)

    def _take_control(self, signed: Signed, now: Now) -> list[Effect]:
        try:
            newer = self._take_signed_control(signed, now)
        except (Refused, Untrusted) as error:
            self.refused = _refusal(error)
            return []
        if not newer:
            return []
        effects = self._apply_kills()
        if not effects and self._active and self._greeted and self._revision_trial is None:
            effects = [self._ack()]
        return [*effects, Write(None, (("control", signed.SerializeToString()),))]

    def _bookmark(self, bookmark: Bookmark, now: Now) -> list[Effect]:
        effects: list[Effect] = [self._trust(bookmark.server_time.ToNanoseconds() / 1e9)]
        if self._kill_trial is None:
            # The engine may have failed with the last one.
            effects += self._apply_kills()
        if not bookmark.HasField("manifest") or self._revision_trial or self._holding is None:
            return effects
        try:
            manifest = self._admitted(bookmark.manifest, now)
            require_root(self._holding, manifest)
        except Refused as refused:
            return effects + self._nack(bookmark.manifest, refused)
        if not self._active:
            return effects + self._try(bookmark.manifest, manifest, self._holding)
        self._signed, self.manifest = bookmark.manifest, manifest
        return [*effects, Write(None, self._files_of(bookmark.manifest, manifest, self._holding))]

    def _take_keys(self, signed: Signed, now: Now) -> list[Effect]:
        try:
            return self._renew_keys(self._keys.renewed(signed))
        except Untrusted as error:
            self.refused = _refusal(error)
            return []

    def _goodbye(self, goodbye: Goodbye, now: Now) -> list[Effect]:
        self._asked_wait = goodbye.retry_after.ToTimedelta().total_seconds()
        return [Close("the server said goodbye")]

    # From the gate to being in force.

    def _take_up_controls(self, kept: Iterable[Signed], now: Now) -> None:
        """Takes the controls that the disk has. One whose key isn't listed any more stops nothing else."""
        for signed in kept:
            try:
                if signed.payload:
                    self._take_signed_control(signed, now)
            except (Refused, Untrusted) as error:
                self.refused = _refusal(error)

    def _take_up(self, bundle: Bundle, now: Now) -> list[Effect]:
        """Tries what the disk has. When it has expired it is only the base of the next delta."""
        expired: Refused | None = None
        try:
            manifest = self._admitted(bundle.manifest, now)
        except Refused as refused:
            if refused.reason != NACK_REASON_EXPIRED:
                raise
            manifest, expired = self._admitted(bundle.manifest, replace(now, trusted=0.0)), refused
        holding = held_by(bundle, manifest)
        self._signed, self.manifest, self._holding = bundle.manifest, manifest, holding
        self._high_water = max(self._high_water, HighWater.of(manifest, bundle.manifest.key_id), key=_place)
        passed = _passed(manifest)
        if expired:
            self.refused = expired
            return [passed]
        return [passed, *self._compile(Trial(bundle.manifest, manifest, holding, self.killed, kept=True))]

    def _admitted(self, signed: Signed, now: Now) -> Manifest:
        return admit(
            signed,
            self._keys,
            now.trusted,
            scope_id=self.scope_id,
            company_id=self._company_id,
            high_water=self._high_water,
            root=self.root,
        )

    def _try(self, signed: Signed, manifest: Manifest, holding: Holding) -> list[Effect]:
        return self._compile(Trial(signed, manifest, holding, self.killed))

    def _compile(self, trial: Trial) -> list[Effect]:
        ticket = self._ticket()
        self._revision_trial = ticket, trial
        return [self._compilation(ticket, trial)]

    def _files_of(
        self, signed: Signed, manifest: Manifest, holding: Holding
    ) -> tuple[tuple[str, bytes], ...]:
        """The bundle comes first: without it, a high water would only keep an older one out."""
        high_water = HighWater.of(manifest, signed.key_id).bytes()
        return ("bundle", self._bundle(signed, manifest, holding)), ("high_water", high_water)

    def _put_into_force(self, ticket: int, trial: Trial) -> list[Effect]:
        self._revision_trial = self._kill_trial = None
        self._signed, self.manifest, self._holding = trial.signed, trial.manifest, trial.holding
        self._high_water = max(
            self._high_water, HighWater.of(trial.manifest, trial.signed.key_id), key=_place
        )
        self._unsupported_ids = trial.unsupported_ids
        self._left_out = trial.killed
        self._active, self.refused = True, None
        return [Activate(ticket), *self._after_trial(self._ack())]

    def _apply_kills(self) -> list[Effect]:
        """Compiles what is in force without what is killed, if it isn't so already."""
        if not self._active or self._left_out == self.killed:
            return []
        if self._holding is None or self.manifest is None:
            return []
        trial = Trial(self._signed, self.manifest, self._holding, self.killed, kept=True)
        self._kill_trial = self._ticket(), trial
        return [self._compilation(*self._kill_trial)]

    def _kill_lands(self, ticket: int, trial: Trial, outcome: Compiled) -> list[Effect]:
        self._left_out = trial.killed
        self._unsupported_ids = outcome.unsupported_ids
        effects: list[Effect] = [Activate(ticket)]
        return [*effects, self._ack()] if self._greeted else effects

    def _fail(self, trial: Trial, refused: Refused) -> list[Effect]:
        self._revision_trial = None
        return self._nack(trial.signed, refused, trial.manifest)

    def _after_trial(self, answer: Send) -> list[Effect]:
        """The answer, or the hello that waited for the end of the trial."""
        if self._hello_due:
            self._hello_due = False
            return [self._hello()]
        return [answer] if self._greeted else []

    def _nack(self, signed: Signed, refused: Refused, manifest: Manifest | None = None) -> list[Effect]:
        self.refused = refused
        claimed = manifest or _claimed(signed)
        nack = Nack(
            epoch=claimed.epoch,
            revision=claimed.revision,
            reason=refused.reason,
            detail=refused.detail[:DETAIL_LENGTH_MAX],
            root=claimed.root,
        )
        return self._after_trial(Send(SyncRequest(nack=nack)))

    # Kills and keys.

    def _take_signed_control(self, signed: Signed, now: Now) -> bool:
        """Whether a control is news; raises Untrusted or Refused."""
        control = self._keys.opened(signed, Control, now.trusted)
        if self._company_id not in ("", control.company_id):
            raise Untrusted(f"the control is of {control.company_id}")
        # What a key has said that isn't listed any more counts for nothing beside one that is.
        void = bool(self._signed_control.payload) and not self._keys.knows(self._signed_control.key_id)
        if not void and (control.epoch, control.sequence) <= (self._control.epoch, self._control.sequence):
            return False
        self._control, self._signed_control = control, signed
        return True

    def _renew_keys(self, keys: Keys) -> list[Effect]:
        if keys is self._keys:
            return []
        self._keys = keys
        if not keys.knows(self._high_water.key_id):
            self._high_water = HighWater()
        return [Write(None, (("keys", keys.signed.SerializeToString()),))]

    # Small things.

    @property
    def _company_id(self) -> str:
        return self.manifest.company_id if self.manifest else ""

    def _hello(self) -> Send:
        hello = Hello(
            protocol=PROTOCOL,
            device_id=self.device.device_id,
            engine_version=self.device.engine_version,
            rule_language=self.device.rule_language,
            key_list_version=self._keys.listed.version,
        )
        if self.manifest is not None:
            hello.cursor.CopyFrom(Cursor(epoch=self.epoch, revision=self.revision, root=self.root))
            hello.manifest.CopyFrom(self._signed)
        if self._control.epoch == self.epoch:
            hello.control_sequence = self._control.sequence
        return Send(SyncRequest(hello=hello))

    def _ack(self) -> Send:
        return Send(
            SyncRequest(
                ack=Ack(
                    epoch=self.epoch,
                    revision=self.revision,
                    control_sequence=self._control.sequence,
                    unsupported_ids=self._unsupported_ids[:UNSUPPORTED_IDS_MAX],
                    root=self.root,
                )
            )
        )

    def _bundle(self, signed: Signed, manifest: Manifest, holding: Holding) -> bytes:
        bundle = Bundle(
            manifest=signed,
            ruleset=holding.ruleset(manifest.company_id, manifest.revision),
            keys=self._keys.signed,
        )
        if self._control.sequence:
            bundle.control.CopyFrom(self._signed_control)
        return bundle.SerializeToString()

    def _compilation(self, ticket: int, trial: Trial) -> Compile:
        manifest = trial.manifest
        return Compile(ticket, trial.holding.ruleset(manifest.company_id, manifest.revision, trial.killed))

    def _ticket(self) -> int:
        self._tickets += 1
        return self._tickets

    def _heard(self, now: Now) -> None:
        self.deadline = now.monotonic + SILENT_PERIODS * self._period

    def _trust(self, server_time: float) -> Trust:
        self.last_contact = server_time
        return Trust(server_time)


def _passed(manifest: Manifest) -> Passed:
    return Passed(manifest.issue_time.ToNanoseconds() / 1e9)


def _place(high_water: HighWater) -> tuple[int, int, int]:
    return high_water.epoch, high_water.revision, high_water.issued


def _claimed(signed: Signed) -> Manifest:
    """What an unchecked manifest says of itself, for the answer alone."""
    try:
        return Manifest.FromString(signed.payload)
    except DecodeError:
        return Manifest()


def _signed(data: bytes) -> Signed:
    try:
        return Signed.FromString(data)
    except DecodeError as error:
        raise Refused(NACK_REASON_MALFORMED, "a kept file can't be read") from error


def _refusal(error: Refused | Untrusted) -> Refused:
    return error if isinstance(error, Refused) else Refused(NACK_REASON_SIGNATURE, str(error))
