"""What promotions were granted by store and day: counted by a job from what is final, each grant once."""

import base64
import binascii
import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date
from uuid import UUID

from dealwright.v1 import daily_total_pb2 as schema
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest
from sqlalchemy import Connection, Engine, bindparam, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert

from server.actors import Actor
from server.db.engine import plain_errors
from server.definitions.service import Definitions
from server.evaluation.limits import RulesetLimits
from server.redemption.tables import daily_total, redemption, redemption_promotion, redemption_sale
from server.runtime import paging
from server.runtime.errors import Invalid

COUNT_MAX = 500
"""Promotions of redemptions that one transaction counts."""

ZONES_MAX = 16
"""Revisions of which the zones of stores are remembered."""

FINAL = frozenset({"committed", "partly_returned", "returned"})


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """What a total is about, in the order in which they are listed and locked."""

    company_id: str
    day: date
    promotion_id: str
    store_id: str
    currency_code: str


@dataclass(slots=True)
class Amounts:
    """What is added to a total."""

    redemptions: int = 0
    discount_minor: int = 0
    cost_minor: int = 0
    returned_minor: int = 0


_FIELDS = (*fields(Place), *fields(Amounts))
_PLACE = len(fields(Place))


@dataclass(frozen=True, slots=True)
class Uncounted:
    """A promotion of a redemption that isn't in the totals as it is now."""

    redemption_id: UUID
    promotion_id: str
    discount_minor: int
    cost_minor: int
    returned_minor: int
    counted_returned_minor: int
    day: date | None
    """None: nothing of it is in the totals."""


@dataclass(frozen=True, slots=True)
class Sold:
    """The redemption that it belongs to."""

    id: UUID
    company_id: str
    store_id: str
    currency_code: str
    state: str
    revision: int
    sequence: int | None
    request: bytes

    @property
    def counts(self) -> bool:
        """Whether it is in the totals: these are of what was granted here, and not by tills on their own."""
        return self.state in FINAL and self.sequence is None


class Totals:
    """The totals of all companies."""

    def __init__(self, engine: Engine, definitions: Definitions) -> None:
        self._engine = engine
        self._definitions = definitions
        self._limits: dict[tuple[str, int], RulesetLimits] = {}

    def count(self) -> int:
        """Counts what became final or came back since the last run; says how many grants that were."""
        total = 0
        while True:
            with plain_errors(self._engine), self._engine.begin() as connection:
                counted = self._count_some(connection)
            total += counted
            if counted < COUNT_MAX:
                return total

    def page(self, actor: Actor, request: schema.ListDailyTotalsRequest) -> schema.ListDailyTotalsResponse:
        """Totals that meet what is asked, a page at a time."""
        size = paging.size(request.page_size)
        column = daily_total.c
        order = (column.day, column.promotion_id, column.store_id, column.currency_code)
        query = select(*(column[field.name] for field in _FIELDS)).where(
            column.company_id == actor.company_id
        )
        if request.first_date:
            query = query.where(column.day >= _date(request.first_date, "first_date"))
        if request.last_date:
            query = query.where(column.day <= _date(request.last_date, "last_date"))
        if request.promotion_id:
            query = query.where(column.promotion_id == request.promotion_id)
        if request.store_id:
            query = query.where(column.store_id == request.store_id)
        if actor.store_ids:
            query = query.where(column.store_id.in_(actor.store_ids))
        if request.page_token:
            query = query.where(tuple_(*order) > tuple_(*_place_of(request.page_token)))
        with plain_errors(self._engine), self._engine.connect() as connection:
            rows = connection.execute(query.order_by(*order).limit(size + 1)).all()
        totals = [(Place(*row[:_PLACE]), Amounts(*row[_PLACE:])) for row in rows]
        return schema.ListDailyTotalsResponse(
            totals=[_message(*total) for total in totals[:size]],
            next_page_token=_token_of(totals[size - 1][0]) if len(totals) > size else "",
        )

    def _count_some(self, connection: Connection) -> int:
        granted = _lock_uncounted(connection)
        # Read after the locks: whoever makes a redemption final from here on waits, and has it counted again.
        sold = _sold(connection, {each.redemption_id for each in granted})
        added: defaultdict[Place, Amounts] = defaultdict(Amounts)
        days: list[date | None] = []
        for each in granted:
            sale = sold[each.redemption_id]
            day = each.day or (self._day(sale) if sale.counts else None)
            days.append(day)
            if day is None:
                continue
            place = Place(sale.company_id, day, each.promotion_id, sale.store_id, sale.currency_code)
            if each.day is None:
                added[place].redemptions += 1
                added[place].discount_minor += each.discount_minor
                added[place].cost_minor += each.cost_minor
            added[place].returned_minor += each.returned_minor - each.counted_returned_minor
        _add(connection, added)
        _mark(connection, granted, days)
        return len(granted)

    def _day(self, sale: Sold) -> date:
        """The day of a sale, by the zones of its revision."""
        key = (sale.company_id, sale.revision)
        if key not in self._limits:
            if len(self._limits) >= ZONES_MAX:
                self._limits.clear()
            self._limits[key] = RulesetLimits.of(self._definitions.ruleset(*key))
        request = EvaluateRequest.FromString(sale.request)
        return self._limits[key].day(request.cart, request.evaluate_time.ToDatetime(UTC))


