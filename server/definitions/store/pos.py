"""POS documents of promotions, each as of a revision and in a currency: the SQL."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.dialects.postgresql import distinct_on

from server.definitions.store.references import references_at
from server.definitions.store.revisions import IN_FORCE
from server.definitions.tables import (
    change_log,
    company,
    pos_document,
    promotion,
    reference_version,
    revision,
    revision_head,
)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PosDocument:
    """The document of a promotion from a revision on."""

    promotion_id: str
    revision: int
    document: Json | None
    unsaid: tuple[str, ...]
    """What of the definition no document can say. While there is something, there is no document."""


_COLUMNS = (
    pos_document.c.promotion_id,
    pos_document.c.revision,
    pos_document.c.document,
    pos_document.c.unsaid,
)


def insert_documents(
    connection: Connection, company_id: str, documents: Mapping[str, Sequence[PosDocument]]
) -> None:
    """Adds documents, given by their currency."""
    rows = [
        {
            "company_id": company_id,
            "currency_code": currency_code,
            "promotion_id": document.promotion_id,
            "revision": document.revision,
            "document": document.document,
            "unsaid": list(document.unsaid),
        }
        for currency_code, written in documents.items()
        for document in written
    ]
    if rows:
        connection.execute(insert(pos_document), rows)


def currencies_written(connection: Connection, company_id: str) -> set[str]:
    """The currencies in which a company's documents were ever written."""
    query = select(pos_document.c.currency_code).where(pos_document.c.company_id == company_id).distinct()
    return set(connection.scalars(query))


def documents_at(
    connection: Connection, company_id: str, currency_code: str, number: int
) -> dict[str, PosDocument]:
    """The documents of all promotions in force at a revision, by id."""
    log = change_log.c
    newest = (
        select(log.promotion_id, log.change)
        .where(log.company_id == company_id, log.revision <= number)
        .ext(distinct_on(log.promotion_id))
        .order_by(log.promotion_id, log.revision.desc())
        .subquery()
    )
    written = (
        select(*_COLUMNS)
        .where(_in(company_id, currency_code), pos_document.c.revision <= number)
        .ext(distinct_on(pos_document.c.promotion_id))
        .order_by(pos_document.c.promotion_id, pos_document.c.revision.desc())
        .subquery()
    )
    rows = connection.execute(
        select(written)
        .join(newest, written.c.promotion_id == newest.c.promotion_id)
        .where(newest.c.change.in_(IN_FORCE))
        .order_by(written.c.promotion_id)
    )
    return {row.promotion_id: _document(row) for row in rows}


def written_between(
    connection: Connection, company_id: str, currency_code: str, after: int, up_to: int
) -> list[PosDocument]:
    """The documents that came with some revisions, also those that were replaced since."""
    rows = connection.execute(
        select(*_COLUMNS).where(
            _in(company_id, currency_code),
            pos_document.c.revision > after,
            pos_document.c.revision <= up_to,
        )
    )
    return [_document(row) for row in rows]


def settled_head(connection: Connection, company_id: str) -> tuple[int, datetime]:
    """The last revision and the time, after which every later one is dated: publishers are waited for."""
    number = connection.scalar(
        select(revision_head.c.revision)
        .where(revision_head.c.company_id == company_id)
        .with_for_update(read=True)
    )
    now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return number or 0, now


def revision_before(connection: Connection, company_id: str, moment: datetime) -> int:
    """The last revision that was published by a moment; 0 when none was."""
    query = select(func.max(revision.c.revision)).where(
        revision.c.company_id == company_id, revision.c.publish_time <= moment
    )
    return connection.scalar(query) or 0


def publish_time(connection: Connection, company_id: str, number: int) -> datetime | None:
    return connection.scalar(
        select(revision.c.publish_time).where(
            revision.c.company_id == company_id, revision.c.revision == number
        )
    )


def force_update(connection: Connection, company_id: str) -> bool:
    """Whether tills are to load everything anew."""
    return bool(connection.scalar(select(company.c.force_update).where(company.c.id == company_id)))


def set_force_update(connection: Connection, company_id: str, forced: bool) -> None:
    connection.execute(update(company).where(company.c.id == company_id).values(force_update=forced))


def currencies_at(connection: Connection, company_id: str, number: int) -> dict[str, str]:
    """The currency of each store at a revision, by its id."""
    stores = references_at(connection, company_id, number, ["store"])["store"]
    return {key: definition.get("currency_code", "") for key, definition in stores.items()}


def known(connection: Connection, company_id: str, promotion_ids: Collection[str]) -> set[str]:
    """Those of some promotions that were ever made."""
    query = select(promotion.c.promotion_id).where(
        promotion.c.company_id == company_id, promotion.c.promotion_id.in_(promotion_ids)
    )
    return set(connection.scalars(query))


def store_at(connection: Connection, company_id: str, store_id: str, number: int) -> Json | None:
    """A store as it was at a revision; None when there was none."""
    column = reference_version.c
    found: Json | None = connection.scalar(
        select(column.definition)
        .where(
            column.company_id == company_id,
            column.kind == "store",
            column.id == store_id,
            column.revision <= number,
        )
        .order_by(column.revision.desc())
        .limit(1)
    )
    return found


def _in(company_id: str, currency_code: str) -> Any:
    return (pos_document.c.company_id == company_id) & (pos_document.c.currency_code == currency_code)


def _document(row: Any) -> PosDocument:
    return PosDocument(row.promotion_id, row.revision, row.document, tuple(row.unsaid))
