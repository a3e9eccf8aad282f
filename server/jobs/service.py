"""Use cases of jobs: run one, unless somebody else does, and say how they went."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from server.db.alone import alone
from server.db.engine import plain_errors
from server.jobs import store
from server.jobs.store import Record

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Engine

    from server.runtime.metrics import Metrics

__all__ = ["Job", "Jobs", "Record", "is_late"]

log = structlog.get_logger()

PROBLEM_CHARS_MAX = 500

LATE_PERIODS = 3
LATE_SECONDS = 300
"""A job is late when it hasn't gone well for so many of its periods and so long; the alert says the same."""


@dataclass(frozen=True, slots=True)
class Job:
    """Something that is done again and again, by one process at a time."""

    name: str
    seconds: float
    """About how long it is between two runs."""
    run: Callable[[], object]
    """It may be stopped anywhere, by kill -9 too, and the next run goes on."""


class Jobs:
    """Runs jobs in this process, and knows how they went in all of them."""

    def __init__(self, engine: Engine, metrics: Metrics | None = None) -> None:
        """Whoever only asks needs no metrics."""
        self._engine = engine
        self._metrics = metrics
        self._problems: dict[str, str] = {}

    def run(self, job: Job) -> None:
        """Runs a job and writes down how it went; does nothing while another process runs it."""
        with plain_errors(self._engine), alone(self._engine, job.name) as mine:
            if mine:
                self._run(job)
        self._tell(job)

    def records(self) -> tuple[list[Record], datetime]:
        """How every job that ever ran went, and the time now by the database's clock."""
        with plain_errors(self._engine), self._engine.connect() as connection:
            return store.records(connection)

    def _run(self, job: Job) -> None:
        begun = time.monotonic()
        try:
            job.run()
        except Exception as error:  # noqa: BLE001 - whatever is wrong, the next run comes
            problem = f"{type(error).__name__}: {error}"[:PROBLEM_CHARS_MAX].replace("\0", "")
        else:
            problem = ""
        lasted = timedelta(seconds=time.monotonic() - begun)
        # What goes wrong again and again is logged once.
        if problem and problem != self._problems.get(job.name):
            log.error("job_failed", job=job.name, error=problem)
        self._problems[job.name] = problem
        if self._metrics is not None:
            self._metrics.job_runs.labels(job.name, "failed" if problem else "done").inc()
        with plain_errors(self._engine), self._engine.begin() as connection:
            store.note(connection, job.name, timedelta(seconds=job.seconds), lasted, problem)

    def _tell(self, job: Job) -> None:
        """Tells how old the last success is, of whichever process: after a restart it is known too."""
        if self._metrics is None:
            return
        with plain_errors(self._engine), self._engine.connect() as connection:
            success_time = store.success_time(connection, job.name)
        self._metrics.job_period.labels(job.name).set(job.seconds)
        self._metrics.job_success_time.labels(job.name).set(success_time.timestamp() if success_time else 0)


def is_late(record: Record, now: datetime) -> bool:
    """Whether a job hasn't gone well for too long."""
    allowed = record.period * LATE_PERIODS + timedelta(seconds=LATE_SECONDS)
    return record.success_time is None or now - record.success_time > allowed