def _lock_uncounted(connection: Connection) -> list[Uncounted]:
    """What isn't counted and isn't reserved any more, and that nobody is busy with."""
    column = redemption_promotion.c
    rows = connection.execute(
        select(*(column[field.name] for field in fields(Uncounted)))
        .join(redemption, redemption.c.id == column.redemption_id)
        .where(~column.counted, redemption.c.state != "reserved")
        .order_by(column.redemption_id, column.promotion_id)
        .limit(COUNT_MAX)
        .with_for_update(of=redemption_promotion, skip_locked=True)
    )
    return [Uncounted(*row) for row in rows]


def _sold(connection: Connection, redemption_ids: Collection[UUID]) -> dict[UUID, Sold]:
    column = redemption.c
    rows = connection.execute(
        select(
            *(column.id, column.company_id, column.store_id, column.currency_code),
            *(column.state, column.revision, column.sequence, redemption_sale.c.request),
        )
        .join(redemption_sale, redemption_sale.c.redemption_id == column.id)
        .where(column.id.in_(redemption_ids))
    )
    return {sold.id: sold for sold in (Sold(*row) for row in rows)}


def _add(connection: Connection, added: Mapping[Place, Amounts]) -> None:
    rows = [
        {field.name: getattr(part, field.name) for part in (place, amounts) for field in fields(part)}
        for place, amounts in sorted(added.items(), key=lambda item: item[0])
    ]
    if not rows:
        return
    statement = upsert(daily_total)
    changed = {
        field.name: daily_total.c[field.name] + statement.excluded[field.name] for field in fields(Amounts)
    }
    connection.execute(statement.on_conflict_do_update(constraint="pk_daily_total", set_=changed), rows)


def _mark(connection: Connection, granted: Sequence[Uncounted], days: Sequence[date | None]) -> None:
    column = redemption_promotion.c
    statement = (
        update(redemption_promotion)
        .where(
            column.redemption_id == bindparam("of_redemption"),
            column.promotion_id == bindparam("of_promotion"),
        )
        .values(day=bindparam("on"), counted=True, counted_returned_minor=bindparam("returned"))
    )
    rows = [
        {
            "of_redemption": each.redemption_id,
            "of_promotion": each.promotion_id,
            "on": day,
            "returned": each.returned_minor if day else 0,
        }
        for each, day in zip(granted, days, strict=True)
    ]
    if rows:
        connection.execute(statement, rows)


def _message(place: Place, amounts: Amounts) -> schema.DailyTotal:
    return schema.DailyTotal(
        date=place.day.isoformat(),
        promotion_id=place.promotion_id,
        store_id=place.store_id,
        currency_code=place.currency_code,
        **asdict(amounts),
    )


def _date(text: str, field: str) -> date:
    """A date as a caller writes it."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.isoformat() != text:
        raise Invalid("DATE_INVALID", f"{field} is a date such as 2027-05-01", field=field)
    return found


def _token_of(place: Place) -> str:
    after = [place.day.isoformat(), place.promotion_id, place.store_id, place.currency_code]
    return base64.urlsafe_b64encode(json.dumps(after).encode()).decode()


def _place_of(token: str) -> tuple[date, str, str, str]:
    try:
        day, promotion_id, store_id, currency_code = map(
            str, json.loads(base64.b64decode(token.encode(), b"-_", validate=True))
        )
        return date.fromisoformat(day), promotion_id, store_id, currency_code
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise Invalid(
            "PAGE_TOKEN_INVALID", "page_token is none that was given", field="page_token"
        ) from error
