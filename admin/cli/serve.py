"""dealwright serve: run the service on a database that is set up."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack

from sqlalchemy import Engine

from admin.cli.output import JsonOption, emit, emit_json, say
from admin.cli.process import plain_failures, read_settings
from server.db.database import database
from server.db.engine import DatabaseUnavailable
from server.db.migrate import versions
from server.runtime import logs
from server.runtime.app import Application, run

PUBLISH_ONE = "publish one with `dealwright publish FILE... --company ID`"


def serve(as_json: JsonOption = False) -> None:
    """Run the service on a database that `dealwright up` or `dealwright publish` has set up."""
    with plain_failures(), ExitStack() as resources:
        settings = read_settings()
        settings.refuse_plaintext()
        logs.configure(settings.log_format, settings.log_level)
        engine = resources.enter_context(database(settings))
        _require_schema(engine)
        asyncio.run(run(Application(settings, engine), announcement(as_json=as_json), resources.close))


def addresses(application: Application) -> dict[str, str]:
    """Where a running application answers."""
    metrics = application.metrics_address
    return {"grpc": str(application.grpc_address), "metrics": f"http://{metrics}/metrics"}


def _require_schema(engine: Engine) -> None:
    has, needs = versions(engine)
    if has != needs:
        raise DatabaseUnavailable(
            f"the database has schema version {has or 'none'} instead of {needs}; run `dealwright up` once"
        )


def announcement(*, as_json: bool) -> Callable[[Application], None]:
    """What to write when an application has started."""

    def announce(application: Application) -> None:
        where = addresses(application)
        if as_json:
            emit_json({**where, "ready": application.ready}, indent=None)
            return
        emit(f"gRPC on {where['grpc']}, metrics on {where['metrics']}")
        if not application.ready:
            say(f"No ruleset yet: {application.holder.last_error or PUBLISH_ONE}.")

    return announce
