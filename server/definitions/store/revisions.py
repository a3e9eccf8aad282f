"""Companies, revisions and what is in force at each: the SQL of publishing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, exists, func, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert

from server.definitions.tables import (
    change_log,
    company,
    promotion_version,
    reference_version,
    revision,
    revision_head,
    settings_version,
)

NOTIFY_CHANNEL = "dealwright_revision"

IN_FORCE = ("publish", "resume")
"""The changes after which a promotion is in force."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class StoredPromotion:
    """One version of a promotion, as it stands in the database."""

    promotion_id: str
    version: int
    definition: Json


@dataclass(frozen=True, slots=True)
class Change:
    """What a revision does to one promotion. Without a version it is a tombstone."""

    promotion_id: str
    change: str
    version: int | None


@dataclass(frozen=True, slots=True)
class Revision:
    """One publication of a company."""

    revision: int
    action: str
    author: str
    comment: str
    publish_time: datetime


def companies(connection: Connection) -> list[str]:
    return list(connection.scalars(select(company.c.id).order_by(company.c.id)))


def lock_company(connection: Connection, company_id: str) -> None:
    """Makes sure that the company exists, and keeps other writers out until the transaction ends."""
    connection.execute(upsert(company).values(id=company_id).on_conflict_do_nothing())
    connection.execute(upsert(revision_head).values(company_id=company_id).on_conflict_do_nothing())
    connection.execute(select(company.c.id).where(company.c.id == company_id).with_for_update(key_share=True))


def self_approval(connection: Connection, company_id: str) -> bool:
    """Whether people of the company may approve what they wrote themselves."""
    return bool(connection.scalar(select(company.c.self_approval).where(company.c.id == company_id)))


def set_self_approval(connection: Connection, company_id: str, allowed: bool) -> None:
    connection.execute(update(company).where(company.c.id == company_id).values(self_approval=allowed))


def guardrails(connection: Connection, company_id: str) -> Json:
    """What the company lets nobody bring into force."""
    found: Json | None = connection.scalar(select(company.c.guardrails).where(company.c.id == company_id))
    return found or {}


def set_guardrails(connection: Connection, company_id: str, guardrails: Json) -> None:
    connection.execute(update(company).where(company.c.id == company_id).values(guardrails=guardrails))


def head_revision(connection: Connection, company_id: str) -> int | None:
    """The last revision that was published; None when the company isn't known."""
    return connection.scalar(select(revision_head.c.revision).where(revision_head.c.company_id == company_id))


def promotions_at(connection: Connection, company_id: str, number: int) -> list[StoredPromotion]:
    """The promotions in force at a revision, by id."""
    return _changed_last(connection, company_id, number, IN_FORCE)


def paused_at(connection: Connection, company_id: str, number: int) -> dict[str, StoredPromotion]:
    """The promotions that were paused at a revision, by id."""
    return {
        stored.promotion_id: stored for stored in _changed_last(connection, company_id, number, ("pause",))
    }


def _changed_last(
    connection: Connection, company_id: str, number: int, changes: Sequence[str]
) -> list[StoredPromotion]:
    """The promotions of which the newest entry at a revision is one of some changes."""
    log = change_log.c
    newest = (
        select(log.promotion_id, log.version, log.change)
        .where(log.company_id == company_id, log.revision <= number)
        .ext(distinct_on(log.promotion_id))
        .order_by(log.promotion_id, log.revision.desc())
        .subquery()
    )
    versions = promotion_version.c
    rows = connection.execute(
        select(versions.promotion_id, versions.version, versions.definition)
        .join(
            newest, (versions.promotion_id == newest.c.promotion_id) & (versions.version == newest.c.version)
        )
        .where(versions.company_id == company_id, newest.c.change.in_(changes))
        .order_by(versions.promotion_id)
    )
    return [StoredPromotion(*row) for row in rows]


def changes_between(connection: Connection, company_id: str, after: int, number: int) -> list[Change]:
    """The last change of each promotion that any did after a revision, up to another one."""
    log = change_log.c
    rows = connection.execute(
        select(log.promotion_id, log.change, log.version)
        .where(log.company_id == company_id, log.revision > after, log.revision <= number)
        .ext(distinct_on(log.promotion_id))
        .order_by(log.promotion_id, log.revision.desc())
    )
    return [Change(*row) for row in rows]


def settings_changed(
    connection: Connection, company_id: str, after: int, number: int, kinds: Iterable[str]
) -> bool:
    """Whether the policy or reference data of some kinds changed after a revision, up to another one."""
    policy, reference = settings_version.c, reference_version.c
    either = or_(
        exists().where(policy.company_id == company_id, policy.revision > after, policy.revision <= number),
        exists().where(
            reference.company_id == company_id,
            reference.revision > after,
            reference.revision <= number,
            reference.kind.in_(list(kinds)),
        ),
    )
    return bool(connection.scalar(select(either)))


def policy_at(connection: Connection, company_id: str, number: int) -> Json | None:
    """The policy in force at a revision; None when none was ever published."""
    column = settings_version.c
    found: Json | None = connection.scalar(
        select(column.policy)
        .where(column.company_id == company_id, column.revision <= number)
        .order_by(column.revision.desc())
        .limit(1)
    )
    return found


def revisions(connection: Connection, company_id: str, below: int | None, count: int) -> list[Revision]:
    """The newest revisions, or the newest below a number."""
    column = revision.c
    query = select(column.revision, column.action, column.author, column.comment, column.publish_time).where(
        column.company_id == company_id
    )
    if below is not None:
        query = query.where(column.revision < below)
    return [Revision(*row) for row in connection.execute(query.order_by(column.revision.desc()).limit(count))]


def take_revision(connection: Connection, company_id: str, action: str, author: str, comment: str) -> int:
    """Takes the next revision. Its row stays locked until the commit, so commit order is revision order."""
    taken: int = connection.execute(
        update(revision_head)
        .where(revision_head.c.company_id == company_id)
        .values(revision=revision_head.c.revision + 1)
        .returning(revision_head.c.revision)
    ).scalar_one()
    connection.execute(
        insert(revision).values(
            company_id=company_id, revision=taken, action=action, author=author, comment=comment
        )
    )
    return taken


def append_changes(connection: Connection, company_id: str, number: int, changes: Sequence[Change]) -> None:
    """Appends what a revision changed."""
    rows: list[Mapping[str, Any]] = [
        {
            "company_id": company_id,
            "revision": number,
            "promotion_id": change.promotion_id,
            "change": change.change,
            "version": change.version,
        }
        for change in changes
    ]
    if rows:
        connection.execute(insert(change_log), rows)


def insert_policy(connection: Connection, company_id: str, number: int, policy: Json) -> None:
    connection.execute(insert(settings_version).values(company_id=company_id, revision=number, policy=policy))


def notify(connection: Connection, company_id: str, number: int) -> None:
    """Tells listeners of a revision at the commit; a hint, never the only way to learn of it."""
    payload = f"{company_id}:{number}"
    connection.execute(
        text("SELECT pg_notify(:channel, :payload)"), {"channel": NOTIFY_CHANNEL, "payload": payload}
    )


def database_time(connection: Connection) -> datetime:
    """The database's clock, the only one that is the same for all processes."""
    now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return now


def knows_time_zone(connection: Connection, zone: str) -> bool:
    """Whether the database can compute in a zone; its list may be older than the engine's."""
    known = text("SELECT EXISTS (SELECT FROM pg_timezone_names WHERE name = :zone)")
    return bool(connection.scalar(known, {"zone": zone}))
