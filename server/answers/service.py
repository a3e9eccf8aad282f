"""Use cases of kept answers: take a key, keep what was answered, and give it again to who asks the same."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Engine

from server.actors import Actor
from server.answers import store
from server.db.engine import plain_errors
from server.runtime.errors import Invalid, Refusal

KEPT = timedelta(hours=24)
"""How long an answer is given again."""

CLAIMED = timedelta(minutes=2)
"""After so long without an answer, whoever had the key is gone: no request takes that long."""

FORGOTTEN_AT_ONCE = 100
"""How many old answers each new key removes at most, so that they go as fast as they come."""


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What was answered, to the byte."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None
    """None: it holds a secret, and isn't kept."""


class Answers:
    """The kept answers of all companies in one database. A key belongs to who uses it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def claim(self, actor: Actor, key: str, request_hash: bytes) -> KeptAnswer | None:
        """The answer that was given with a key, or None when the key is the caller's to answer now."""
        with plain_errors(self._engine), self._engine.begin() as connection:
            store.forget(connection, KEPT, FORGOTTEN_AT_ONCE)
            if store.claim(connection, actor, key, request_hash):
                return None
            row = store.locked(connection, actor, key)
            if row is None:
                raise _in_use()
            if row.age <= KEPT and row.request_hash != request_hash:
                raise Invalid("KEY_REUSED", "something else was asked with this key; take a new one")
            if row.age > KEPT or (row.status is None and row.age > CLAIMED):
                store.renew(connection, actor, key, request_hash)
                return None
        if row.status is None:
            raise _in_use()
        if row.body is None:
            raise Refusal(
                "ANSWER_NOT_KEPT",
                "this was done; its answer held a secret and isn't given again",
            )
        return KeptAnswer(row.status, row.headers, row.body)

    def keep(self, actor: Actor, key: str, answer: KeptAnswer) -> None:
        """Keeps what is answered with a key that was claimed."""
        kept = {"status": answer.status, "headers": dict(answer.headers), "body": answer.body}
        with plain_errors(self._engine), self._engine.begin() as connection:
            store.keep(connection, actor, key, kept)

    def release(self, actor: Actor, key: str) -> None:
        """Gives a claimed key back: nothing was done, or nobody knows, and it may be tried again."""
        with plain_errors(self._engine), self._engine.begin() as connection:
            store.release(connection, actor, key)


def _in_use() -> Refusal:
    return Refusal("KEY_IN_USE", "what was asked with this key is still being done; try again soon")
