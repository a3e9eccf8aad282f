"""dealwright serve: run the service on a database that is set up."""

import asyncio
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import structlog
import typer
from sqlalchemy import Engine

from admin.cli.output import ExitCode, JsonOption, emit, emit_json, say
from admin.cli.process import plain_failures, read_settings
from server.db.database import database
from server.db.engine import DatabaseUnavailable, place_of
from server.db.migrate import versions
from server.evaluation.snapshots import SnapshotRefused, read
from server.runtime import logs
from server.runtime.app import Application, run
from server.runtime.settings import Address, Settings
from server.runtime.supervised import Started, answer_supervisor
from server.runtime.supervisor import WORKERS_MAX, StartFailed, Supervisor

if TYPE_CHECKING:
    from admin.api.server import AdminServer

PUBLISH_ONE = "publish one with `dealwright publish FILE... --company ID`"


WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        max=WORKERS_MAX,
        metavar="N",
        help="Answer calls from N processes on the one port. SIGHUP replaces them without a failed call.",
    ),
]


def serve(workers: WorkersOption = None, as_json: JsonOption = False) -> None:
    """Run the service on a database that `dealwright up` or `dealwright publish` has set up."""
    with plain_failures():
        settings = read_settings()
        logs.configure(settings.log_format, settings.log_level)
        if workers is None:
            _serve(settings, as_json=as_json)
        else:
            _supervise(settings, workers, as_json=as_json)


def _serve(settings: Settings, *, as_json: bool) -> None:
    with ExitStack() as resources:
        engine = _database(settings, resources)
        application = Application(settings, engine, snapshot_file=_snapshot_file(settings))
        asyncio.run(run([application], announcement(application, as_json=as_json), resources.close))


def _supervise(settings: Settings, workers: int, *, as_json: bool) -> None:
    async def supervise() -> None:
        supervisor = Supervisor(serve_supervised, settings, workers)

        def announce(started: Started) -> None:
            where = _where(supervisor.grpc_address, supervisor.metrics_address)
            _announce({**where, "workers": workers}, started, as_json=as_json)

        await supervisor.run(announce)

    try:
        asyncio.run(supervise())
    except StartFailed as error:
        # One that was killed has no exit code of its own.
        raise typer.Exit(max(error.exit_code or 0, 0) or ExitCode.FAILED) from error


def serve_supervised(settings: Settings, number: int, supervisor: Connection) -> None:
    """One of the processes of `serve --workers`; the supervisor calls it in a process of its own."""
    logs.configure(settings.log_format, settings.log_level)
    structlog.contextvars.bind_contextvars(worker=number)
    # A terminal tells every process of the group; what that means is the supervisor's matter.
    for number_of_signal in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number_of_signal, signal.SIG_IGN)
    try:
        with plain_failures(), ExitStack() as resources:
            engine = _database(settings, resources)
            application = Application(
                settings, engine, snapshot_file=_snapshot_file(settings), supervised=True
            )

            def started() -> None:
                supervisor.send(Started(application.ready, application.holder.last_error or ""))
                answer_supervisor(supervisor, application.metrics.registry, lambda: application.ready)

            asyncio.run(run([application], started, resources.close, application.retire))
    except typer.Exit as ended:
        sys.exit(ended.exit_code)


def _database(settings: Settings, resources: ExitStack) -> Engine:
    """The database, which may be away if there is a snapshot to start with."""
    settings.refuse_plaintext()
    engine = resources.enter_context(database(settings))
    try:
        require_schema(engine)
    except WrongSchema:
        raise
    except DatabaseUnavailable as away:
        file = _snapshot_file(settings)
        try:
            read(file, place_of(engine), settings.company, time.time())
        except SnapshotRefused as refused:
            raise DatabaseUnavailable(f"{away}; the snapshot {file} is of no help: {refused}") from away
    return engine


def _snapshot_file(settings: Settings) -> Path:
    return settings.snapshot_file or settings.data_dir / "snapshot"


def addresses(application: Application) -> dict[str, str]:
    """Where a running application answers."""
    return _where(application.grpc_address, application.metrics_address)


def _where(grpc: Address, metrics: Address) -> dict[str, str]:
    return {"grpc": str(grpc), "metrics": f"http://{metrics}/metrics"}


class WrongSchema(DatabaseUnavailable):
    """A database that another version has set up, or none."""


def require_schema(engine: Engine) -> None:
    """Raises WrongSchema, or DatabaseUnavailable."""
    has, needs = versions(engine)
    if has != needs:
        raise WrongSchema(
            f"the database has schema version {has or 'none'} instead of {needs}; run `dealwright migrate`"
        )


def announcement(
    application: Application, api: "AdminServer | None" = None, *, as_json: bool
) -> Callable[[], None]:
    """What to write when an application has started, and the HTTP API beside it if there is one."""

    def announce() -> None:
        where = addresses(application)
        if api is not None:
            where["api"] = api.url
        started = Started(application.ready, application.holder.last_error or "")
        _announce(where, started, as_json=as_json)

    return announce


def _announce(where: Mapping[str, str | int], started: Started, *, as_json: bool) -> None:
    if as_json:
        emit_json({**where, "ready": started.ready}, indent=None)
        return
    beside = f"API on {where['api']}, " if "api" in where else ""
    by = f" by {where['workers']} workers" if "workers" in where else ""
    emit(f"gRPC on {where['grpc']}{by}, {beside}metrics on {where['metrics']}")
    if not started.ready:
        say(f"No ruleset yet: {started.remark or PUBLISH_ONE}.")
