"""The SQL of uploads."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Table, func, select
from sqlalchemy.dialects.postgresql import insert

from server.usage.tables import usage

Json = dict[str, Any]


def add(connection: Connection, table: Table, row: Json) -> bool:
    """Adds a row, unless there is one of the same key."""
    key = list(table.primary_key.columns)
    statement = insert(table).values(**row).on_conflict_do_nothing(index_elements=key)
    return connection.execute(statement.returning(table.c.bill_id)).first() is not None


def usage_like(connection: Connection, row: Json) -> Json:
    """The usage of the same key."""
    key = list(usage.primary_key.columns)
    found = connection.execute(select(usage).where(*(column == row[column.name] for column in key))).one()
    return dict(found._mapping)


def counts(connection: Connection, company_id: str, promotion_ids: Collection[str]) -> dict[str, int]:
    """How often some promotions were used."""
    rows = connection.execute(
        select(usage.c.promotion_id, func.count().label("uses"))
        .where(usage.c.company_id == company_id, usage.c.promotion_id.in_(promotion_ids))
        .group_by(usage.c.promotion_id)
    )
    return {row.promotion_id: row.uses for row in rows}
