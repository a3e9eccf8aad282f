"""What a till lets in: the checks of a manifest and of a whole bundle, each with its reason."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import dealwright_engine
from google.protobuf.message import DecodeError

from dealwright.rule_stream.holding import Holding
from dealwright.rule_stream.scope import BUNDLE_FORMAT
from dealwright.rule_stream.trust import Keys, Untrusted
from dealwright.v1.bundle_pb2 import Bundle, Control, Manifest, Signed
from dealwright.v1.rule_stream_service_pb2 import (
    NACK_REASON_EXPIRED,
    NACK_REASON_FOREIGN,
    NACK_REASON_FORMAT,
    NACK_REASON_MALFORMED,
    NACK_REASON_ROLLED_BACK,
    NACK_REASON_ROOT,
    NACK_REASON_SIGNATURE,
    NackReason,
)


class Refused(Exception):
    """What isn't let in; `reason` is stable, the text is for people."""

    def __init__(self, reason: NackReason.ValueType, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class HighWater:
    """The newest that a till ever had. Nothing older is let in, whoever signed it."""

    epoch: int = 0
    revision: int = 0
    issued: int = 0
    """Unix time in seconds of its manifest."""
    key_id: str = ""
    """The key that signed it: what a stolen key has raised is void when the root key drops that key."""

    _FORM = struct.Struct(">qqq")

    @classmethod
    def of(cls, manifest: Manifest, key_id: str) -> HighWater:
        return cls(manifest.epoch, manifest.revision, manifest.issue_time.seconds, key_id)

    @classmethod
    def read(cls, data: bytes) -> HighWater:
        """From a file; one that can't be read counts as none, since it is no secret and not signed."""
        if len(data) < cls._FORM.size:
            return cls()
        epoch, revision, issued = cls._FORM.unpack_from(data)
        return cls(epoch, revision, issued, data[cls._FORM.size :].decode("ascii", "replace"))

    def bytes(self) -> bytes:
        return self._FORM.pack(self.epoch, self.revision, self.issued) + self.key_id.encode()

    def allows(self, manifest: Manifest, *, same_root: bool) -> bool:
        """Whether a manifest is no step back. Other contents of the same revision must be a later word."""
        here, there = (self.epoch, self.revision), (manifest.epoch, manifest.revision)
        if here != there:
            return there > here
        return same_root or manifest.issue_time.seconds >= self.issued


def admit(
    signed: Signed,
    keys: Keys,
    now: float,
    *,
    scope_id: str,
    company_id: str = "",
    high_water: HighWater,
    root: bytes = b"",
) -> Manifest:
    """The manifest of what may come in, or a refusal. `now` is Unix time in seconds.

    An empty company is any; `root` is that of what the till has at its high water.
    """
    try:
        manifest = keys.opened(signed, Manifest, now)
    except Untrusted as error:
        raise Refused(NACK_REASON_SIGNATURE, str(error)) from error
    if manifest.format != BUNDLE_FORMAT:
        raise Refused(
            NACK_REASON_FORMAT, f"its format is {manifest.format}, and {BUNDLE_FORMAT} is understood here"
        )
    if manifest.scope_id != scope_id or company_id not in ("", manifest.company_id):
        raise Refused(
            NACK_REASON_FOREIGN,
            f"it is of {manifest.company_id}, scope {manifest.scope_id}, not of {company_id}, {scope_id}",
        )
    if not high_water.allows(manifest, same_root=manifest.root == root):
        raise Refused(
            NACK_REASON_ROLLED_BACK,
            f"it is revision {manifest.revision} of epoch {manifest.epoch}, older than "
            f"{high_water.revision} of {high_water.epoch}",
        )
    if manifest.expire_time.seconds <= now:
        raise Refused(NACK_REASON_EXPIRED, f"it expired at {manifest.expire_time.ToJsonString()}")
    return manifest


def held_by(bundle: Bundle, manifest: Manifest) -> Holding:
    """What a bundle holds, or a refusal where that isn't exactly what its manifest speaks of."""
    holding = cut(bundle.ruleset)
    require_root(holding, manifest)
    if holding.ruleset(manifest.company_id, manifest.revision) != bundle.ruleset:
        raise Refused(NACK_REASON_MALFORMED, "its ruleset isn't that of the manifest's company and revision")
    return holding


def require_root(holding: Holding, manifest: Manifest) -> None:
    """Refuses what isn't exactly what the manifest speaks of."""
    if holding.root() != manifest.root:
        raise Refused(NACK_REASON_ROOT, "what is held isn't what the manifest says")


def cut(ruleset: bytes) -> Holding:
    """The items of a ruleset, or a refusal."""
    try:
        return Holding.of(ruleset)
    except dealwright_engine.InvalidRuleset as error:
        raise Refused(NACK_REASON_MALFORMED, str(error)) from error


def read_bundle(data: bytes) -> Bundle:
    """The message, or a refusal."""
    try:
        bundle = Bundle.FromString(data)
    except DecodeError as error:
        raise Refused(NACK_REASON_MALFORMED, "it is no bundle, or only a part of one") from error
    if not bundle.HasField("manifest"):
        raise Refused(NACK_REASON_MALFORMED, "it is no bundle: it has no manifest")
    return bundle


def open_bundle(
    data: bytes,
    root_key: bytes,
    now: float,
    *,
    scope_id: str | None = None,
    company_id: str = "",
    high_water: HighWater | None = None,
) -> tuple[Manifest, Holding]:
    """Checks a bundle as a till does, trusting only the root key; raises Refused. No scope: any will do."""
    bundle = read_bundle(data)
    try:
        keys = Keys.none(root_key).renewed(bundle.keys)
    except Untrusted as error:
        raise Refused(NACK_REASON_SIGNATURE, str(error)) from error
    if scope_id is None:
        scope_id = _claimed_scope(bundle.manifest)
    manifest = admit(
        bundle.manifest,
        keys,
        now,
        scope_id=scope_id,
        company_id=company_id,
        high_water=high_water or HighWater(),
    )
    if bundle.HasField("control"):
        try:
            keys.opened(bundle.control, Control, now)
        except Untrusted as error:
            raise Refused(NACK_REASON_SIGNATURE, str(error)) from error
    return manifest, held_by(bundle, manifest)


def _claimed_scope(signed: Signed) -> str:
    try:
        return Manifest.FromString(signed.payload).scope_id
    except DecodeError:
        return ""
