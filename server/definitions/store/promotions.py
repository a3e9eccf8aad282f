"""Promotions and their versions: the SQL of drafts, reviews and lists."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dealwright.v1.promotion_pb2 import Promotion
from sqlalchemy import Connection, Select, and_, case, func, insert, literal, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert

from server.definitions.lifecycle import Review, Standing, State
from server.definitions.tables import promotion, promotion_version, settings_version

RULES = tuple(field.name for field in Promotion.DESCRIPTOR.oneofs_by_name["rule"].fields)
"""The types of promotions, named as the fields that hold their rules."""

Json = dict[str, Any]


_newest = promotion_version.alias("newest")
_published = promotion_version.alias("published")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a promotion stands, as far as it is stored."""

    promotion_id: str
    version: int
    review: Review
    published_version: int | None
    standing: Standing
    approvers: tuple[str, ...]
    """Who has approved the newest version, until it is published."""


@dataclass(frozen=True, slots=True)
class Head(Place):
    """Where a promotion stands at an instant."""

    audit_number: int
    """The number of its last audit entry, which people get as its etag."""
    state: State


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a promotion."""

    promotion_id: str
    version: int
    definition: Json
    author: str
    comment: str
    create_time: datetime


@dataclass(frozen=True, slots=True)
class Filter:
    """Which promotions a list shows; what isn't given excludes nothing."""

    states: Collection[State] = ()
    reviews: Collection[Review] = ()
    types: Collection[str] = ()
    words: str = ""
    labels: Sequence[Json] = ()
    """Labels as protojson, all of which are wanted."""


def heads(
    connection: Connection, company_id: str, now: datetime, ids: Collection[str] | None = None
) -> dict[str, Head]:
    """Where promotions stand, by id; all of the company when no ids are given."""
    query = _heads(company_id, now)
    if ids is not None:
        query = query.where(promotion.c.promotion_id.in_(ids))
    found = connection.execute(query)
    return {row.promotion_id: _head(row) for row in found}


def page(
    connection: Connection, company_id: str, now: datetime, wanted: Filter, after: str, count: int
) -> list[tuple[Head, Version]]:
    """Promotions with their newest version, by id, those after an id."""
    column = _newest.c
    query = (
        _heads(company_id, now)
        .join(
            _newest,
            and_(
                column.company_id == promotion.c.company_id,
                column.promotion_id == promotion.c.promotion_id,
                column.version == promotion.c.version,
            ),
        )
        .add_columns(column.definition, column.author, column.comment, column.create_time)
        .where(promotion.c.promotion_id > after)
    )
    if wanted.states:
        query = query.where(_state(company_id, now).in_(wanted.states))
    if wanted.reviews:
        query = query.where(promotion.c.review.in_(wanted.reviews))
    if wanted.types:
        query = query.where(column.type.in_(wanted.types))
    if wanted.words:
        query = query.where(column.search.op("@@")(_all_words(wanted.words)))
    for label in wanted.labels:
        query = query.where(column.definition["labels"].contains([label]))
    found = connection.execute(query.order_by(promotion.c.promotion_id).limit(count))
    return [
        (
            _head(row),
            Version(row.promotion_id, row.version, row.definition, row.author, row.comment, row.create_time),
        )
        for row in found
    ]


def versions(
    connection: Connection, company_id: str, wanted: Iterable[tuple[str, int]]
) -> dict[tuple[str, int], Version]:
    """Some versions of some promotions, by id and number."""
    column = promotion_version.c
    pairs = list(wanted)
    rows = connection.execute(
        select(
            column.promotion_id,
            column.version,
            column.definition,
            column.author,
            column.comment,
            column.create_time,
        ).where(
            column.company_id == company_id,
            # Two conditions, since a list of pairs uses no index; what is too much is dropped below.
            column.promotion_id.in_({key for key, _ in pairs}),
            column.version.in_({number for _, number in pairs}),
        )
    )
    found = {(row.promotion_id, row.version): Version(*row) for row in rows}
    return {pair: found[pair] for pair in pairs if pair in found}


def authors_since(connection: Connection, company_id: str, promotion_id: str, version: int) -> set[str]:
    """Who wrote the versions after one."""
    column = promotion_version.c
    return set(
        connection.scalars(
            select(column.author).where(
                column.company_id == company_id,
                column.promotion_id == promotion_id,
                column.version > version,
            )
        )
    )


