"""The SQL of who gave wrong codes."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from server.vouchers.tables import voucher_guesser
from server.vouchers.throttling import Count, Kind, Subject

_TABLE = voucher_guesser.c


def clock(connection: Connection) -> datetime:
    """The database's time: one clock for all processes."""
    now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return now


def counts(
    connection: Connection, company_id: str, subjects: Sequence[Subject], *, lock: bool = False
) -> dict[Subject, Count]:
    """What is counted of some subjects."""
    columns = (_TABLE.kind, _TABLE.subject, _TABLE.misses, _TABLE.counted_at, _TABLE.locked_until)
    query = select(*columns).where(_among(company_id, subjects)).order_by(_TABLE.kind, _TABLE.subject)
    rows = connection.execute(query.with_for_update() if lock else query)
    return {(Kind(kind), subject): Count(*count) for kind, subject, *count in rows}


def begin(connection: Connection, company_id: str, subjects: Sequence[Subject]) -> None:
    """Makes sure that there is a row for each subject to be locked."""
    rows: list[dict[str, Any]] = [
        {"company_id": company_id, "kind": kind, "subject": subject, "misses": 0}
        for kind, subject in subjects
    ]
    statement = insert(voucher_guesser).values(counted_at=func.clock_timestamp()).on_conflict_do_nothing()
    connection.execute(statement, rows)


def keep(connection: Connection, company_id: str, changed: Mapping[Subject, Count]) -> None:
    """Writes counts of rows that are locked."""
    for subject, count in changed.items():
        connection.execute(
            update(voucher_guesser)
            .where(_among(company_id, [subject]))
            .values(misses=count.misses, counted_at=count.counted_at, locked_until=count.locked_until)
        )


def forget(connection: Connection, before: datetime) -> int:
    """Deletes what was last counted so long ago that nothing of it matters."""
    return connection.execute(delete(voucher_guesser).where(_TABLE.counted_at < before)).rowcount


def _among(company_id: str, subjects: Sequence[Subject]) -> Any:
    return (_TABLE.company_id == company_id) & tuple_(_TABLE.kind, _TABLE.subject).in_(subjects)
