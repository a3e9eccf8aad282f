"""What operators do about tills: kill promotions, take kills back, and see who has what."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from dealwright.v1.rule_stream_service_pb2 import (
    NACK_REASON_DISK,
    NACK_REASON_EXPIRED,
    NACK_REASON_FOREIGN,
    NACK_REASON_ROLLED_BACK,
    NACK_REASON_ROOT,
)
from sqlalchemy import Connection, Engine

from server.actors import Actor
from server.audit import service as audit
from server.audit.service import Event
from server.db.engine import plain_errors
from server.definitions.service import Definitions, Front, tell_servers
from server.distribution import store
from server.distribution.store import Arrival, Client
from server.kills import Killed
from server.runtime.errors import Invalid, Unknown

__all__ = ["Arrival", "Client", "Operations", "Reports"]

IDS_MAX = 1000
"""How many promotions are killed or released at once."""


OF_THE_TILL = frozenset(
    {
        NACK_REASON_DISK,
        NACK_REASON_EXPIRED,
        NACK_REASON_FOREIGN,
        NACK_REASON_ROLLED_BACK,
        NACK_REASON_ROOT,
    }
)
"""Reasons to refuse a revision that say something of the till and nothing of the revision."""


@dataclass(frozen=True, slots=True)
class Reports:
    """What tills have said of a revision, in numbers of tills."""

    tills: int
    at_revision: int
    refusing: int
    unsupporting: int
    """They have it in force, but can't use a promotion that it changed."""


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
        in_force = self._in_force(actor.company_id)
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

    def _in_force(self, company_id: str) -> set[str]:
        """What is in force somewhere: outside of the cohort of a rollout, too."""
        front = self._definitions.front(company_id)
        return {
            promotion_id
            for revision in {front.head, front.general}
            for promotion_id in self._definitions.contents(company_id, revision).promotions
        }

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
        """The epoch and the newest revision that every till may have."""
        revision = self._definitions.front(company_id).general
        with plain_errors(self._engine), self._engine.begin() as connection:
            return store.epoch(connection), revision

    def reports(self, company_id: str, front: Front, changed: Collection[str]) -> Reports:
        """What the tills of a rollout's cohort have said of its revision, which changed some promotions."""
        with plain_errors(self._engine), self._engine.begin() as connection:
            epoch = store.epoch(connection)
            said = store.said(connection, company_id)
        place = epoch, front.head
        own = [each for each in said if front.leads(each.store_ids)]
        there = [each for each in own if (each.epoch, each.revision) == place]
        return Reports(
            tills=len(own),
            at_revision=len(there),
            refusing=sum(
                (each.nack_epoch, each.nack_revision) == place and each.nack_reason not in OF_THE_TILL
                for each in own
            ),
            unsupporting=sum(not set(changed).isdisjoint(each.unsupported_ids) for each in there),
        )

    def arrival(self, company_id: str, revision: int) -> Arrival:
        """How many tills have a revision that is for all of them."""
        with plain_errors(self._engine), self._engine.begin() as connection:
            return store.arrival(connection, company_id, (store.epoch(connection), revision))

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
