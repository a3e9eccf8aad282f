"""dealwright migrate: bring the database to the schema of this version."""

from contextlib import ExitStack

from admin.cli.output import JsonOption, emit, emit_json
from admin.cli.process import plain_failures, read_settings
from server.db.database import database
from server.db.migrate import upgrade, versions


def migrate(as_json: JsonOption = False) -> None:
    """Bring the database to the schema that this version needs, and end. A second run changes nothing."""
    with plain_failures(), ExitStack() as resources:
        engine = resources.enter_context(database(read_settings()))
        had, needs = versions(engine)
        upgrade(engine)
        if as_json:
            emit_json({"had": had, "has": needs})
        else:
            emit(f"schema version {needs}" if had == needs else f"schema version {had or 'none'} -> {needs}")
