"""The SQL of events, webhooks and deliveries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, func, insert, select, text, update

from server.events.tables import delivery, event, webhook

CLAIMED_OF_ONE = 4
"""How many deliveries to one webhook are tried at once, so that a slow one doesn't hold up the others."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where events are sent to."""

    id: str
    company_id: str
    url: str
    types: Sequence[str]
    salt: bytes
    author: str
    create_time: datetime
    rotate_time: datetime | None
    """When its secret was made anew."""
    disable_time: datetime | None
    """Since when it gets nothing."""


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery that is to be tried now, with all that is sent."""

    webhook_id: str
    url: str
    salts: Sequence[bytes]
    """Of the secrets that sign it: for a while after a new one was made, the one before too."""
    attempts: int
    """This one counted."""
    event_id: UUID
    company_id: str
    type: str
    subject: str
    data: dict[str, Any]
    time: datetime
    traceparent: str | None
    """The trace of the call that it happened in, if that is known."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """How far the delivery of an event to a webhook is."""

    webhook_id: str
    event_id: UUID
    type: str
    time: datetime
    state: str
    attempts: int
    next_time: datetime
    problem: str


_WEBHOOK = tuple(webhook.c[name] for name in Webhook.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is to be sent, of all companies."""

    pending: int
    dead: int
    late: timedelta
    """For how long what is due first has been due; webhooks that are disabled don't count."""


_BACKLOG = text("""
SELECT
  (SELECT count(*) FROM delivery WHERE state = 'pending'),
  (SELECT count(*) FROM delivery JOIN webhook ON webhook.id = delivery.webhook_id
   WHERE state = 'dead' AND webhook.delete_time IS NULL),
  greatest(interval '0', clock_timestamp() - least(
    (SELECT min(time) FROM event WHERE NOT assigned),
    (SELECT min(next_time) FROM delivery JOIN webhook ON webhook.id = delivery.webhook_id
     WHERE state = 'pending' AND webhook.disable_time IS NULL AND webhook.delete_time IS NULL)
  ))
""")

_ASSIGN = text("""
WITH picked AS (
  SELECT id, company_id, type FROM event WHERE NOT assigned ORDER BY time LIMIT :count FOR UPDATE SKIP LOCKED
), made AS (
  INSERT INTO delivery (webhook_id, event_id)
  SELECT webhook.id, picked.id FROM picked JOIN webhook USING (company_id)
  WHERE webhook.delete_time IS NULL AND webhook.disable_time IS NULL
    AND (webhook.types = '{}' OR picked.type = ANY (webhook.types))
  ON CONFLICT DO NOTHING
)
UPDATE event SET assigned = true FROM picked WHERE event.id = picked.id
""")

_CLAIM = text("""
WITH due AS (
  SELECT found.webhook_id, found.event_id
  FROM webhook CROSS JOIN LATERAL (
    SELECT delivery.webhook_id, delivery.event_id FROM delivery
    WHERE delivery.webhook_id = webhook.id AND state = 'pending' AND next_time <= clock_timestamp()
    ORDER BY next_time LIMIT :of_one FOR UPDATE SKIP LOCKED
  ) AS found
  WHERE webhook.delete_time IS NULL AND webhook.disable_time IS NULL LIMIT :count
), claimed AS (
  UPDATE delivery SET attempts = attempts + 1, next_time = clock_timestamp() + :lease
  FROM due WHERE delivery.webhook_id = due.webhook_id AND delivery.event_id = due.event_id
  RETURNING delivery.webhook_id, delivery.event_id, delivery.attempts
)
SELECT claimed.webhook_id, webhook.url,
  CASE WHEN webhook.rotate_time > clock_timestamp() - :overlap
    THEN ARRAY[webhook.salt, webhook.former_salt] ELSE ARRAY[webhook.salt] END,
  claimed.attempts,
  event.id, event.company_id, event.type, event.subject, event.data, event.time,
  event.traceparent
FROM claimed JOIN webhook ON webhook.id = claimed.webhook_id JOIN event ON event.id = claimed.event_id
""")

_REPLAY = text("""
INSERT INTO delivery (webhook_id, event_id)
SELECT webhook.id, event.id FROM webhook JOIN event USING (company_id)
WHERE company_id = :company_id AND webhook.id = :webhook_id AND webhook.delete_time IS NULL
  AND event.time >= :begin AND event.time < :end
  AND (webhook.types = '{}' OR event.type = ANY (webhook.types))
ON CONFLICT (webhook_id, event_id)
DO UPDATE SET state = 'pending', attempts = 0, next_time = clock_timestamp(), problem = ''
""")


