"""dealwright up: everything in one place."""

import asyncio
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from admin.api.callers import Callers
from admin.api.server import AdminServer
from admin.cli.demo_company import EXAMPLES
from admin.cli.keys import ensured
from admin.cli.output import JsonOption, say
from admin.cli.process import plain_failures, read_settings
from admin.cli.publish import publish_demo
from admin.cli.serve import announcement
from admin.cli.token import tell_first_token
from server.access.sessions import Sessions
from server.answers.service import Answers
from server.db.database import database
from server.db.migrate import upgrade
from server.definitions.service import Definitions
from server.runtime import logs
from server.runtime.app import Application, run
from server.worker import Worker

ExamplesOption = Annotated[Path, typer.Option("--examples", metavar="DIR", help="Where the demo company is.")]


def up(
    demo: Annotated[bool, typer.Option("--demo", help="Publish the demo company first.")] = False,
    examples: ExamplesOption = EXAMPLES,
    as_json: JsonOption = False,
) -> None:
    """Run everything in one place: PostgreSQL, its schema, the service and the HTTP API.

    PostgreSQL is the embedded one, unless DEALWRIGHT_DATABASE_URL names another.
    """
    with plain_failures(), ExitStack() as resources:
        settings = read_settings()
        settings.refuse_plaintext()
        logs.configure(settings.log_format, settings.log_level)
        say("Starting PostgreSQL" if settings.database_url is None else "Connecting to the database")
        engine = resources.enter_context(database(settings))
        upgrade(engine)
        if demo:
            published = publish_demo(Definitions(engine), examples)
            tell_first_token(engine, published.company_id)
        application = Application(replace(settings, keys_dir=ensured(settings)), engine)
        api = AdminServer(
            settings,
            application.methods,
            Callers(application.grants, Sessions(engine)),
            Answers(engine),
            application.metrics,
        )
        started = announcement(application, api, as_json=as_json)
        worker = Worker(settings, engine, application.metrics)
        asyncio.run(run([application, api, worker], started, resources.close))
