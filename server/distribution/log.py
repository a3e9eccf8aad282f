"""What is in force for tills: a ring of revisions, and for each scope the frames that lead to the newest.

Everything here is immutable once made and shared by all streams: a slow one costs nothing but its place.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from dealwright.rule_stream.scope import BUNDLE_FORMAT, scope_id
from dealwright.v1.bundle_pb2 import Bundle, Control, Manifest, Signed
from dealwright.v1.rule_stream_service_pb2 import Delta
from dealwright.v1.ruleset_pb2 import Ruleset

from server.definitions.envelope import is_envelope
from server.definitions.front import Front, Newest
from server.distribution import frames
from server.distribution.catalogue import (
    CALENDARS,
    CATEGORIES,
    KINDS,
    PROMOTIONS,
    STORES,
    Catalogue,
    Change,
    Part,
    change,
    root,
)
from server.distribution.signer import Signer
from server.kills import Killed
from server.runtime.errors import Refusal

REVISIONS_MAX = 64
"""How many past revisions a till may lag behind and still get a delta; else it gets a snapshot."""

SCOPES_MAX = 5_000
"""How many scopes are remembered per revision."""

SNAPSHOTS_BYTES_MAX = 256 * 1024 * 1024
"""How much of encoded snapshots is remembered."""

BUNDLE_LIFE_SECONDS = 72 * 3600.0
"""How long a till may price with a bundle after the server last vouched for it."""

NAMED_MAX = 3
"""How many promotions a sentence names."""

_REMOVED = {
    PROMOTIONS: "removed_promotion_ids",
    STORES: "removed_store_ids",
    CATEGORIES: "removed_category_ids",
    CALENDARS: "removed_holiday_calendar_ids",
}


class NotUnderstood(Refusal):
    """A revision of a newer program, which this one can't give to tills."""

    def __init__(self, revision: int, promotion_ids: list[str]) -> None:
        named = ", ".join(promotion_ids[:NAMED_MAX])
        super().__init__(
            "REVISION_NOT_UNDERSTOOD",
            f"revision {revision} was written by a newer version, which alone can read {named}: upgrade this"
            " one",
        )


@dataclass(frozen=True, slots=True)
class Scope:
    """The stores that something is for."""

    store_ids: tuple[str, ...]
    id: str

    @classmethod
    def of(cls, store_ids: Iterable[str]) -> Scope:
        ordered = tuple(sorted(set(store_ids)))
        return cls(ordered, scope_id(ordered))


