"""Use cases of events: record them in the caller's transaction, say where they go, deliver and repeat
them."""

from __future__ import annotations

import asyncio
import hmac
import random
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import structlog
from sqlalchemy import Connection, Engine, func, select

from server.actors import Actor
from server.audit import service as audit
from server.db.engine import plain_errors
from server.events import sending, store
from server.events.addresses import checked_url
from server.events.store import Backlog, Delivery, Due, Webhook
from server.events.types import Event, EventType
from server.runtime.errors import Invalid, Refusal, Unknown
from server.runtime.origin import traceparent

if TYPE_CHECKING:
    from server.keys.service import Pepper

__all__ = ["Event", "EventType", "Webhook", "Webhooks", "record"]

log = structlog.get_logger()

WEBHOOKS_MAX = 20
"""How many webhooks a company has at most."""

ATTEMPTS_MAX = 17
"""After so many attempts, about a day and a half, a delivery is dead; a replay revives it."""

FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(hours=12)

AT_ONCE = 16
LEASE = timedelta(seconds=60)
"""How long nobody else tries what somebody tries: longer than an attempt takes."""

KEEP_DAYS = 30
"""How long events are kept, to be delivered again."""

OVERLAP = timedelta(hours=24)
"""How long the secret before a new one signs too, so that a receiver can change over."""

ASSIGN_COUNT = 500
FORGET_COUNT = 5_000
"""Old events that one transaction deletes."""

DELIVERIES_MAX = 500

connected = sending.client
"""What deliveries are sent with; to be opened and closed by who delivers."""

Client = httpx.AsyncClient

Seen = Callable[[str], None]
"""Told what became of each attempt: delivered, failed or dead."""


def record(connection: Connection, company_id: str, events: Sequence[Event]) -> None:
    """Writes events in the caller's transaction: told if that commits, and never if it doesn't.

    It is one INSERT without a lock and without NOTIFY, which would make all commits of the database queue.
    """
    if events:
        rows = [
            {
                "company_id": company_id,
                "type": each.type,
                "subject": each.subject,
                "data": each.data,
                "traceparent": traceparent(),
            }
            for each in events
        ]
        store.insert_events(connection, rows)


