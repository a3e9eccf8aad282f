"""The SQL of jobs."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from server.jobs.tables import job


@dataclass(frozen=True, slots=True)
class Record:
    """How a job went until now."""

    name: str
    period: timedelta
    runs: int
    failures: int
    failing: int
    end_time: datetime
    lasted: timedelta
    success_time: datetime | None
    problem: str


_RECORD = tuple(job.c[name] for name in Record.__dataclass_fields__)


def note(connection: Connection, name: str, period: timedelta, lasted: timedelta, problem: str) -> None:
    """Writes down how a run went. Without a problem, it went well."""
    failed, now = int(bool(problem)), func.clock_timestamp()
    succeeded = {} if failed else {"success_time": now}
    run = {"period": period, "end_time": now, "lasted": lasted, "problem": problem, **succeeded}
    first = insert(job).values(name=name, runs=1, failures=failed, failing=failed, **run)
    connection.execute(
        first.on_conflict_do_update(
            index_elements=[job.c.name],
            set_={
                "runs": job.c.runs + 1,
                "failures": job.c.failures + failed,
                "failing": job.c.failing + 1 if failed else 0,
                **run,
            },
        )
    )


def records(connection: Connection) -> tuple[list[Record], datetime]:
    """Every job that ever ran, by name, and the time now."""
    rows = connection.execute(select(*_RECORD).order_by(job.c.name))
    return [Record(*row) for row in rows], connection.execute(select(func.clock_timestamp())).scalar_one()


def success_time(connection: Connection, name: str) -> datetime | None:
    """When a job went well last, wherever it ran."""
    return connection.scalar(select(job.c.success_time).where(job.c.name == name))
