"""Reference data: brands, stores, products, categories and holiday calendars, each as of a revision."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, insert, select
from sqlalchemy.dialects.postgresql import distinct_on

from server.definitions.tables import reference_version

Json = dict[str, Any]

References = dict[str, dict[str, Json]]
"""Protojson by kind and id."""


def references_at(connection: Connection, company_id: str, number: int, kinds: Iterable[str]) -> References:
    """The reference data of some kinds at a revision, by kind and id, in the order of ids."""
    column = reference_version.c
    wanted = list(kinds)
    rows = connection.execute(
        select(column.kind, column.id, column.definition)
        .where(column.company_id == company_id, column.kind.in_(wanted), column.revision <= number)
        .ext(distinct_on(column.kind, column.id))
        .order_by(column.kind, column.id, column.revision.desc())
    )
    found: References = {kind: {} for kind in wanted}
    for kind, key, definition in rows:
        if definition is not None:
            found[kind][key] = definition
    return found


def reference_page(
    connection: Connection, company_id: str, number: int, kind: str, after: str, count: int
) -> dict[str, Json]:
    """The reference data of a kind at a revision, by id in the order of ids, those behind an id."""
    column = reference_version.c
    newest = (
        select(column.id, column.definition)
        .where(
            column.company_id == company_id,
            column.kind == kind,
            column.id > after,
            column.revision <= number,
        )
        .ext(distinct_on(column.id))
        .order_by(column.id, column.revision.desc())
        .subquery()
    )
    rows = connection.execute(
        select(newest).where(newest.c.definition.is_not(None)).order_by(newest.c.id).limit(count)
    )
    return {row.id: row.definition for row in rows}


def append_references(
    connection: Connection,
    company_id: str,
    number: int,
    changes: Mapping[str, Mapping[str, Json | None]],
) -> None:
    """Appends what a revision changed: definitions by kind and id, None for what is gone."""
    rows = [
        {
            "company_id": company_id,
            "revision": number,
            "kind": kind,
            "id": key,
            "definition": definition,
            "name": definition.get("name") if definition else None,
        }
        for kind, by_id in changes.items()
        for key, definition in by_id.items()
    ]
    if rows:
        connection.execute(insert(reference_version), rows)
