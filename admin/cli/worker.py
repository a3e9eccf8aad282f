"""dealwright worker: what has to be done besides answering calls."""

import asyncio
from contextlib import ExitStack

from admin.cli.output import JsonOption, emit, emit_json
from admin.cli.process import plain_failures, read_settings
from admin.cli.serve import require_schema
from server.db.database import database
from server.db.watching import watch
from server.runtime import logs
from server.runtime.app import run
from server.runtime.metrics import Metrics
from server.worker import Worker


def worker(as_json: JsonOption = False) -> None:
    """Send events to webhooks, make codes of unfinished batches, and clean up. Any number of workers may run.

    `dealwright up` and `dealwright demo` have one in them.
    """
    with plain_failures(), ExitStack() as resources:
        settings = read_settings()
        logs.configure(settings.log_format, settings.log_level)
        engine = resources.enter_context(database(settings))
        require_schema(engine)
        metrics = Metrics()
        watch(engine, metrics)
        part = Worker(settings, engine, metrics, settings.metrics_address)

        def announce() -> None:
            where = f"http://{part.metrics_address}/metrics"
            if as_json:
                emit_json({"metrics": where}, indent=None)
            else:
                emit(f"Working; metrics on {where}")

        asyncio.run(run([part], announce, resources.close))
