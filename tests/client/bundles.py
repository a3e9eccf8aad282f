"""Signed bundles for tests, made as a server makes them."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field

import dealwright_engine
from dealwright.rule_stream import Holding, scope_id
from dealwright.v1.bundle_pb2 import Bundle, KeyList, Manifest, Signed, SigningKey
from dealwright.v1.ruleset_pb2 import Ruleset


@dataclass
class Signatory:
    """A root key and an online key."""

    root: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    online: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    @property
    def root_key(self) -> bytes:
        return dealwright_engine.public_key(self.root)

    def bundle(
        self,
        ruleset: Ruleset,
        *,
        epoch: int = 1,
        issued: float | None = None,
        lasts: float = 259_200.0,
        store_ids: tuple[str, ...] = (),
        message_format: int = 1,
    ) -> bytes:
        """A bundle of a ruleset, issued now and good for three days unless told otherwise."""
        holding = Holding.of(ruleset.SerializeToString(deterministic=True))
        data = holding.ruleset(ruleset.company_id, ruleset.revision)
        manifest = Manifest(
            format=message_format,
            company_id=ruleset.company_id,
            scope_id=scope_id(store_ids),
            epoch=epoch,
            revision=ruleset.revision,
            root=dealwright_engine.ruleset_root(data),
            promotion_count=len(ruleset.promotions),
            ruleset_bytes=len(data),
            rule_language=1,
        )
        begin = time.time() if issued is None else issued
        manifest.issue_time.FromNanoseconds(int(begin * 1e9))
        manifest.expire_time.FromNanoseconds(int((begin + lasts) * 1e9))
        listed = KeyList(version=1)
        public = dealwright_engine.public_key(self.online)
        listed.keys.append(SigningKey(key_id=dealwright_engine.key_id(public), public_key=public))
        keys = _signed(self.root, listed)
        return Bundle(manifest=_signed(self.online, manifest), ruleset=data, keys=keys).SerializeToString()


def _signed(secret: bytes, message: Manifest | KeyList) -> Signed:
    payload = message.SerializeToString()
    return Signed(
        payload=payload,
        key_id=dealwright_engine.key_id(dealwright_engine.public_key(secret)),
        signature=dealwright_engine.sign(secret, message.DESCRIPTOR.name, payload),
    )
