"""Publishers as processes of their own: no revision is lost, skipped, reordered or left half."""

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import dealwright_engine
import pytest
from sqlalchemy import Engine, text

from server.audit.service import Audit
from server.definitions.service import Definitions
from tests.definitions.publisher import SHARED

ROOT = Path(__file__).parents[2]
WAIT_SECONDS = 120


def publisher(url: str, worker: str, rounds: int, promotions: int = 1) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.definitions.publisher", url, worker, str(rounds), str(promotions)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def rest(process: "subprocess.Popen[str]") -> str:
    """What a process still writes until it ends."""
    assert process.stdout is not None
    with process.stdout:
        output = process.stdout.read()
    process.wait(WAIT_SECONDS)
    return output


def require_whole(definitions: Definitions, database: Engine) -> int:
    """Checks that every revision is there, whole, in order and accounted for. Returns the last one."""
    head = definitions.head_revision("kopi")
    with database.connect() as connection:
        revisions = list(
            connection.scalars(text("SELECT revision FROM revision ORDER BY publish_time, revision"))
        )
        versions = list(
            connection.scalars(
                text("SELECT version FROM change_log WHERE promotion_id = :id ORDER BY revision"),
                {"id": SHARED},
            )
        )
        loose = connection.scalar(
            text(
                "SELECT count(*) FROM promotion_version v LEFT JOIN change_log l"
                " USING (company_id, promotion_id, version) WHERE l.revision IS NULL"
            )
        )
        stale = connection.scalar(
            text(
                "SELECT count(*) FROM promotion p WHERE p.published_version IS DISTINCT FROM (SELECT version"
                " FROM change_log l WHERE l.promotion_id = p.promotion_id ORDER BY revision DESC LIMIT 1)"
            )
        )
    assert revisions == list(range(1, head + 1))
    assert versions == list(range(1, head + 1))
    assert (loose, stale) == (0, 0)
    assert Audit(database).verify("kopi").problem == ""
    return head


def test_parallel_processes_never_lose_skip_or_reorder_a_revision(
    definitions: Definitions, database: Engine, database_url: str
) -> None:
    workers, rounds = 4, 12
    seen: list[tuple[int, str]] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            ruleset = definitions.ruleset("kopi")
            shared = next(found for found in ruleset.promotions if found.id == SHARED)
            seen.append((ruleset.revision, shared.labels[0].text))

    processes = [publisher(database_url, f"w{number}", rounds) for number in range(workers)]
    reader = threading.Thread(target=read)
    got: list[list[int]] = []
    try:
        first = [process.stdout.readline() for process in processes if process.stdout]
        reader.start()
        for process, line in zip(processes, first, strict=True):
            output = line + rest(process)
            assert process.wait(WAIT_SECONDS) == 0
            got.append([int(number) for number in output.split()])
    finally:
        done.set()
        for process in processes:
            process.kill()
    reader.join(timeout=WAIT_SECONDS)

    assert require_whole(definitions, database) == workers * rounds
    assert sorted(number for numbers in got for number in numbers) == list(range(1, workers * rounds + 1))
    assert all(numbers == sorted(numbers) for numbers in got)
    # Readers saw revisions in their order, and each always the same.
    assert [number for number, _ in seen] == sorted(number for number, _ in seen)
    history = {}
    for number in range(1, workers * rounds + 1):
        shared = next(found for found in definitions.ruleset("kopi", number).promotions if found.id == SHARED)
        history[number] = shared.labels[0].text
    assert seen
    assert all(history[number] == label for number, label in seen)
    assert len(set(history.values())) == workers * rounds


def test_a_publisher_that_is_killed_leaves_the_old_or_the_new_revision_whole(
    definitions: Definitions, database: Engine, database_url: str
) -> None:
    promotions, chance = 40, random.Random(7)
    reached = 0
    for attempt in range(10):
        process = publisher(database_url, "killed", 10_000, promotions)
        assert process.stdout is not None
        assert process.stdout.readline()
        # Somewhere inside a transaction: each takes some tens of milliseconds.
        threading.Event().wait(chance.uniform(0.0, 0.08))
        os.kill(process.pid, signal.SIGKILL)
        output = rest(process)
        told = [int(line) for line in output.splitlines() if line]

        head = require_whole(definitions, database)
        assert head > reached, attempt
        assert all(number <= head for number in told)
        for revision in {head, head - 1} - {0}:
            ruleset = definitions.ruleset("kopi", revision)
            own = {
                found.percent_discount.percent_off_ppm for found in ruleset.promotions if found.id != SHARED
            }
            assert len(ruleset.promotions) == promotions + 1
            assert len(own) == 1
            dealwright_engine.Ruleset.compile(ruleset.SerializeToString())
        reached = head


@pytest.mark.parametrize("state", ["idle in transaction", "active"])
def test_a_killed_publisher_holds_no_lock(
    definitions: Definitions, database: Engine, database_url: str, state: str
) -> None:
    process = publisher(database_url, "killed", 10_000, 40)
    assert process.stdout is not None
    process.stdout.readline()
    with database.connect() as connection:
        found = None
        for _ in range(2000):
            found = connection.scalar(
                text(
                    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
                    " AND pid <> pg_backend_pid() AND state = :state AND xact_start IS NOT NULL"
                ),
                {"state": state},
            )
            connection.rollback()
            if found:
                break
    os.kill(process.pid, signal.SIGKILL)
    rest(process)
    assert found

    after = publisher(database_url, "next", 2)

    assert len(rest(after).split()) == 2
    assert after.wait(WAIT_SECONDS) == 0
    require_whole(definitions, database)
