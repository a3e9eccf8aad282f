"""The SQL of distribution: the epoch, killed promotions, and the tills that follow."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Connection,
    Text,
    and_,
    bindparam,
    cast,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.dialects.postgresql import insert as upsert

from server.distribution.tables import control_head, promotion_kill, stream_client, stream_epoch
from server.kills import Killed

CONNECTED_SECONDS = 60
"""A till that nobody has heard of for so long isn't connected, whatever its process wrote last."""


@dataclass(frozen=True, slots=True)
class Client:
    """A till as it was last known."""

    company_id: str
    device_id: str
    scope_id: str
    store_ids: tuple[str, ...]
    token_id: str
    engine_version: str
    connected: bool
    seen_time: datetime
    epoch: int
    revision: int
    control_sequence: int
    ack_time: datetime | None
    unsupported_ids: tuple[str, ...]
    nack_epoch: int | None
    nack_revision: int | None
    nack_reason: int | None
    nack_detail: str | None


_CLIENT_FIELDS = [each.name for each in fields(Client)]


def epoch(connection: Connection) -> int:
    """The epoch of the database. One that was restored, promoted or moved begins another."""
    identifier, timeline = connection.execute(
        text(
            "SELECT (SELECT system_identifier::text FROM pg_control_system()),"
            " (SELECT timeline_id FROM pg_control_checkpoint())"
        )
    ).one()
    row = connection.execute(select(stream_epoch)).one_or_none()
    if row is not None and (row.system_identifier, row.timeline) == (identifier, timeline):
        return int(row.epoch)
    return begin_epoch(connection, row.epoch if row else 0, identifier, timeline)


def begin_epoch(connection: Connection, after: int, identifier: str | None = None, timeline: int = 0) -> int:
    """Begins an epoch later than another; the clock orders epochs even when the table was set back."""
    now = cast(func.extract("epoch", func.clock_timestamp()), BigInteger)
    later = func.greatest(after + 1, now)
    known = {} if identifier is None else {"system_identifier": identifier, "timeline": timeline}
    begun = connection.scalar(
        upsert(stream_epoch)
        .values(epoch=later, system_identifier=identifier or "", timeline=timeline)
        .on_conflict_do_update(
            index_elements=[stream_epoch.c.single],
            set_={"epoch": func.greatest(stream_epoch.c.epoch + 1, later), **known},
        )
        .returning(stream_epoch.c.epoch)
    )
    return int(begun or 0)


def killed(connection: Connection, company_id: str) -> Killed:
    """What is killed now."""
    sequence = connection.scalar(
        select(control_head.c.sequence).where(control_head.c.company_id == company_id)
    )
    ids = connection.scalars(
        select(promotion_kill.c.promotion_id)
        .where(promotion_kill.c.company_id == company_id)
        .order_by(promotion_kill.c.promotion_id)
    )
    return Killed(sequence or 0, tuple(ids))


def take_sequence(connection: Connection, company_id: str) -> int:
    """Takes the next sequence; its row stays locked until the commit, so commits are in its order."""
    taken = connection.scalar(
        upsert(control_head)
        .values(company_id=company_id, sequence=1)
        .on_conflict_do_update(
            index_elements=[control_head.c.company_id], set_={"sequence": control_head.c.sequence + 1}
        )
        .returning(control_head.c.sequence)
    )
    return int(taken or 0)


def kill(connection: Connection, company_id: str, promotion_ids: Collection[str]) -> None:
    rows = [{"company_id": company_id, "promotion_id": promotion_id} for promotion_id in promotion_ids]
    if rows:
        connection.execute(insert(promotion_kill), rows)


def release(connection: Connection, company_id: str, promotion_ids: Collection[str]) -> None:
    connection.execute(
        delete(promotion_kill).where(
            promotion_kill.c.company_id == company_id, promotion_kill.c.promotion_id.in_(promotion_ids)
        )
    )


@dataclass(frozen=True, slots=True)
class Said:
    """What a till has said last."""

    store_ids: tuple[str, ...]
    epoch: int
    revision: int
    unsupported_ids: tuple[str, ...]
    nack_epoch: int | None
    nack_revision: int | None
    nack_reason: int | None


def said(connection: Connection, company_id: str) -> list[Said]:
    """What the tills of single stores have said last."""
    column = stream_client.c
    rows = connection.execute(
        select(*(column[name] for name in Said.__dataclass_fields__)).where(
            column.company_id == company_id, func.cardinality(column.store_ids) > 0
        )
    )
    return [Said(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Arrival:
    """How far a revision has come, in numbers of tills."""

    there: int
    """They have it, or a later one."""
    coming: int
    """They are connected, and don't have it yet."""
    away: int
    """They aren't connected, and don't have it."""

    @property
    def tills(self) -> int:
        return self.there + self.coming + self.away


def arrival(connection: Connection, company_id: str, place: tuple[int, int]) -> Arrival:
    """How many tills have an epoch and revision."""
    column = stream_client.c
    there = tuple_(column.epoch, column.revision) >= tuple_(*place)
    row = connection.execute(
        select(
            func.count().filter(there).label("there"),
            func.count().filter(~there & _connected()).label("coming"),
            func.count().filter(~there & ~_connected()).label("away"),
        ).where(column.company_id == company_id)
    ).one()
    return Arrival(*row)


def put_clients(connection: Connection, clients: Sequence[Client]) -> None:
    """Writes what is known of tills, unless something newer is there."""
    rows = [{name: getattr(client, name) for name in _CLIENT_FIELDS} for client in clients]
    connection.execute(_put_clients(), {"clients": json.dumps(rows, default=datetime.isoformat)})


@cache
def _put_clients() -> Insert:
    """One statement for all of them: thousands answer in the same moment."""
    given = func.json_populate_recordset(
        literal_column("CAST(NULL AS stream_client)"), cast(bindparam("clients", type_=Text), JSON)
    ).table_valued(*_CLIENT_FIELDS)
    statement = upsert(stream_client).from_select(_CLIENT_FIELDS, select(*given.c))
    return statement.on_conflict_do_update(
        index_elements=list(stream_client.primary_key),
        set_={column.name: column for column in statement.excluded if not column.primary_key},
        where=stream_client.c.seen_time <= statement.excluded.seen_time,
    )


def clients(
    connection: Connection,
    company_id: str,
    *,
    store_ids: Collection[str],
    lacking: tuple[int, int] | None,
    after: tuple[str, str] | None,
    count: int,
) -> list[Client]:
    """Tills by device and scope: those of some stores, and those that lack an epoch and revision."""
    column = stream_client.c
    query = select(
        *(column[name] for name in Client.__dataclass_fields__ if name != "connected"),
        _connected().label("connected"),
    ).where(column.company_id == company_id)
    if store_ids:
        every = func.cardinality(column.store_ids) == 0
        query = query.where(or_(column.store_ids.overlap(list(store_ids)), every))
    if lacking is not None:
        query = query.where(tuple_(column.epoch, column.revision) < tuple_(*lacking))
    if after is not None:
        query = query.where(tuple_(column.device_id, column.scope_id) > tuple_(*after))
    rows = connection.execute(query.order_by(column.device_id, column.scope_id).limit(count))
    lists = ("store_ids", "unsupported_ids")
    return [Client(**{**row._mapping, **{name: tuple(row._mapping[name]) for name in lists}}) for row in rows]


def _connected() -> ColumnElement[bool]:
    """Whether a till is connected, as far as a process says so that is still heard of."""
    recently = func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, CONNECTED_SECONDS)
    return and_(stream_client.c.connected, stream_client.c.seen_time > recently)
