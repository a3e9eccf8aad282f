"""Whom a till believes: one root key, which signs lists of the keys that sign everything else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import dealwright_engine
from google.protobuf.message import DecodeError, Message

from dealwright.v1.bundle_pb2 import Control, KeyList, Manifest, Signed, SigningKey

M = TypeVar("M", KeyList, Manifest, Control)


class Untrusted(Exception):
    """Something whose signature is no good; the text says why."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that may sign, as a root key has said."""

    root_key: bytes
    """Ed25519 public key, 32 bytes."""
    signed: Signed
    """The list as it was signed; empty when there is none yet."""
    listed: KeyList

    @classmethod
    def none(cls, root_key: bytes) -> Keys:
        """No list yet."""
        return cls(root_key, Signed(), KeyList())

    def renewed(self, signed: Signed) -> Keys:
        """With another list, if that is newer; raises Untrusted."""
        if self.signed.payload and signed == self.signed:
            return self
        listed = _checked(signed, self.root_key, KeyList)
        return Keys(self.root_key, signed, listed) if listed.version > self.listed.version else self

    def opened(self, signed: Signed, message: type[M], now: float) -> M:
        """The message that one of the keys has signed; raises Untrusted. `now` is Unix time in seconds."""
        key = self._key(signed.key_id)
        if key is None:
            raise Untrusted(f"no key {signed.key_id!r} is known")
        if key.HasField("expire_time") and key.expire_time.seconds <= now:
            raise Untrusted(f"the key {key.key_id} has expired")
        return _checked(signed, key.public_key, message)

    def knows(self, key_id: str) -> bool:
        return self._key(key_id) is not None

    def _key(self, key_id: str) -> SigningKey | None:
        return next((key for key in self.listed.keys if key.key_id == key_id), None)


def _checked(signed: Signed, public_key: bytes, message: type[M]) -> M:
    name = message.DESCRIPTOR.name
    if not dealwright_engine.verify(public_key, name, signed.payload, signed.signature):
        raise Untrusted(f"the signature of the {_plain(message)} is wrong")
    try:
        return message.FromString(signed.payload)
    except DecodeError as error:
        raise Untrusted(f"what was signed is no {_plain(message)}") from error


def _plain(message: type[Message]) -> str:
    return {"KeyList": "key list"}.get(message.DESCRIPTOR.name, message.DESCRIPTOR.name.lower())
