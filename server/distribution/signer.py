"""Signing what tills receive, with the online key that the root key has listed."""

from dataclasses import dataclass, field

import dealwright_engine
from dealwright.rule_stream.trust import Keys, Untrusted
from dealwright.v1.bundle_pb2 import Control, KeyList, Manifest, Signed


@dataclass(frozen=True, slots=True)
class Signer:
    """An online key, and the list that says that it may sign."""

    secret: bytes = field(repr=False)
    keys: Keys
    """As a till sees it."""
    key_id: str = field(init=False)
    """Of the online key."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "key_id", key_id_of(self.secret))

    @property
    def key_list_version(self) -> int:
        return self.keys.listed.version

    def sign(self, message: Manifest | Control) -> Signed:
        return _signed(self.secret, self.key_id, message)

    def signed(self, manifest: Signed) -> bool:
        """Whether a manifest was signed by one of the keys, however long ago."""
        try:
            self.keys.opened(manifest, Manifest, now=0.0)
        except Untrusted:
            return False
        return True


def sign(secret: bytes, message: KeyList) -> Signed:
    """A list of keys, signed by the root key."""
    return _signed(secret, key_id_of(secret), message)


def key_id_of(secret: bytes) -> str:
    """The name of a key."""
    return dealwright_engine.key_id(dealwright_engine.public_key(secret))


def _signed(secret: bytes, key_id: str, message: Manifest | Control | KeyList) -> Signed:
    payload = message.SerializeToString()
    signature = dealwright_engine.sign(secret, message.DESCRIPTOR.name, payload)
    return Signed(payload=payload, key_id=key_id, signature=signature)
