"""dealwright admin: run the HTTP API on a database that is set up."""

import asyncio
from contextlib import ExitStack

from admin.cli.output import JsonOption, emit, emit_json
from admin.cli.process import plain_failures, read_settings
from admin.cli.serve import require_schema
from server.access.grants import Grants
from server.access.service import Access
from server.access.sessions import Sessions
from server.answers.service import Answers
from server.db.database import database
from server.db.watching import watch
from server.methods import methods
from server.runtime import logs
from server.runtime.app import run
from server.runtime.metrics import Metrics


def admin(as_json: JsonOption = False) -> None:
    """Run the HTTP API alone, on a database that `dealwright up` or `dealwright publish` has set up."""
    from admin.api.callers import Callers
    from admin.api.standalone import Standalone

    with plain_failures(), ExitStack() as resources:
        settings = read_settings()
        logs.configure(settings.log_format, settings.log_level)
        engine = resources.enter_context(database(settings))
        require_schema(engine)
        metrics = Metrics()
        watch(engine, metrics)
        use_cases = methods(engine, settings, metrics)
        part = Standalone(
            settings, use_cases, Callers(Grants(Access(engine)), Sessions(engine)), Answers(engine), metrics
        )

        def announce() -> None:
            where = {"api": part.url, "metrics": f"http://{part.metrics_address}/metrics"}
            if as_json:
                emit_json(where, indent=None)
            else:
                emit(f"API on {where['api']}, metrics on {where['metrics']}")

        asyncio.run(run([part], announce, resources.close))