def insert_versions(
    connection: Connection,
    company_id: str,
    definitions: Iterable[Json],
    heads_before: Mapping[str, Head],
    author: str,
    comment: str,
) -> dict[str, int]:
    """Writes a new version of each promotion and returns its number by promotion id."""
    numbers: dict[str, int] = {}
    rows = []
    for definition in definitions:
        before = heads_before.get(definition["id"])
        number = before.version + 1 if before else 1
        numbers[definition["id"]] = number
        written = {"company_id": company_id, "version": number, "author": author, "comment": comment}
        rows.append({**written, **_projection(definition)})
    if rows:
        connection.execute(insert(promotion_version), rows)
    return numbers


def put_places(
    connection: Connection, company_id: str, places: Sequence[Place], entries: Sequence[int]
) -> None:
    """Writes where promotions stand now. The audit entries that say so come first among `entries`."""
    if not places:
        return
    statement = upsert(promotion)
    changed = ("version", "review", "published_version", "standing", "approvers")
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["company_id", "promotion_id"],
            set_={name: statement.excluded[name] for name in (*changed, "audit_number")},
        ),
        [
            {
                "company_id": company_id,
                "promotion_id": place.promotion_id,
                "audit_number": entry,
                **{name: getattr(place, name) for name in changed},
            }
            for place, entry in zip(places, entries, strict=False)
        ],
    )


def _heads(company_id: str, now: datetime) -> Select[Any]:
    published = _published.c
    return (
        select(
            promotion.c.promotion_id,
            promotion.c.version,
            promotion.c.review,
            promotion.c.published_version,
            promotion.c.standing,
            promotion.c.approvers,
            promotion.c.audit_number,
            _state(company_id, now).label("state"),
        )
        .select_from(promotion)
        .outerjoin(
            _published,
            and_(
                published.company_id == promotion.c.company_id,
                published.promotion_id == promotion.c.promotion_id,
                published.version == promotion.c.published_version,
            ),
        )
        .where(promotion.c.company_id == company_id)
    )


def _state(company_id: str, now: datetime) -> Any:
    """The state at an instant. Days are those of the schedule's zone, else of the policy's.

    Pricing goes by the clock of each store; this is what a company as a whole calls active.
    """
    published = _published.c
    policy_zone = (
        select(func.nullif(settings_version.c.policy["time_zone"].astext, ""))
        .where(settings_version.c.company_id == company_id)
        .order_by(settings_version.c.revision.desc())
        .limit(1)
        .scalar_subquery()
    )
    zone = func.coalesce(published.time_zone, policy_zone, "UTC")
    moment = literal(now)
    today = func.date(func.timezone(zone, moment))
    return case(
        (promotion.c.standing.in_((Standing.ARCHIVED, Standing.PAUSED)), promotion.c.standing),
        (promotion.c.standing == Standing.UNPUBLISHED, promotion.c.review),
        (or_(moment < published.start_time, today < published.start_date), State.SCHEDULED),
        (or_(moment >= published.end_time, today > published.end_date), State.ENDED),
        else_=State.ACTIVE,
    )


def _all_words(text: str) -> Any:
    """Every word has to occur, the last one at least as a beginning, so that a search works while typing."""
    words = [
        "".join(letter for letter in word if letter.isalnum() or letter in "-_.") for word in text.split()
    ]
    terms = [f"'{word}':*" for word in words if word]
    return func.to_tsquery("simple", " & ".join(terms))


def _head(row: Any) -> Head:
    return Head(
        row.promotion_id,
        row.version,
        Review(row.review),
        row.published_version,
        Standing(row.standing),
        tuple(row.approvers),
        row.audit_number,
        State(row.state),
    )


def _projection(definition: Json) -> Json:
    """The columns of a definition: the one place that fills them."""
    schedule = definition.get("schedule", {})
    return {
        "promotion_id": definition["id"],
        "definition": definition,
        "type": next((rule for rule in RULES if rule in definition), ""),
        "code": definition.get("code", ""),
        "priority": definition.get("priority", 0),
        "rule_language": definition.get("rule_language", 0),
        "start_time": schedule.get("start_time"),
        "end_time": schedule.get("end_time"),
        "start_date": schedule.get("start_date"),
        "end_date": schedule.get("end_date"),
        "time_zone": schedule.get("time_zone"),
    }
