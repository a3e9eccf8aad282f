"""The embedded PostgreSQL starts again whatever a killed one left behind, or says what is wrong."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import sqlalchemy

from server.db.embedded import EmbeddedPostgres
from server.db.engine import DatabaseUnavailable, connect
from tests.operations.processes import environment, finished

WAIT_SECONDS = 10

pytestmark = pytest.mark.database


@pytest.fixture
def killed(data_dir: Path) -> Path:
    """A folder whose server was killed, so that its postmaster.pid is still there."""
    embedded = EmbeddedPostgres(data_dir)
    embedded.start()
    server = psutil.Process(int(pid_file(data_dir).read_text().splitlines()[0]))
    processes = [server, *server.children()]
    server.kill()
    end = time.monotonic() + WAIT_SECONDS
    while any(map(lives, processes)) and time.monotonic() < end:
        time.sleep(0.01)
    embedded.stop()
    assert pid_file(data_dir).exists()
    return data_dir


@pytest.fixture
def zombie() -> Iterator[int]:
    """A process that ended and that nobody has asked about: its id is still taken."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    end = time.monotonic() + WAIT_SECONDS
    while lives(psutil.Process(process.pid)) and time.monotonic() < end:
        time.sleep(0.01)
    yield process.pid
    process.wait()


def lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def write(file: Path, content: str) -> None:
    """Puts another file in its place at once, so that nobody reads half of it."""
    other = file.with_name("written")
    other.write_text(content)
    other.replace(file)


def pid_file(data_dir: Path) -> Path:
    return data_dir / "postgres" / "postmaster.pid"


def renumber(data_dir: Path, pid: int) -> None:
    """Makes postmaster.pid name another process, as after a restart of the machine."""
    _, *rest = pid_file(data_dir).read_text().splitlines()
    pid_file(data_dir).write_text("\n".join([str(pid), *rest, ""]))


def answers(data_dir: Path) -> bool:
    with EmbeddedPostgres(data_dir) as embedded:
        engine = connect(embedded.url())
        with engine.connect() as connection:
            answer: int = connection.scalar(sqlalchemy.text("SELECT 1")) or 0
        engine.dispose()
    return answer == 1


def test_a_killed_server_is_started_again(killed: Path) -> None:
    assert answers(killed)


def test_a_server_that_goes_through_its_log_is_waited_for(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir):
        ready = pid_file(data_dir).read_text()
        *head, _ = ready.splitlines()
        write(pid_file(data_dir), "\n".join([*head, "starting", ""]))
        second = EmbeddedPostgres(data_dir)
        with ThreadPoolExecutor(1) as pool:
            joining = pool.submit(second.start)
            with pytest.raises(TimeoutError):
                joining.result(timeout=0.5)
            write(pid_file(data_dir), ready)
            joining.result(timeout=60)
        engine = connect(second.url())
        with engine.connect() as connection:
            assert connection.scalar(sqlalchemy.text("SELECT 1")) == 1
        engine.dispose()


def test_a_process_with_the_number_of_the_killed_one_is_no_server(killed: Path) -> None:
    renumber(killed, os.getpid())

    assert answers(killed)


def test_a_process_that_nobody_has_buried_is_no_server(killed: Path, zombie: int) -> None:
    renumber(killed, zombie)

    assert answers(killed)


@pytest.mark.parametrize("lines", [1, 7])
def test_a_server_killed_while_it_started_is_started_again(killed: Path, lines: int) -> None:
    pid_file(killed).write_text("".join(pid_file(killed).read_text().splitlines(keepends=True)[:lines]))

    assert answers(killed)


def test_a_first_start_that_was_interrupted_is_begun_again(data_dir: Path) -> None:
    process = subprocess.Popen(
        [Path(sys.executable).with_name("dealwright"), "up"],
        env=environment(DEALWRIGHT_DATA_DIR=str(data_dir)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    end = time.monotonic() + 6 * WAIT_SECONDS
    while not list(data_dir.glob("*/PG_VERSION")) and time.monotonic() < end:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()

    assert answers(data_dir)
    assert [file.parent.name for file in data_dir.glob("*/PG_VERSION")] == ["postgres"]


def test_a_folder_with_other_things_in_it_is_left_alone(data_dir: Path) -> None:
    (data_dir / "postgres").mkdir()
    (data_dir / "postgres" / "letter.txt").write_text("dear")

    with pytest.raises(DatabaseUnavailable, match="PG_VERSION is missing"):
        EmbeddedPostgres(data_dir).start()

    assert (data_dir / "postgres" / "letter.txt").read_text() == "dear"


@pytest.mark.parametrize("written", [b"\xff\xfe", b"9\n"])
def test_a_version_that_is_none_is_said_in_words(data_dir: Path, written: bytes) -> None:
    (data_dir / "postgres").mkdir()
    (data_dir / "postgres" / "PG_VERSION").write_bytes(written)

    with pytest.raises(DatabaseUnavailable, match="PG_VERSION") as refused:
        EmbeddedPostgres(data_dir).start()

    assert "DEALWRIGHT_DATA_DIR" in str(refused.value)
    done = finished("up", DEALWRIGHT_DATA_DIR=str(data_dir))
    assert (done.returncode, "Traceback" in done.stderr) == (3, False)
