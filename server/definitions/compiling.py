"""POS documents of a revision, written while it is made: tills that ask for them cost no computing."""

from collections.abc import Collection, Mapping
from datetime import datetime

from dealwright.v1.promotion_pb2 import Promotion
from sqlalchemy import Connection

from server.definitions.contents import Contents
from server.definitions.pos import Edition, project, with_numbers
from server.definitions.store import pos as store
from server.definitions.store.pos import PosDocument


def compiled(
    connection: Connection,
    before: Contents,
    after: Contents,
    promotions: Mapping[str, Promotion],
    changed: Collection[str],
    now: datetime,
) -> dict[str, list[PosDocument]]:
    """The documents of what changes, by each currency in which the company's stores sell.

    Where a currency is new, or other holidays make other documents, all of them are written.
    """
    known, documents = set(editions(before)), {}
    for edition in editions(after):
        complete = edition in known and store.has_any(connection, after.company_id, edition.currency_code)
        wanted = [key for key in (changed if complete else after.promotions) if key in after.promotions]
        documents[edition.currency_code] = [
            _document(promotions[key], edition, after.promotions[key].version, after.revision, now)
            for key in wanted
        ]
    return documents


def editions(contents: Contents) -> list[Edition]:
    """What a company's documents are written for, one for each currency of its stores."""
    calendars = tuple(sorted(contents.references.get("holiday_calendar", {})))
    currencies = {store.get("currency_code", "") for store in contents.references.get("store", {}).values()}
    return [Edition(currency, calendar_ids=calendars) for currency in sorted(currencies)]


def _document(
    promotion: Promotion, edition: Edition, version: int, revision: int, now: datetime
) -> PosDocument:
    projection = project(promotion, edition, version, now)
    return PosDocument(promotion.id, revision, with_numbers(projection.document), projection.unsaid)
