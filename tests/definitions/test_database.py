"""The database: migrations make what the tables say, and failures are told in plain words."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import ProgrammingError

import server.access.tables
import server.answers.tables
import server.audit.tables
import server.db.engine
import server.definitions.tables
import server.events.tables
import server.jobs.tables
import server.journals.tables
import server.keys.tables
import server.redemption.tables
import server.vouchers.tables
from server.db.base import metadata
from server.db.embedded import EmbeddedPostgres
from server.db.engine import CONNECTIONS_MAX, DatabaseUnavailable, connect, plain_errors
from server.db.migrate import upgrade, versions
from server.db.watching import watch
from server.runtime.metrics import Metrics


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


def test_whoever_finds_all_connections_in_use_is_told_so(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("CONNECTIONS_KEPT", 1), ("CONNECTIONS_MAX", 2), ("TURN_SECONDS", 0.1)):
        monkeypatch.setattr(server.db.engine, name, value)
    engine = connect(database_url)

    with (
        engine.connect(),
        engine.connect(),
        pytest.raises(DatabaseUnavailable, match="all 2 connections of this process were in use"),
        plain_errors(engine),
        engine.connect(),
    ):
        pass
    engine.dispose()


def test_statements_are_timed_and_connections_counted(database: Engine) -> None:
    metrics = Metrics()
    watch(database, metrics)
    value = metrics.registry.get_sample_value

    with database.connect() as connection:
        connection.execute(text("SELECT pg_sleep(0.06)"))
        in_use = value("dealwright_database_connections")
        with pytest.raises(ProgrammingError):
            connection.execute(text("SELECT nothing"))

    assert in_use == 1
    assert value("dealwright_database_connections") == 0
    assert value("dealwright_database_connections_max") == CONNECTIONS_MAX
    assert value("dealwright_database_seconds_count") == 1
    assert (value("dealwright_database_seconds_sum") or 0) >= 0.06


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
