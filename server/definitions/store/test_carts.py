"""Test carts: the SQL of their versions. A cart is deleted by a last version without a definition."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select
from sqlalchemy.dialects.postgresql import distinct_on

from server.definitions.tables import test_cart_version

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class StoredCart:
    """The newest version of a test cart; without a definition when it was deleted."""

    test_cart_id: str
    version: int
    definition: Json | None
    author: str
    comment: str
    create_time: datetime
    audit_number: int


def newest(
    connection: Connection,
    company_id: str,
    ids: Collection[str] | None = None,
    after: str = "",
    count: int | None = None,
) -> dict[str, StoredCart]:
    """The newest versions by id, those after an id; deleted ones only when they are asked for by id."""
    column = test_cart_version.c
    query = (
        select(
            column.test_cart_id,
            column.version,
            column.definition,
            column.author,
            column.comment,
            column.create_time,
            column.audit_number,
        )
        .where(column.company_id == company_id, column.test_cart_id > after)
        .ext(distinct_on(column.test_cart_id))
        .order_by(column.test_cart_id, column.version.desc())
    )
    if ids is not None:
        query = query.where(column.test_cart_id.in_(ids))
        return {row.test_cart_id: StoredCart(*row) for row in connection.execute(query)}
    found = query.subquery()
    kept = select(found).where(found.c.definition.is_not(None)).order_by(found.c.test_cart_id).limit(count)
    return {row.test_cart_id: StoredCart(*row) for row in connection.execute(kept)}


def insert_versions(
    connection: Connection,
    company_id: str,
    versions: Sequence[tuple[str, int, Json | None, int]],
    author: str,
    comment: str,
) -> None:
    """Writes versions: id, number, definition and audit entry of each."""
    rows = [
        {
            "company_id": company_id,
            "test_cart_id": key,
            "version": version,
            "definition": definition,
            "author": author,
            "comment": comment,
            "audit_number": entry,
        }
        for key, version, definition, entry in versions
    ]
    if rows:
        connection.execute(insert(test_cart_version), rows)
