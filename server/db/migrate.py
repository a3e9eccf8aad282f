"""Brings a database to the schema that this version needs."""

from pathlib import Path

import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from server.db.engine import DatabaseUnavailable, plain_errors

# A number of our own: processes that start together migrate one after the other.
_LOCK = 7_236_018_001


class NewerSchema(DatabaseUnavailable):
    """A database that a newer version has set up."""


def upgrade(engine: Engine) -> None:
    """Runs the migrations that the database doesn't have yet. Raises NewerSchema."""
    with plain_errors(engine), engine.begin() as connection:
        connection.execute(sqlalchemy.select(sqlalchemy.func.pg_advisory_xact_lock(_LOCK)))
        _refuse_newer(connection)
        command.upgrade(_config(connection), "head")


def versions(engine: Engine) -> tuple[str | None, str]:
    """The schema version that the database has, and the one that this program needs."""
    with plain_errors(engine), engine.connect() as connection:
        has = MigrationContext.configure(connection).get_current_revision()
    return has, str(ScriptDirectory.from_config(_config(None)).get_current_head())


def _refuse_newer(connection: Connection) -> None:
    has = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in ScriptDirectory.from_config(_config(None)).walk_revisions()}
    if has is not None and has not in known:
        raise NewerSchema(
            f"the database has schema version {has}, which this version doesn't know; use the version that"
            " has set it up, or restore a backup from before"
        )


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