@dataclass(frozen=True, eq=False)
class Edition:
    """A revision as one scope has it, signed."""

    epoch: int
    revision: int
    company_id: str
    parts: tuple[Part, ...]
    root: bytes
    manifest: Signed
    expires: float
    """Unix time in seconds."""

    def ruleset(self) -> bytes:
        head = Ruleset(company_id=self.company_id, revision=self.revision).SerializeToString()
        return head + b"".join(part.fields for part in self.parts)

    @property
    def size(self) -> int:
        """Bytes of the ruleset."""
        return sum(len(part.fields) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Published:
    """What is in force, prepared for scopes."""

    newest: Newest
    general: Catalogue
    candidate: Catalogue | None


@dataclass(slots=True)
class _Head:
    """What was made of the newest revision of some scopes."""

    catalogue: Catalogue
    editions: OrderedDict[str, Edition] = field(default_factory=OrderedDict)
    deltas: dict[tuple[str, int], bytes | None] = field(default_factory=dict)
    changes: dict[tuple[Part, Part], Change] = field(default_factory=dict)


class Log:
    """The newest revisions of a company, its kills and its keys, as tills receive them."""

    def __init__(self, signer: Signer, life_seconds: float = BUNDLE_LIFE_SECONDS) -> None:
        self.signer = signer
        self.life_seconds = life_seconds
        self.epoch = 0
        self.control = Control()
        self.control_frame = b""
        self.signed_control: Signed | None = None
        self.keys_frame = frames.keys(signer.keys.signed)
        self._published: Published | None = None
        self.front = Front(0)
        """Which revision is in force where."""
        self._head: _Head | None = None
        self._candidate: _Head | None = None
        """What the scopes of a cohort have, while a revision is rolled out."""
        self._catalogues: OrderedDict[int, Catalogue] = OrderedDict()
        self._snapshots: OrderedDict[Edition, tuple[bytes, ...]] = OrderedDict()
        self._snapshot_bytes = 0
        self._signed_until = 0.0

    @property
    def company_id(self) -> str:
        return self._head.catalogue.company_id if self._head else ""

    @property
    def revision(self) -> int:
        """The newest revision that any till may have; 0 when there is none."""
        return self.front.head

    def revision_at(self, scope: Scope) -> int:
        """The newest revision of a scope."""
        return self.front.at(scope.store_ids)

    def prepare(self, newest: Newest) -> Published:
        """Makes catalogues of what is in force, in any thread; what didn't change is shared with the last.

        Raises NotUnderstood: what this server can't read it can't hand on as it was written.
        """
        for ruleset in filter(None, (newest.general, newest.candidate)):
            unread = [promotion.id for promotion in ruleset.promotions if is_envelope(promotion)]
            if unread:
                raise NotUnderstood(ruleset.revision, unread)
        last = next(reversed(self._catalogues.values()), None)
        known = self._published
        # When a rollout begins, nothing changes for the others.
        same = known is not None and known.newest.general is newest.general
        general = known.general if known is not None and same else Catalogue(newest.general, last)
        candidate = Catalogue(newest.candidate, general) if newest.candidate is not None else None
        return Published(newest, general, candidate)

    def publish(self, published: Published) -> None:
        """Takes what is in force now."""
        self._published, self.front = published, published.newest.front
        if self._head is None or self._head.catalogue is not published.general:
            self._head = _Head(published.general)
        self._candidate = _Head(published.candidate) if published.candidate else None
        self._snapshots.clear()
        self._snapshot_bytes = 0
        self.remember(published)

    def remember(self, published: Published) -> None:
        """Keeps revisions for tills that have them from elsewhere, and sends them to nobody."""
        for catalogue in filter(None, (published.general, published.candidate)):
            self._catalogues[catalogue.revision] = catalogue
        while len(self._catalogues) > REVISIONS_MAX:
            self._catalogues.popitem(last=False)

    def begin_epoch(self, epoch: int) -> None:
        """Revisions of the epoch before are no longer comparable with those of this one."""
        self.epoch = epoch
        self._catalogues.clear()
        self._publish_again()

    def _publish_again(self) -> None:
        """Lets go of what was signed before."""
        self._head = self._candidate = None
        if self._published is not None:
            self.publish(self._published)

    def take(self, epoch: int, killed: Killed, now: float) -> bool:
        """Takes an epoch and what is killed, where they are newer; whether one is. `now` is Unix time."""
        begins = epoch > self.epoch
        if begins:
            self.begin_epoch(epoch)
        newer = (epoch, killed.sequence) > (self.control.epoch, self.control.sequence)
        # Before there is a revision nobody knows whose tills they are.
        if newer and self.company_id:
            self.kill(
                Control(
                    company_id=self.company_id,
                    epoch=epoch,
                    sequence=killed.sequence,
                    killed_ids=killed.promotion_ids,
                    issue_time=frames.instant(now),
                )
            )
        return begins or newer

    def kill(self, control: Control) -> None:
        """Takes a newer control."""
        self.control = control
        self.signed_control = self.signer.sign(control)
        self.control_frame = frames.control(self.signed_control)

    def renew(self, signer: Signer) -> bool:
        """Signs with another key from now on, also what was signed before; whether it is another."""
        if signer is self.signer:
            return False
        self.signer = signer
        self.keys_frame = frames.keys(signer.keys.signed)
        if self.signed_control is not None:
            self.kill(self.control)
        self._publish_again()
        return True

    def edition(self, scope: Scope, now: float) -> Edition:
        """The newest revision as a scope has it. `now` is Unix time in seconds.

        It is signed anew when half of its life is over, so that a till that is away keeps it for a while.
        """
        head = self._require_head(scope)
        made = head.editions.get(scope.id)
        if made is None or made.expires - now < self.life_seconds / 2:
            made = self._make(head.catalogue, scope, now)
            head.editions[scope.id] = made
            self._forget_deltas(head, scope)
            if len(head.editions) > SCOPES_MAX:
                head.editions.popitem(last=False)
        return made

    def sign_from(self, scope: Scope, issued: float) -> None:
        """Signs no earlier than it did before, at a moment in Unix seconds, however the clock was set."""
        self._signed_until = max(self._signed_until, issued)
        head = self._require_head(scope)
        head.editions.pop(scope.id, None)
        self._forget_deltas(head, scope)

    def root_at(self, scope: Scope, epoch: int, revision: int) -> bytes | None:
        """The root that a scope had at a revision; None when it isn't remembered."""
        catalogue = self._catalogues.get(revision) if epoch == self.epoch else None
        return root(catalogue.parts(scope.store_ids)) if catalogue else None

    def frames(self, scope: Scope, from_revision: int | None, now: float) -> tuple[bytes, ...]:
        """The set of frames that leads from a revision of this epoch, or from nothing, to the newest.

        The smaller of a delta and a snapshot; a delta that fills more than one frame counts as the larger.
        """
        head = self._require_head(scope)
        edition = self.edition(scope, now)
        before = self._catalogues.get(from_revision) if from_revision is not None else None
        if before is None or from_revision is None:
            return self._snapshot(edition)
        key = (scope.id, from_revision)
        if key not in head.deltas:
            delta = self._delta(head, edition, before.parts(scope.store_ids), from_revision)
            head.deltas[key] = None if delta is None else frames.delta(delta)
        delta_frame = head.deltas[key]
        return self._snapshot(edition) if delta_frame is None else (delta_frame,)

    def etag(self, scope: Scope, now: float) -> str:
        """Another one whenever the scope's file is another."""
        signed = [self.edition(scope, now).manifest, self.signed_control or Signed(), self.signer.keys.signed]
        return hashlib.sha256(b"".join(each.signature for each in signed)).hexdigest()[:32]

    def bundle(self, scope: Scope, now: float) -> Bundle:
        """The scope as a file."""
        edition = self.edition(scope, now)
        bundle = Bundle(manifest=edition.manifest, ruleset=edition.ruleset(), keys=self.signer.keys.signed)
        if self.signed_control is not None:
            bundle.control.CopyFrom(self.signed_control)
        return bundle

    def _make(self, catalogue: Catalogue, scope: Scope, now: float) -> Edition:
        parts = catalogue.parts(scope.store_ids)
        expires = now + self.life_seconds
        total = root(parts)
        head = Ruleset(company_id=catalogue.company_id, revision=catalogue.revision)
        manifest = Manifest(
            format=BUNDLE_FORMAT,
            company_id=catalogue.company_id,
            scope_id=scope.id,
            epoch=self.epoch,
            revision=catalogue.revision,
            root=total,
            promotion_count=len(parts[KINDS.index(PROMOTIONS)].items),
            ruleset_bytes=head.ByteSize() + sum(len(part.fields) for part in parts),
            issue_time=frames.instant(max(now, self._signed_until)),
            expire_time=frames.instant(expires),
            rule_language=max(part.rule_language for part in parts),
        )
        signed = self.signer.sign(manifest)
        return Edition(self.epoch, catalogue.revision, catalogue.company_id, parts, total, signed, expires)

    def _delta(
        self, head: _Head, edition: Edition, before: tuple[Part, ...], from_revision: int
    ) -> Delta | None:
        """How a scope came from a past revision; None where a snapshot says it better."""
        frame = Delta(from_revision=from_revision, manifest=edition.manifest)
        changed = []
        for kind, had, has in zip(KINDS, before, edition.parts, strict=True):
            # Scopes share parts, and so they share how one becomes the other.
            made = head.changes.get((had, has)) or head.changes.setdefault((had, has), change(had, has))
            changed.append(made.fields)
            if kind in _REMOVED:
                getattr(frame, _REMOVED[kind]).extend(made.removed)
            elif made.removed:
                # A delta can't say that there is no policy any more.
                return None
        frame.changes = b"".join(changed)
        size = frame.ByteSize()
        too_large = size > frames.CHUNK_BYTES or size - edition.manifest.ByteSize() > edition.size
        return None if too_large else frame

    def _snapshot(self, edition: Edition) -> tuple[bytes, ...]:
        """The frames that replace whatever a till has."""
        known = self._snapshots.get(edition)
        if known is None:
            known = frames.snapshot(edition.manifest, edition.ruleset(), edition.revision)
            self._snapshots[edition] = known
            self._snapshot_bytes += edition.size
            while self._snapshot_bytes > SNAPSHOTS_BYTES_MAX and len(self._snapshots) > 1:
                forgotten, _ = self._snapshots.popitem(last=False)
                self._snapshot_bytes -= forgotten.size
        return known

    def _forget_deltas(self, head: _Head, scope: Scope) -> None:
        for key in [key for key in head.deltas if key[0] == scope.id]:
            del head.deltas[key]

    def _require_head(self, scope: Scope) -> _Head:
        head = self._candidate if self.front.leads(scope.store_ids) else self._head
        if head is None:
            raise LookupError("nothing is published")
        return head