def insert_events(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    connection.execute(insert(event), rows)


def assign(connection: Connection, count: int) -> int:
    """Makes the deliveries of events that have none yet; returns of how many events."""
    return connection.execute(_ASSIGN, {"count": count}).rowcount


def claim(connection: Connection, count: int, lease: timedelta, overlap: timedelta) -> list[Due]:
    """Takes deliveries that are due. Others may take them again when the lease is over.

    For the overlap after a webhook got a new secret, the one before signs too.
    """
    values = {"count": count, "of_one": CLAIMED_OF_ONE, "lease": lease, "overlap": overlap}
    rows = connection.execute(_CLAIM, values)
    return [Due(*row) for row in rows]


def settle(
    connection: Connection, due: Due, state: str, problem: str = "", wait: timedelta = timedelta()
) -> None:
    """Writes what became of an attempt, unless somebody else has tried since."""
    connection.execute(
        update(delivery)
        .where(
            delivery.c.webhook_id == due.webhook_id,
            delivery.c.event_id == due.event_id,
            delivery.c.attempts == due.attempts,
        )
        .values(state=state, problem=problem, next_time=func.clock_timestamp() + wait)
    )


def replay(connection: Connection, company_id: str, webhook_id: str, begin: datetime, end: datetime) -> int:
    """Has the events of a time range delivered again; returns how many."""
    values = {"company_id": company_id, "webhook_id": webhook_id, "begin": begin, "end": end}
    return connection.execute(_REPLAY, values).rowcount


def backlog(connection: Connection) -> Backlog:
    return Backlog(*connection.execute(_BACKLOG).one())


def insert_webhook(connection: Connection, values: dict[str, Any]) -> Webhook:
    return Webhook(*connection.execute(insert(webhook).values(**values).returning(*_WEBHOOK)).one())


def webhooks(connection: Connection, company_id: str) -> list[Webhook]:
    """The webhooks of a company, by age."""
    query = select(*_WEBHOOK).where(webhook.c.company_id == company_id, webhook.c.delete_time.is_(None))
    return [Webhook(*row) for row in connection.execute(query.order_by(webhook.c.create_time, webhook.c.id))]


def lock_webhook(connection: Connection, company_id: str, webhook_id: str) -> Webhook | None:
    """A webhook that nobody else changes meanwhile."""
    query = select(*_WEBHOOK).where(
        webhook.c.id == webhook_id, webhook.c.company_id == company_id, webhook.c.delete_time.is_(None)
    )
    row = connection.execute(query.with_for_update()).first()
    return Webhook(*row) if row else None


def change_webhook(connection: Connection, webhook_id: str, **values: Any) -> Webhook:
    statement = update(webhook).where(webhook.c.id == webhook_id).values(**values).returning(*_WEBHOOK)
    return Webhook(*connection.execute(statement).one())


def delete_webhook(connection: Connection, company_id: str, webhook_id: str) -> bool:
    """Ends a webhook and what is still to be delivered to it; whether there was one."""
    statement = update(webhook).where(
        webhook.c.id == webhook_id, webhook.c.company_id == company_id, webhook.c.delete_time.is_(None)
    )
    found = connection.execute(statement.values(delete_time=func.clock_timestamp())).rowcount == 1
    if found:
        connection.execute(
            delete(delivery).where(delivery.c.webhook_id == webhook_id, delivery.c.state == "pending")
        )
    return found


def deliveries(connection: Connection, company_id: str, state: str, count: int) -> list[Delivery]:
    """The newest deliveries of a company in a state."""
    query = (
        select(
            delivery.c.webhook_id,
            delivery.c.event_id,
            event.c.type,
            event.c.time,
            delivery.c.state,
            delivery.c.attempts,
            delivery.c.next_time,
            delivery.c.problem,
        )
        .join(event, event.c.id == delivery.c.event_id)
        .where(event.c.company_id == company_id, delivery.c.state == state)
        .order_by(event.c.time.desc())
        .limit(count)
    )
    return [Delivery(*row) for row in connection.execute(query)]


def companies(connection: Connection) -> list[str]:
    return list(connection.scalars(text("SELECT id FROM company ORDER BY id")))


def forget(connection: Connection, company_id: str, before: datetime, count: int) -> int:
    """Deletes the oldest events of before, unless they are still to be delivered; returns how many."""
    waiting = select(delivery.c.event_id).where(
        delivery.c.event_id == event.c.id, delivery.c.state == "pending"
    )
    old = (
        select(event.c.id)
        .where(event.c.company_id == company_id, event.c.time < before, event.c.assigned, ~waiting.exists())
        .order_by(event.c.time)
        .limit(count)
    )
    ids = list(connection.scalars(old.with_for_update(skip_locked=True)))
    connection.execute(delete(delivery).where(delivery.c.event_id.in_(ids)))
    return connection.execute(delete(event).where(event.c.id.in_(ids))).rowcount
