"""The SQL of definitions. Every function works on a connection inside the caller's transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dealwright.v1.promotion_pb2 import Promotion
from sqlalchemy import Connection, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert

from server.definitions.tables import (
    change_log,
    company,
    promotion_version,
    revision_head,
    settings_version,
)

NOTIFY_CHANNEL = "dealwright_revision"

SETTINGS = ("policy", "stores", "categories", "holiday_calendars")
"""The columns of settings, named as the fields of a ruleset."""

RULES = tuple(field.name for field in Promotion.DESCRIPTOR.oneofs_by_name["rule"].fields)
"""The types of promotions, named as the fields that hold their rules."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class StoredPromotion:
    """One version of a promotion, as it stands in the database."""

    promotion_id: str
    version: int
    definition: Json


def companies(connection: Connection) -> list[str]:
    return list(connection.scalars(select(company.c.id).order_by(company.c.id)))


def lock_company(connection: Connection, company_id: str) -> None:
    """Makes sure that the company exists, and keeps other publications out until the transaction ends."""
    connection.execute(upsert(company).values(id=company_id).on_conflict_do_nothing())
    connection.execute(upsert(revision_head).values(company_id=company_id).on_conflict_do_nothing())
    connection.execute(select(company.c.id).where(company.c.id == company_id).with_for_update(key_share=True))


def head_revision(connection: Connection, company_id: str) -> int | None:
    """The last revision that was published; None when the company isn't known."""
    return connection.scalar(select(revision_head.c.revision).where(revision_head.c.company_id == company_id))


def promotions_at(connection: Connection, company_id: str, revision: int) -> list[StoredPromotion]:
    """The promotions in force at a revision, by id."""
    newest = (
        select(change_log.c.promotion_id, change_log.c.version)
        .where(change_log.c.company_id == company_id, change_log.c.revision <= revision)
        .ext(distinct_on(change_log.c.promotion_id))
        .order_by(change_log.c.promotion_id, change_log.c.revision.desc())
        .subquery()
    )
    versions = promotion_version.c
    rows = connection.execute(
        select(versions.promotion_id, versions.version, versions.definition)
        .join(
            newest, (versions.promotion_id == newest.c.promotion_id) & (versions.version == newest.c.version)
        )
        .where(versions.company_id == company_id)
        .order_by(versions.promotion_id)
    )
    return [StoredPromotion(*row) for row in rows]


def settings_at(connection: Connection, company_id: str, revision: int) -> Json | None:
    """The settings in force at a revision, as fields of a ruleset; None when none were ever published."""
    row = connection.execute(
        select(*(settings_version.c[name] for name in SETTINGS))
        .where(settings_version.c.company_id == company_id, settings_version.c.revision <= revision)
        .order_by(settings_version.c.revision.desc())
        .limit(1)
    ).first()
    return dict(row._mapping) if row else None


def insert_versions(connection: Connection, company_id: str, definitions: Iterable[Json]) -> dict[str, int]:
    """Writes a new version of each promotion and returns its number by promotion id."""
    by_id = {definition["id"]: definition for definition in definitions}
    if not by_id:
        return {}
    versions = promotion_version.c
    newest = connection.execute(
        select(versions.promotion_id, func.max(versions.version).label("version"))
        .where(versions.company_id == company_id, versions.promotion_id.in_(by_id))
        .group_by(versions.promotion_id)
    )
    last: dict[str, int] = {row.promotion_id: row.version for row in newest}
    numbers = {promotion_id: last.get(promotion_id, 0) + 1 for promotion_id in by_id}
    rows = [
        {"company_id": company_id, "version": numbers[promotion_id], **_projection(definition)}
        for promotion_id, definition in by_id.items()
    ]
    connection.execute(insert(promotion_version), rows)
    return numbers


def take_revision(connection: Connection, company_id: str) -> int:
    """Takes the next revision. Its row stays locked until the commit, so commit order is revision order."""
    taken: int = connection.execute(
        update(revision_head)
        .where(revision_head.c.company_id == company_id)
        .values(revision=revision_head.c.revision + 1)
        .returning(revision_head.c.revision)
    ).scalar_one()
    return taken


def append_changes(
    connection: Connection,
    company_id: str,
    revision: int,
    versions: Mapping[str, int],
    deleted: Sequence[str],
) -> None:
    """Appends what a revision changed: new versions, and tombstones for what it deleted."""
    rows = [
        {"company_id": company_id, "revision": revision, "promotion_id": promotion_id, "version": version}
        for promotion_id, version in [*versions.items(), *((promotion_id, None) for promotion_id in deleted)]
    ]
    if rows:
        connection.execute(insert(change_log), rows)


def insert_settings(connection: Connection, company_id: str, revision: int, settings: Json) -> None:
    connection.execute(insert(settings_version).values(company_id=company_id, revision=revision, **settings))


def notify(connection: Connection, company_id: str, revision: int) -> None:
    """Tells listeners of a revision at the commit; a hint, never the only way to learn of it."""
    payload = f"{company_id}:{revision}"
    connection.execute(
        text("SELECT pg_notify(:channel, :payload)"), {"channel": NOTIFY_CHANNEL, "payload": payload}
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
    }
