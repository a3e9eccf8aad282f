"""Rollouts: the SQL. Whether one runs follows from the head: the revision after it ends it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, func, insert, select

from server.definitions.front import Front
from server.definitions.tables import revision, revision_head, rollout

PROMOTE = "promote_rollout"
"""The action of a revision that brings everywhere what was rolled out."""


@dataclass(frozen=True, slots=True)
class StoredRollout:
    """A revision that was or is in force in some stores first, and the revision that ended that."""

    company_id: str
    revision: int
    store_ids: tuple[str, ...]
    bake_seconds: int | None
    failures_max: int
    tills_min: int
    author: str
    comment: str
    start_time: datetime
    end_revision: int | None
    end_action: str | None
    end_author: str | None
    end_comment: str | None
    end_time: datetime | None
    baked: bool
    """Whether its time is over, by the database's clock."""

    @property
    def front(self) -> Front:
        """What was in force where while it ran."""
        return Front.of(self.revision, self.store_ids)

    @property
    def running(self) -> bool:
        return self.end_revision is None

    @property
    def promoted(self) -> bool:
        return self.end_action == PROMOTE


def insert_rollout(
    connection: Connection,
    company_id: str,
    number: int,
    store_ids: Sequence[str],
    *,
    bake_seconds: int | None,
    failures_max: int,
    tills_min: int,
) -> None:
    connection.execute(
        insert(rollout).values(
            company_id=company_id,
            revision=number,
            store_ids=list(store_ids),
            bake_seconds=bake_seconds,
            failures_max=failures_max,
            tills_min=tills_min,
        )
    )


def front(connection: Connection, company_id: str) -> Front | None:
    """Which revision is in force where; None when the company isn't known."""
    row = connection.execute(
        select(revision_head.c.revision, rollout.c.store_ids)
        .outerjoin(
            rollout,
            and_(
                rollout.c.company_id == revision_head.c.company_id,
                rollout.c.revision == revision_head.c.revision,
            ),
        )
        .where(revision_head.c.company_id == company_id)
    ).one_or_none()
    return None if row is None else Front.of(row.revision, row.store_ids)


def cohort(connection: Connection, company_id: str, number: int) -> list[str] | None:
    """The stores that alone ever had a revision; None when it was for all."""
    found: list[str] | None = connection.scalar(
        select(rollout.c.store_ids).where(rollout.c.company_id == company_id, rollout.c.revision == number)
    )
    return found


def rollouts(
    connection: Connection,
    company_id: str | None,
    *,
    running: bool = False,
    number: int | None = None,
    below: int | None = None,
    count: int,
) -> list[StoredRollout]:
    """Rollouts of a company, or of all, the newest first."""
    begun, ended = revision.alias("begun"), revision.alias("ended")
    baking = func.make_interval(0, 0, 0, 0, 0, 0, rollout.c.bake_seconds)
    query = (
        select(
            rollout.c.company_id,
            rollout.c.revision,
            rollout.c.store_ids,
            rollout.c.bake_seconds,
            rollout.c.failures_max,
            rollout.c.tills_min,
            begun.c.author,
            begun.c.comment,
            begun.c.publish_time.label("start_time"),
            ended.c.revision.label("end_revision"),
            ended.c.action.label("end_action"),
            ended.c.author.label("end_author"),
            ended.c.comment.label("end_comment"),
            ended.c.publish_time.label("end_time"),
            func.coalesce(begun.c.publish_time + baking <= func.clock_timestamp(), False).label("baked"),
        )
        .join(
            begun,
            and_(begun.c.company_id == rollout.c.company_id, begun.c.revision == rollout.c.revision),
        )
        .outerjoin(
            ended,
            and_(ended.c.company_id == rollout.c.company_id, ended.c.revision == rollout.c.revision + 1),
        )
        .order_by(rollout.c.company_id, rollout.c.revision.desc())
        .limit(count)
    )
    if company_id is not None:
        query = query.where(rollout.c.company_id == company_id)
    if running:
        query = query.where(ended.c.revision.is_(None))
    if number is not None:
        query = query.where(rollout.c.revision == number)
    if below is not None:
        query = query.where(rollout.c.revision < below)
    return [
        StoredRollout(**{**row._mapping, "store_ids": tuple(row.store_ids)})
        for row in connection.execute(query)
    ]
