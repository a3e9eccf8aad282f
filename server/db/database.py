"""The database of a process: the one that the settings name, or the embedded one."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from sqlalchemy import Engine

from server.db.embedded import EmbeddedPostgres
from server.db.engine import connect
from server.runtime.settings import Settings


@contextmanager
def database(settings: Settings) -> Iterator[Engine]:
    """An engine for the database; the embedded PostgreSQL is started when needed and left afterwards."""
    with ExitStack() as stack:
        url = settings.database_url
        if url is None:
            url = stack.enter_context(EmbeddedPostgres(settings.data_dir)).url()
        engine = connect(url)
        stack.callback(engine.dispose)
        yield engine
