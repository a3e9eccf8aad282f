"""Connections to PostgreSQL, and its failures in plain words."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import sqlalchemy
from psycopg.conninfo import make_conninfo
from sqlalchemy import Engine, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError

CONNECT_SECONDS = 5
"""How long a connection attempt may take."""

CONNECTIONS_KEPT, CONNECTIONS_MAX = 5, 15
"""How many connections a process keeps open, and how many it uses at most."""

TURN_SECONDS = 10.0
"""How long somebody waits for a connection when all are in use."""

SILENT_SECONDS = 15
"""How long the network may swallow what is sent before a connection counts as lost."""


class DatabaseUnavailable(Exception):
    """The database can't be reached or used; the text names the place, never a password."""


class Unstorable(Exception):
    """A value that the database has no place for, such as a text with the character U+0000."""


class UnusableUrl(DatabaseUnavailable):
    """A database URL with which no connection can even be tried."""


def connect(url: str, *, application: str = "dealwright") -> Engine:
    """An engine for a URL such as postgresql://user:password@host/database. Connects when first used."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise UnusableUrl("it is no URL of a database such as postgresql://user@host/database") from error
    if parsed.get_backend_name() not in ("postgres", "postgresql"):
        raise UnusableUrl(f"the database must be PostgreSQL, not {parsed.get_backend_name()}")
    try:
        make_conninfo(**dict.fromkeys(parsed.query, ""))
    except psycopg.ProgrammingError as error:
        raise UnusableUrl(f"PostgreSQL doesn't take it: {error}") from error
    return sqlalchemy.create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        pool_pre_ping=True,
        pool_size=CONNECTIONS_KEPT,
        max_overflow=CONNECTIONS_MAX - CONNECTIONS_KEPT,
        pool_timeout=TURN_SECONDS,
        # Errors are logged, and what a statement was given concerns customers and callers.
        hide_parameters=True,
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "tcp_user_timeout": SILENT_SECONDS * 1000,
            "application_name": application,
        },
    )


def place_of(engine: Engine) -> str:
    """Where a database is, as its URL says: host:port/name, without who asks and with what."""
    url = engine.url
    host = url.host or url.query.get("host", "localhost")
    places = host if isinstance(host, str) else ",".join(host)
    return f"{places}:{url.port or url.query.get('port', 5432)}/{url.database or url.username}"


@contextmanager
def plain_errors(engine: Engine) -> Iterator[None]:
    """Turns a lost connection into DatabaseUnavailable, a value without a place into Unstorable."""
    try:
        yield
    except DataError as error:
        raise Unstorable(
            "a value can't be stored: a number is too large, or a text has the character U+0000"
        ) from error
    except sqlalchemy.exc.TimeoutError as error:
        raise DatabaseUnavailable(
            f"{place_of(engine)}: all {CONNECTIONS_MAX} connections of this process were in use"
            f" for {TURN_SECONDS:g} s"
        ) from error
    except DBAPIError as error:
        if not (_away(error) or error.connection_invalidated):
            raise
        place = engine.url.render_as_string(hide_password=True).replace("+psycopg", "")
        first_line = str(error.orig).strip().splitlines()[0]
        raise DatabaseUnavailable(f"{place}: {first_line}") from error


def _away(error: DBAPIError) -> bool:
    """Whether the database can't do now what it can do at other times, also since it is a replica."""
    read_only = isinstance(error.orig, psycopg.errors.ReadOnlySqlTransaction)
    return read_only or isinstance(error, sqlalchemy.exc.OperationalError)
