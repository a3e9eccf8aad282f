"""Commands on the machine that has the database: opening it, and which company is meant."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from sqlalchemy import Engine

from admin.cli.process import read_settings
from server.db.database import database
from server.db.migrate import upgrade
from server.definitions.service import Definitions
from server.runtime import logs
from server.runtime.settings import Settings

CompanyOption = Annotated[
    str | None, typer.Option("--company", help="Which company. Default: the only one in the database.")
]


@contextmanager
def local_database() -> Iterator[Engine]:
    """The database of the settings, brought to the schema of this program."""
    settings = read_settings()
    logs.configure(settings.log_format, "warning")
    with database(settings) as engine:
        upgrade(engine)
        yield engine


def only_company(engine: Engine) -> str:
    """The company that is meant when none is named: DEALWRIGHT_COMPANY, or the only one that there is."""
    named = Settings.from_environment().company
    if named:
        return named
    companies = Definitions(engine).companies()
    if len(companies) != 1:
        known = f"one of {', '.join(companies)}" if companies else "its id; there is none yet"
        raise typer.BadParameter(f"give --company: {known}")
    return companies[0]
