"""dealwright jobs: how the work of the workers goes, from the machine that has the database."""

from datetime import datetime, timedelta

import typer

from admin.cli.output import ExitCode, JsonOption, emit, emit_json, say, visible
from admin.cli.process import plain_failures, read_settings
from server.db.database import database
from server.jobs.service import Jobs, Record, is_late


def jobs(as_json: JsonOption = False) -> None:
    """Show how each job of the workers went: when it went well last, how often it ran, what was wrong.

    Ends with 3 when one is late: when it hasn't gone well for three of its periods and five minutes.
    """
    with plain_failures(), database(read_settings()) as engine:
        records, now = Jobs(engine).records()
    if as_json:
        emit_json([_value(record, now) for record in records])
    else:
        for record in records:
            emit(visible(_line(record, now)))
    if not records:
        say("No job has run yet: start `dealwright worker`.")
    if not records or any(is_late(record, now) for record in records):
        raise typer.Exit(ExitCode.FAILED)


def _line(record: Record, now: datetime) -> str:
    parts = [
        "LATE" if is_late(record, now) else "fine",
        record.name,
        f"every {_about(record.period)}",
        f"went well {_about(now - record.success_time)} ago" if record.success_time else "never went well",
        f"{record.runs} runs",
        f"{record.failures} failed",
    ]
    if record.problem:
        parts.append(f"{record.failing} in a row: {record.problem}")
    return "  ".join(parts)


def _value(record: Record, now: datetime) -> dict[str, object]:
    return {
        "name": record.name,
        "late": is_late(record, now),
        "period_seconds": record.period.total_seconds(),
        "runs": record.runs,
        "failures": record.failures,
        "failing": record.failing,
        "end_time": record.end_time.isoformat(),
        "lasted_seconds": record.lasted.total_seconds(),
        "success_time": record.success_time.isoformat() if record.success_time else None,
        "problem": record.problem,
    }


def _about(duration: timedelta) -> str:
    """A duration in its largest unit that isn't too coarse."""
    seconds = int(duration.total_seconds())
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length or (seconds >= length and seconds % length == 0):
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
