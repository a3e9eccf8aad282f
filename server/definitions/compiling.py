"""POS documents of a revision, written while it is made: tills that ask for them cost no computing."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from dealwright.v1.promotion_pb2 import Promotion
from sqlalchemy import Connection

from server.definitions.contents import Contents
from server.definitions.pos import Edition, amounts_of, depends_on_stores, project, with_numbers
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
    """The documents of what changes, by each currency in which the company sells.

    Where a currency is new, or other holidays make other documents, all of them are written; where other
    stores are there, those that list stores.
    """
    written = store.currencies_written(connection, after.company_id)
    earlier = {edition.currency_code: edition for edition in editions(before, (), written)}
    # What a company without stores has sold in until now is written already.
    news = changed if written and not before.references.get("store") else promotions
    documents = {}
    for edition in editions(after, (promotions[key] for key in news if key in promotions), written):
        known = earlier.get(edition.currency_code)
        complete = known is None or known.calendar_ids != edition.calendar_ids
        complete = complete or edition.currency_code not in written
        moved = known is not None and known.store_regions != edition.store_regions
        documents[edition.currency_code] = [
            _document(promotion, edition, after.promotions[key].version, after.revision, now)
            for key, promotion in promotions.items()
            if complete or key in changed or (moved and depends_on_stores(promotion))
        ]
    return documents


def editions(
    contents: Contents, promotions: Iterable[Promotion], written: Collection[str] = ()
) -> list[Edition]:
    """What a company's documents are written for, one for each currency of its stores.

    A company that keeps no stores sells in the currencies of its promotions, and in those written before.
    """
    calendars = tuple(sorted(contents.references.get("holiday_calendar", {})))
    stores = contents.references.get("store", {})
    regions = tuple(sorted((key, place.get("region", "")) for key, place in stores.items()))
    currencies = {place.get("currency_code", "") for place in stores.values()}
    if not stores:
        amounts = (money for promotion in promotions for money in amounts_of(promotion))
        currencies = {money.currency_code for money in amounts} | set(written) or {""}
    return [
        Edition(currency, calendar_ids=calendars, store_regions=regions) for currency in sorted(currencies)
    ]


def _document(
    promotion: Promotion, edition: Edition, version: int, revision: int, now: datetime
) -> PosDocument:
    projection = project(promotion, edition, version, now)
    return PosDocument(promotion.id, revision, with_numbers(projection.document), projection.unsaid)
