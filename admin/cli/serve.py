"""dealwright serve: run the service on a database that is set up."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from admin.cli.output import JsonOption, emit, emit_json, say
from admin.cli.process import plain_failures, read_settings
from server.db.database import database
from server.db.engine import DatabaseUnavailable
from server.db.migrate import versions
from server.runtime import logs
from server.runtime.app import Application, run

if TYPE_CHECKING:
    from admin.api.server import AdminServer

PUBLISH_ONE = "publish one with `dealwright publish FILE... --company ID`"


def serve(as_json: JsonOption = False) -> None:
    """Run the service on a database that `dealwright up` or `dealwright publish` has set up."""
    with plain_failures(), ExitStack() as resources:
        settings = read_settings()
        settings.refuse_plaintext()
        logs.configure(settings.log_format, settings.log_level)
        engine = resources.enter_context(database(settings))
        require_schema(engine)
        application = Application(settings, engine)
        asyncio.run(run([application], announcement(application, as_json=as_json), resources.close))


def addresses(application: Application) -> dict[str, str]:
    """Where a running application answers."""
    metrics = application.metrics_address
    return {"grpc": str(application.grpc_address), "metrics": f"http://{metrics}/metrics"}


def require_schema(engine: Engine) -> None:
    """Refuses a database that another version has set up, or none."""
    has, needs = versions(engine)
    if has != needs:
        raise DatabaseUnavailable(
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
        if as_json:
            emit_json({**where, "ready": application.ready}, indent=None)
            return
        beside = f"API on {where['api']}, " if api is not None else ""
        emit(f"gRPC on {where['grpc']}, {beside}metrics on {where['metrics']}")
        if not application.ready:
            say(f"No ruleset yet: {application.holder.last_error or PUBLISH_ONE}.")

    return announce