class Webhooks:
    """Where the events of all companies go."""

    def __init__(self, engine: Engine, pepper: Pepper, *, inside: bool) -> None:
        """`inside` lets webhooks be at private addresses and without TLS."""
        self._engine = engine
        self._pepper = pepper
        self._inside = inside

    def create(self, actor: Actor, url: str, types: Sequence[str] = ()) -> tuple[Webhook, str]:
        """Makes a webhook, and gives the secret that its receiver checks signatures with, this once."""
        url = checked_url(url, inside=self._inside)
        known = {each.value for each in EventType}
        for each in types:
            if each not in known:
                raise Invalid("TYPE_UNKNOWN", f"{each} is none of {', '.join(sorted(known))}", field="types")
        salt = secrets.token_bytes(32)
        values = {
            "id": f"wh_{secrets.token_hex(8)}",
            "company_id": actor.company_id,
            "url": url,
            "types": sorted(set(types)),
            "salt": salt,
            "author": actor.name,
        }
        secret = sending.shown_secret(self._secret(salt))
        with plain_errors(self._engine), self._engine.begin() as connection:
            after = {"url": url, "types": values["types"]}
            # The audit log's lock keeps two from being counted at once.
            audit.append(
                connection, actor, [audit.Event("create", "webhook", str(values["id"]), after=after)]
            )
            if len(store.webhooks(connection, actor.company_id)) >= WEBHOOKS_MAX:
                raise Refusal("TOO_MANY_WEBHOOKS", f"a company has up to {WEBHOOKS_MAX} webhooks")
            return store.insert_webhook(connection, values), secret

    def registered(self, actor: Actor) -> list[Webhook]:
        with plain_errors(self._engine), self._engine.connect() as connection:
            return store.webhooks(connection, actor.company_id)

    def rotate_secret(self, actor: Actor, webhook_id: str) -> tuple[Webhook, str]:
        """Makes a new secret, and gives it this once. The one before is good for a while."""
        salt = secrets.token_bytes(32)
        with plain_errors(self._engine), self._engine.begin() as connection:
            before = _required(connection, actor, webhook_id)
            audit.append(connection, actor, [audit.Event("rotate_secret", "webhook", webhook_id)])
            changed = store.change_webhook(
                connection,
                webhook_id,
                salt=salt,
                former_salt=before.salt,
                rotate_time=func.clock_timestamp(),
            )
        return changed, sending.shown_secret(self._secret(salt))

    def disable(self, actor: Actor, webhook_id: str) -> Webhook:
        """Has a webhook get nothing until it is enabled: what it waits for waits, what happens meanwhile
        isn't for it."""
        with plain_errors(self._engine), self._engine.begin() as connection:
            found = _required(connection, actor, webhook_id)
            if found.disable_time is not None:
                return found
            audit.append(connection, actor, [audit.Event("disable", "webhook", webhook_id)])
            return store.change_webhook(connection, webhook_id, disable_time=func.clock_timestamp())

    def enable(self, actor: Actor, webhook_id: str) -> Webhook:
        """Has a webhook get events again."""
        with plain_errors(self._engine), self._engine.begin() as connection:
            found = _required(connection, actor, webhook_id)
            if found.disable_time is None:
                return found
            audit.append(connection, actor, [audit.Event("enable", "webhook", webhook_id)])
            return store.change_webhook(connection, webhook_id, disable_time=None)

    def delete(self, actor: Actor, webhook_id: str) -> None:
        """Ends a webhook; what it hasn't got yet it doesn't get any more."""
        with plain_errors(self._engine), self._engine.begin() as connection:
            if not store.delete_webhook(connection, actor.company_id, webhook_id):
                raise unknown_webhook(webhook_id)
            audit.append(connection, actor, [audit.Event("delete", "webhook", webhook_id)])

    def deliveries(self, actor: Actor, state: str, count: int = 50) -> list[Delivery]:
        """The newest deliveries in a state: pending, delivered or dead."""
        with plain_errors(self._engine), self._engine.connect() as connection:
            return store.deliveries(connection, actor.company_id, state, min(count, DELIVERIES_MAX))

    def replay(self, actor: Actor, webhook_id: str, begin: datetime, end: datetime) -> int:
        """Has the events of a time range delivered to a webhook again, with the same ids."""
        if begin >= end:
            raise Invalid("OUT_OF_RANGE", "a time range ends after it begins", field="end_time")
        with plain_errors(self._engine), self._engine.begin() as connection:
            _required(connection, actor, webhook_id)
            after = {"begin_time": begin.isoformat(), "end_time": end.isoformat()}
            audit.append(connection, actor, [audit.Event("replay", "webhook", webhook_id, after=after)])
            return store.replay(connection, actor.company_id, webhook_id, begin, end)

    async def deliver(self, client: Client, seen: Seen) -> bool:
        """Tries some of what is due, once each; says whether there may be more."""
        assigned, due = await asyncio.to_thread(self._claim)
        await asyncio.gather(*(self._try(client, each, seen) for each in due))
        return bool(due) or assigned == ASSIGN_COUNT

    def backlog(self) -> Backlog:
        """How much is to be sent, and how late it is."""
        with plain_errors(self._engine), self._engine.connect() as connection:
            return store.backlog(connection)

    def clean_up(self) -> int:
        """Deletes events that were delivered long ago; returns how many."""
        with plain_errors(self._engine), self._engine.connect() as connection:
            now = connection.execute(select(func.clock_timestamp())).scalar_one()
            companies = store.companies(connection)
        before = now - timedelta(days=KEEP_DAYS)
        return sum(self._forget(company_id, before) for company_id in companies)

    def _forget(self, company_id: str, before: datetime) -> int:
        total = 0
        while True:
            with plain_errors(self._engine), self._engine.begin() as connection:
                count = store.forget(connection, company_id, before, FORGET_COUNT)
            total += count
            if count < FORGET_COUNT:
                return total

    def _claim(self) -> tuple[int, list[Due]]:
        with plain_errors(self._engine), self._engine.begin() as connection:
            assigned = store.assign(connection, ASSIGN_COUNT)
        with plain_errors(self._engine), self._engine.begin() as connection:
            return assigned, store.claim(connection, AT_ONCE, LEASE, OVERLAP)

    async def _try(self, client: Client, due: Due, seen: Seen) -> None:
        # The first one asks the database, which nobody else of this event loop shall wait for.
        keys = await asyncio.to_thread(lambda: [self._secret(salt) for salt in due.salts])
        problem = await sending.send(client, due, keys, inside=self._inside)
        if not problem:
            state, wait = "delivered", timedelta()
        elif due.attempts >= ATTEMPTS_MAX:
            state, wait = "dead", timedelta()
        else:
            state, wait = "pending", wait_after(due.attempts)
        await asyncio.to_thread(self._settle, due, state, problem, wait)
        seen("failed" if state == "pending" else state)
        if problem:
            log.warning("webhook_failed", webhook=due.webhook_id, problem=problem, state=state)

    def _settle(self, due: Due, state: str, problem: str, wait: timedelta) -> None:
        with plain_errors(self._engine), self._engine.begin() as connection:
            store.settle(connection, due, state, problem, wait)

    def _secret(self, salt: bytes) -> bytes:
        return hmac.digest(self._pepper.key("webhook"), salt, "sha256")


def wait_after(attempts: int) -> timedelta:
    """How long until the next attempt: twice as long each time, and never the same for two at once."""
    longest = min(FIRST_WAIT * 2 ** min(attempts - 1, 20), LONGEST_WAIT)
    wait: timedelta = longest * random.uniform(0.5, 1.0)
    return wait


def _required(connection: Connection, actor: Actor, webhook_id: str) -> Webhook:
    """A webhook of the actor's company, which nobody else changes meanwhile."""
    found = store.lock_webhook(connection, actor.company_id, webhook_id)
    if found is None:
        raise unknown_webhook(webhook_id)
    return found


def unknown_webhook(webhook_id: str) -> Unknown:
    return Unknown("WEBHOOK_UNKNOWN", f"there is no webhook {webhook_id}", webhook_id=webhook_id)
