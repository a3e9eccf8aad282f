"""What tests of several parts stand on: a real PostgreSQL, a company in it, and a real server."""

import itertools
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc.aio
import pytest
import pytest_asyncio
from hypothesis import settings as hypothesis_settings
from sqlalchemy import Engine, make_url, text

from server.db.embedded import EmbeddedPostgres
from server.db.engine import connect
from server.db.migrate import upgrade
from server.definitions.service import Definitions
from server.runtime.app import Application
from tests.access.calls import serving

# Of its own for each of several runs at a time on one server.
TEMPLATE = f"dealwright_test_template_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"

# The same examples in every run, so that a commit that was green stays green, and all the time that they
# need, since a slow machine is no failure. New examples: make explore.
hypothesis_settings.register_profile("fixed", derandomize=True, deadline=None)
hypothesis_settings.register_profile("explore", deadline=None, max_examples=1000)
hypothesis_settings.load_profile("fixed")

_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks every test that needs a PostgreSQL, so that it can be left out."""
    for item in items:
        if "postgres_url" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.database)


@contextmanager
def _data_dir() -> Iterator[Path]:
    """A folder for an embedded PostgreSQL. Not in pytest's own: each run closes that to other users, and for
    root the server is another user.
    """
    with tempfile.TemporaryDirectory(prefix="dealwright-test-") as folder:
        yield Path(folder)


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A folder for the embedded PostgreSQL of one test."""
    with _data_dir() as folder:
        yield folder


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server with a migrated template: DEALWRIGHT_DATABASE_URL's, or an embedded one."""
    given = os.environ.get("DEALWRIGHT_DATABASE_URL")
    if given:
        _make_template(given)
        yield given
        return
    with _data_dir() as folder, EmbeddedPostgres(folder) as embedded:
        url = embedded.url("postgres")
        # The data dies with the session, so nothing is lost by not waiting for the disk.
        _run(url, "ALTER SYSTEM SET fsync = off")
        _run(url, "SELECT pg_reload_conf()")
        _make_template(url)
        yield url


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    """A fresh database with the schema and nothing else."""
    name = f"dealwright_test_{os.getpid()}_{next(_numbers)}"
    _run(postgres_url, f'CREATE DATABASE "{name}" TEMPLATE {TEMPLATE}')
    yield make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    _run(postgres_url, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def database(database_url: str) -> Iterator[Engine]:
    """An engine for the fresh database."""
    engine = connect(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def definitions(database: Engine) -> Definitions:
    """The use cases of definitions on the fresh database."""
    return Definitions(database)


@pytest_asyncio.fixture
async def application(database: Engine) -> AsyncIterator[Application]:
    """A server on the fresh database, listening on ports of the system's choice; it has no ruleset yet."""
    async with serving(database) as (application, _):
        yield application


@pytest_asyncio.fixture
async def channel(application: Application) -> AsyncIterator[grpc.aio.Channel]:
    """A client's channel to the server."""
    async with grpc.aio.insecure_channel(str(application.grpc_address)) as channel:
        yield channel


def _make_template(url: str) -> None:
    _run(url, f"DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)")
    _run(url, f"CREATE DATABASE {TEMPLATE}")
    engine = connect(make_url(url).set(database=TEMPLATE).render_as_string(hide_password=False))
    upgrade(engine)
    engine.dispose()


def _run(url: str, statement: str) -> None:
    engine = connect(url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(statement))
    engine.dispose()
