"""dealwright doctor: is everything here that the service needs?"""

from __future__ import annotations

import shutil
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from typing import TYPE_CHECKING

import typer

from admin.cli.output import ExitCode, JsonOption, emit, emit_json, style, visible
from server.db.engine import DatabaseUnavailable
from server.runtime.settings import Address, Settings, SettingsError, unknown_variables

if TYPE_CHECKING:
    from server.jobs.service import Record
    from server.redemption.invariants import Violation

DISK_BYTES_MIN = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    fine: bool
    detail: str
    needed: bool = True


def doctor(as_json: JsonOption = False) -> None:
    """Check Python, the engine, the database with its invariants and jobs, the ports and the disk.

    Ends with 3 when something that is needed is missing.
    """
    checks = list(_checks())
    broken = any(check.needed and not check.fine for check in checks)
    if as_json:
        emit_json(
            [
                {"name": check.name, "fine": check.fine, "needed": check.needed, "detail": check.detail}
                for check in checks
            ]
        )
    else:
        for check in checks:
            mark = (
                style("fine   ", fg="green")
                if check.fine
                else style("BROKEN " if check.needed else "note   ", fg="red")
            )
            emit(mark + visible(f"{check.name}: {check.detail}"))
    if broken:
        raise typer.Exit(ExitCode.FAILED)


def _checks() -> Iterator[Check]:
    yield Check("python", sys.version_info >= (3, 11), ".".join(map(str, sys.version_info[:3])))
    yield _guarded("engine", _engine)
    try:
        settings = Settings.from_environment()
        settings.refuse_plaintext()
    except SettingsError as error:
        yield Check("settings", False, str(error))
        return
    yield Check("settings", True, "every DEALWRIGHT_* variable is usable")
    for remark in unknown_variables():
        yield Check("settings", False, remark, needed=False)
    if settings.tls_certificate is not None:
        yield _guarded("certificate", lambda: _certificate(settings))
    yield from _guarded_all("database", lambda: _database(settings))
    yield _port("grpc port", settings.grpc_address)
    yield _port("metrics port", settings.metrics_address)
    yield _disk(settings)


def _guarded(name: str, look: Callable[[], Check]) -> Check:
    return next(iter(_guarded_all(name, lambda: [look()])))


def _guarded_all(name: str, look: Callable[[], Sequence[Check]]) -> Sequence[Check]:
    try:
        return look()
    except (DatabaseUnavailable, SettingsError) as error:
        return [Check(name, False, str(error))]
    except Exception as error:  # noqa: BLE001 - whatever is broken, the other checks still run
        return [Check(name, False, f"{type(error).__name__}: {error}")]


def _engine() -> Check:
    import dealwright_engine

    program = installed("dealwright-server")
    try:
        stubs = installed("dealwright")
    except PackageNotFoundError:
        stubs = "not installed"
    fine = dealwright_engine.VERSION == program == stubs
    detail = f"engine {dealwright_engine.VERSION}, program {program}, messages {stubs}"
    return Check("engine", fine, f"{detail}, rule language {dealwright_engine.RULE_LANGUAGE}")


def _certificate(settings: Settings) -> Check:
    from server.runtime.metrics import Metrics
    from server.runtime.tls import certificate_of

    certificate_of(settings, Metrics().certificate_expiry)
    return Check("certificate", True, f"{settings.tls_certificate} can be used")


def _database(settings: Settings) -> list[Check]:
    """The database, and when it is there what is in it."""
    from server.db.database import database
    from server.db.migrate import versions
    from server.jobs.service import Jobs
    from server.redemption.invariants import check

    if settings.database_url is None and not (settings.data_dir / "postgres").exists():
        return [Check("database", True, "embedded PostgreSQL, made by the first `dealwright up`")]
    kind = "embedded PostgreSQL" if settings.database_url is None else "DEALWRIGHT_DATABASE_URL"
    with database(settings) as engine:
        has, needs = versions(engine)
        if has == needs:
            return [
                Check("database", True, f"{kind}, schema version {has}"),
                _invariants(check(engine)),
                _jobs(*Jobs(engine).records()),
            ]
    wrong = f"{kind}, schema version {has or 'none'} instead of {needs}: run `dealwright migrate`"
    return [Check("database", False, wrong, False)]


def _invariants(broken: Sequence[Violation]) -> Check:
    from server.redemption.invariants import INVARIANTS

    detail = "; ".join(map(str, broken)) if broken else f"all {len(INVARIANTS)} hold (docs/redemption.md)"
    return Check("invariants", not broken, detail)


def _jobs(records: Sequence[Record], now: datetime) -> Check:
    from server.jobs.service import is_late

    late = [record.name for record in records if is_late(record, now)]
    if not records:
        return Check("jobs", False, "none has run yet; `dealwright worker` does them", False)
    if late:
        detail = f"{', '.join(late)} late; `dealwright jobs` has more, and is a worker running?"
        return Check("jobs", False, detail, False)
    return Check("jobs", True, f"all {len(records)} are on time")


def _port(name: str, address: Address) -> Check:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError as error:
            return Check(
                name, False, f"{address} is taken or no address of this machine: {error.strerror}", False
            )
    return Check(name, True, f"{address} is free")


def _disk(settings: Settings) -> Check:
    place = next(
        folder
        for folder in (settings.data_dir.resolve(), *settings.data_dir.resolve().parents)
        if folder.exists()
    )
    free = shutil.disk_usage(place).free
    return Check("disk", free >= DISK_BYTES_MIN, f"{free // 1024**2} MiB free for {settings.data_dir}")
