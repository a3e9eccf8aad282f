"""What operators do about tills: kill promotions, take kills back, and see who has what."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, Engine

from server.actors import Actor
from server.audit import service as audit
from server.audit.service import Event
from server.db.engine import plain_errors
from server.definitions.service import Definitions, tell_servers
from server.distribution import store
from server.distribution.store import Client
from server.kills import Killed
from server.runtime.errors import Invalid, Unknown

__all__ = ["Client", "Operations"]

IDS_MAX = 1000
"""How many promotions are killed or released at once."""


class Operations:
    """The tills of all companies in one database, and what is killed for them."""

    def __init__(self, engine: Engine, definitions: Definitions) -> None:
        self._engine = engine
        self._definitions = definitions

    def killed(self, company_id: str) -> Killed:
        """What is killed now."""
        with plain_errors(self._engine), self._engine.connect() as connection:
            return store.killed(connection, company_id)

    def kill(self, actor: Actor, promotion_ids: Collection[str], comment: str) -> Killed:
        """Takes promotions out of force at once, everywhere. Nothing of the way that publishes is needed."""
        ids = _ids(promotion_ids, comment)
        in_force = self._definitions.contents(actor.company_id).promotions
        for promotion_id in ids:
            if promotion_id not in in_force:
                raise Unknown(
                    "PROMOTION_NOT_IN_FORCE", f"{promotion_id} isn't in force", promotion_id=promotion_id
                )
        with plain_errors(self._engine), self._engine.begin() as connection:
            store.take_sequence(connection, actor.company_id)
            already = set(store.killed(connection, actor.company_id).promotion_ids)
            new = [promotion_id for promotion_id in ids if promotion_id not in already]
            store.kill(connection, actor.company_id, new)
            return _controlled(connection, actor, "kill", new, comment)

    def release(self, actor: Actor, promotion_ids: Collection[str], comment: str) -> Killed:
        """Takes kills back."""
        ids = _ids(promotion_ids, comment)
        with plain_errors(self._engine), self._engine.begin() as connection:
            store.take_sequence(connection, actor.company_id)
            already = set(store.killed(connection, actor.company_id).promotion_ids)
            for promotion_id in ids:
                if promotion_id not in already:
                    raise Unknown("NOT_KILLED", f"{promotion_id} isn't killed", promotion_id=promotion_id)
            store.release(connection, actor.company_id, ids)
            return _controlled(connection, actor, "release", ids, comment)

    def head(self, company_id: str) -> tuple[int, int]:
        """The epoch and the newest revision."""
        revision = self._definitions.head_revision(company_id)
        with plain_errors(self._engine), self._engine.begin() as connection:
            return store.epoch(connection), revision

    def clients(
        self,
        actor: Actor,
        *,
        store_ids: Collection[str] = (),
        lacking: tuple[int, int] | None = None,
        after: tuple[str, str] | None = None,
        count: int,
    ) -> list[Client]:
        """The tills of the actor's company, or those that lack an epoch and revision."""
        with plain_errors(self._engine), self._engine.connect() as connection:
            return store.clients(
                connection, actor.company_id, store_ids=store_ids, lacking=lacking, after=after, count=count
            )


def _controlled(
    connection: Connection, actor: Actor, action: str, promotion_ids: Collection[str], comment: str
) -> Killed:
    """Records what was done and tells all servers; gives what is killed now."""
    events = [Event(action, "promotion", promotion_id, comment=comment) for promotion_id in promotion_ids]
    audit.append(connection, actor, events)
    tell_servers(connection, actor.company_id)
    return store.killed(connection, actor.company_id)


def _ids(promotion_ids: Collection[str], comment: str) -> list[str]:
    if not 0 < len(promotion_ids) <= IDS_MAX:
        raise Invalid("REQUIRED", f"name 1 to {IDS_MAX} promotions", field="promotion_ids")
    if not comment.strip():
        raise Invalid("REQUIRED", "say why, for the audit log", field="comment")
    return sorted(set(promotion_ids))
