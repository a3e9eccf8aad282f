"""`dealwright migrate` as operators run it, on databases of every age."""

import json
import subprocess
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, make_url, text

from server.db.engine import connect
from server.db.migrate import versions
from tests.operations.processes import DEALWRIGHT, WAIT_SECONDS, environment, finished

pytestmark = pytest.mark.process

PASSWORD = "hunter2"


@pytest.fixture
def empty_url(database_url: str, database: Engine) -> Iterator[str]:
    """A database with nothing in it."""
    name = f"{make_url(database_url).database}_empty"
    with database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE template0'))
        yield make_url(database_url).set(database=name).render_as_string(hide_password=False)
        connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))


def test_an_empty_database_gets_the_schema_and_a_second_run_changes_nothing(empty_url: str) -> None:
    engine = connect(empty_url)
    had, needs = versions(engine)
    first = finished("migrate", DEALWRIGHT_DATABASE_URL=empty_url)
    second = finished("migrate", "--json", DEALWRIGHT_DATABASE_URL=empty_url)
    has, _ = versions(engine)
    engine.dispose()

    assert had is None
    assert (first.returncode, first.stdout) == (0, f"schema version none -> {needs}\n")
    assert json.loads(second.stdout) == {"had": needs, "has": needs}
    assert has == needs


def test_two_that_start_together_migrate_one_after_the_other(empty_url: str) -> None:
    both = [
        subprocess.Popen(
            [DEALWRIGHT, "migrate"],
            env=environment(DEALWRIGHT_DATABASE_URL=empty_url),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    talks = [process.communicate(timeout=WAIT_SECONDS) for process in both]

    assert [process.returncode for process in both] == [0, 0], talks


def test_a_database_of_a_newer_version_is_left_alone(database_url: str, database: Engine) -> None:
    with database.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    done = finished("migrate", DEALWRIGHT_DATABASE_URL=database_url)

    assert done.returncode == 3
    assert done.stderr.startswith("the database has schema version 9999, which this version doesn't know")
    assert "Traceback" not in done.stderr


def test_a_database_that_is_away_is_named_without_its_password() -> None:
    url = f"postgresql://kopi:{PASSWORD}@127.0.0.1:1/dealwright"
    done = finished("migrate", DEALWRIGHT_DATABASE_URL=url)

    assert done.returncode == 3
    assert "127.0.0.1:1/dealwright" in done.stderr
    assert PASSWORD not in done.stdout + done.stderr
