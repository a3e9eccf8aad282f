"""The database of a process: the one that the settings name, or the embedded one."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from sqlalchemy import Engine

from server.db.embedded import EmbeddedPostgres
from server.db.engine import UnusableUrl, connect
from server.runtime.settings import Settings, SettingsError


@contextmanager
def database(settings: Settings) -> Iterator[Engine]:
    """An engine for the database; the embedded PostgreSQL is started when needed and left afterwards."""
    with ExitStack() as stack:
        url = settings.database_url
        if url is None:
            url = stack.enter_context(EmbeddedPostgres(settings.data_dir)).url()
        try:
            engine = connect(url)
        except UnusableUrl as error:
            raise SettingsError(f"DEALWRIGHT_DATABASE_URL: {error}") from error
        stack.callback(engine.dispose)
        yield engine
