"""Calls that take effect once: each has a key, and whoever sends it again gets the same answer."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from google.protobuf.message import Message
from sqlalchemy import Connection

from server.actors import Actor
from server.redemption import store
from server.redemption.messages import times
from server.redemption.placing import Placed
from server.redemption.store import Answered
from server.runtime.errors import Invalid

KEY_CHARS_MAX = 255

ID_CHARS_MAX = 255
"""Longest id of an order."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call with an idempotency key."""

    actor: Actor
    method: str
    key: str
    request_hash: bytes

    @classmethod
    def of(cls, actor: Actor, method: str, request: Any) -> "Call":
        """A call with its request, whose key has to be usable."""
        require_text(request.idempotency_key, "idempotency_key", KEY_CHARS_MAX)
        content = method.encode() + b"\0" + request.SerializeToString(deterministic=True)
        return cls(actor, method, request.idempotency_key, hashlib.sha256(content).digest())

    def repeated(self, known: Answered | Placed, response_type: type[Message]) -> bytes:
        """The answer of before, byte for byte, if this is the same call."""
        if known.method != self.method or known.request_hash != self.request_hash:
            raise Invalid(
                "IDEMPOTENCY_MISMATCH",
                "the idempotency key was used for another request; make up a new one for each",
                field="idempotency_key",
            )
        return complete(response_type, known.response or b"", known)

    def once(
        self,
        connection: Connection,
        response_type: type[Message],
        redemption_id: UUID | None,
        act: Callable[[], Message],
    ) -> bytes:
        """Acts in the caller's transaction and keeps the answer, or gives the answer of before."""
        company_id, principal = self.actor.company_id, self.actor.name
        new = store.claim_key(
            connection,
            company_id,
            principal,
            self.key,
            method=self.method,
            request_hash=self.request_hash,
            redemption_id=redemption_id,
        )
        if not new:
            known = store.answered(connection, company_id, principal, self.key)
            if known is None:
                raise RuntimeError("a key was taken and isn't there")
            return self.repeated(known, response_type)
        response = act().SerializeToString(deterministic=True)
        store.write_answer(connection, company_id, principal, self.key, response)
        return response


def complete(response_type: type[Message], response: bytes, when: Answered | Placed) -> bytes:
    """A kept answer with its times. Those of Reserve and Redeem are known to the database alone.

    A second redemption behind the first would add to it by the rules of protobuf, but protobuf.js takes the
    last one alone.
    """
    name = response_type.DESCRIPTOR.name
    if name not in ("ReserveResponse", "RedeemResponse") or when.redemption_id is None:
        return response
    resolve = when.time if name == "RedeemResponse" else None
    answer: Any = response_type.FromString(response)
    answer.redemption.MergeFrom(times(when.time, when.expire_time, resolve))
    completed: bytes = answer.SerializeToString(deterministic=True)
    return completed


def require_text(value: str, field: str, chars_max: int) -> None:
    if not value:
        raise Invalid("REQUIRED", f"{field} is required", field=field)
    if len(value) > chars_max:
        raise Invalid("TOO_LONG", f"{field} has more than {chars_max} characters", field=field)
    if not value.isprintable():
        raise Invalid("NOT_PRINTABLE", f"{field} has characters that can't be printed", field=field)


def require_id(value: str) -> UUID:
    """The id of a redemption as a caller sends it."""
    require_text(value, "redemption_id", ID_CHARS_MAX)
    try:
        return UUID(value)
    except ValueError as error:
        raise Invalid(
            "ID_INVALID", "redemption_id is no id of a redemption", field="redemption_id"
        ) from error
