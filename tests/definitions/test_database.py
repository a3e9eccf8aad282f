"""The database: migrations make what the tables say, and failures are told in plain words."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, inspect

import server.access.tables
import server.answers.tables
import server.audit.tables
import server.definitions.tables
import server.events.tables
import server.jobs.tables
import server.journals.tables
import server.keys.tables
import server.redemption.tables
import server.vouchers.tables  # noqa: F401 - they fill the metadata
from server.db.base import metadata
from server.db.embedded import EmbeddedPostgres
from server.db.engine import DatabaseUnavailable, connect, plain_errors
from server.db.migrate import upgrade, versions


def test_migrations_make_exactly_the_tables_of_the_program(database: Engine) -> None:
    with database.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        differences = compare_metadata(context, metadata)

    assert differences == []
    assert set(metadata.tables) <= set(inspect(database).get_table_names())


def test_migrating_again_changes_nothing(database: Engine) -> None:
    upgrade(database)

    has, needs = versions(database)
    assert has == needs


def test_an_unreachable_database_is_named_without_its_password() -> None:
    engine = connect("postgresql://kopi:hunter2@127.0.0.1:1/dealwright")

    with pytest.raises(DatabaseUnavailable) as unavailable, plain_errors(engine), engine.connect():
        pass

    assert "127.0.0.1:1/dealwright" in str(unavailable.value)
    assert "hunter2" not in str(unavailable.value)


@pytest.mark.parametrize(
    "url", ["nonsense", "mysql://kopi@host/database", "postgresql://kopi@host:port/database"]
)
def test_a_url_of_no_postgresql_is_refused(url: str) -> None:
    with pytest.raises(DatabaseUnavailable):
        connect(url)


@pytest.mark.database
def test_the_embedded_database_keeps_its_data_and_stops(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as embedded:
        engine = connect(embedded.url())
        upgrade(engine)
        engine.dispose()
        assert (data_dir / "postgres" / "postmaster.pid").exists()
    assert not (data_dir / "postgres" / "postmaster.pid").exists()

    with EmbeddedPostgres(data_dir) as embedded:
        engine = connect(embedded.url())
        has, needs = versions(engine)
        engine.dispose()
    assert has == needs
