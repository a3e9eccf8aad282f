"""Servers, connections and Postgres killed in the middle: what was answered is there, and nothing else is."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import grpc.aio
import psutil
import pytest
from dealwright.v1.redemption_service_pb2 import RedeemResponse
from sqlalchemy import Engine, text

from server.actors import Role
from server.db.embedded import EmbeddedPostgres
from server.db.engine import DatabaseUnavailable, connect, plain_errors
from server.db.migrate import upgrade
from server.definitions.service import Definitions, Publication
from server.keys.service import Pepper
from server.redemption import invariants
from server.runtime.settings import Settings
from server.vouchers.service import Vouchers
from tests.access.calls import PEPPER, token_for
from tests.operations.processes import running
from tests.redemption.crowd import Crowd, orders
from tests.redemption.histories import is_legal
from tests.redemption.shop import COMPANY, limited, settings
from tests.vouchers.conftest import SPRING
from tests.vouchers.test_batches import one_code

WAIT_SECONDS = 90.0
LIMIT = 12

# Lets every redemption rest for a moment between what it wrote and its commit.
REST = """
CREATE FUNCTION rest() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN PERFORM pg_sleep(0.4); RETURN NULL; END $$;
CREATE TRIGGER rest AFTER INSERT ON ledger_entry EXECUTE FUNCTION rest()
"""


START = """
import pathlib, sys
from server.db.embedded import EmbeddedPostgres
EmbeddedPostgres(pathlib.Path(sys.argv[1])).start()
"""
"""Whoever starts it leaves it to those who use it too."""


@dataclass
class Machine:
    """Two servers, each of which may be killed, and so may their Postgres where it is theirs alone."""

    embedded: EmbeddedPostgres | None
    engine: Engine
    servers: list[subprocess.Popen[str]]
    crowd: Crowd
    voucher: str
    """A code that is good for as many orders as the promotion is."""

    async def resting(self) -> int:
        """The process of Postgres that rests before a commit, as soon as there is one."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                with contextlib.suppress(DatabaseUnavailable), plain_errors(self.engine):
                    with self.engine.connect() as connection:
                        found: int | None = connection.scalar(
                            text(
                                "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
                                " AND datname = current_database() LIMIT 1"
                            )
                        )
                    if found is not None:
                        return found
                await asyncio.sleep(0.01)


Fault = Callable[[Machine], Any]


@pytest.fixture
async def machine(request: pytest.FixtureRequest, fault: Fault) -> AsyncIterator[Machine]:
    """Two servers on the Postgres of all tests, or on one of their own if that is what is killed."""
    with contextlib.ExitStack() as stack:
        embedded = None
        if fault is kill_postgres:
            embedded = stack.enter_context(EmbeddedPostgres(request.getfixturevalue("data_dir")))
            url = embedded.url()
        else:
            url = request.getfixturevalue("database_url")
        engine = connect(url)
        stack.callback(engine.dispose)
        upgrade(engine)
        token = token_for(engine, "till", Role.DEVICE)
        promotion = limited(SPRING, voucher=True, max_uses=LIMIT)
        Definitions(engine).publish(COMPANY, Publication([promotion], settings=settings()))
        code = one_code(Vouchers(engine, Pepper(Settings(pepper=PEPPER), engine)), max_uses=LIMIT)
        with engine.begin() as connection:
            connection.exec_driver_sql(REST)
        started = [
            stack.enter_context(running("serve", DEALWRIGHT_DATABASE_URL=url, DEALWRIGHT_PEPPER=PEPPER))
            for _ in range(2)
        ]
        async with contextlib.AsyncExitStack() as channels:
            opened = [
                await channels.enter_async_context(grpc.aio.insecure_channel(addresses["grpc"]))
                for _, addresses in started
            ]
            yield Machine(embedded, engine, [process for process, _ in started], Crowd(opened, token), code)


async def kill_server_during_the_statement(machine: Machine) -> None:
    """Its statement goes on without it: the effect is there, and nobody was told."""
    await machine.resting()
    machine.servers[0].kill()


async def kill_server_after_the_commit(machine: Machine) -> None:
    """It stands still while the database commits, and dies before it answers."""
    resting = await machine.resting()
    os.kill(machine.servers[0].pid, signal.SIGSTOP)
    while resting == await _pid_if_resting(machine, resting):
        await asyncio.sleep(0.02)
    machine.servers[0].kill()


async def kill_connection(machine: Machine) -> None:
    """The transaction is undone before its commit."""
    resting = await machine.resting()
    with machine.engine.connect() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": resting})


async def kill_postgres(machine: Machine) -> None:
    """Everything that wasn't committed is undone; it is started again over the same data."""
    assert machine.embedded is not None
    await machine.resting()
    await _restart_postgres(machine.embedded)


FAULTS: list[Fault] = [
    kill_server_during_the_statement,
    kill_server_after_the_commit,
    kill_connection,
    kill_postgres,
]


@pytest.mark.fault("server killed while it grants", "nothing is lost or granted twice")
@pytest.mark.process
@pytest.mark.database
@pytest.mark.parametrize("fault", FAULTS, ids=[fault.__name__ for fault in FAULTS])
async def test_what_is_killed_loses_nothing_and_grants_nothing_twice(machine: Machine, fault: Fault) -> None:
    # The first two orders meet the fault; what they don't know, they ask again.
    first, _ = await asyncio.gather(machine.crowd.rush(orders(2, voucher=machine.voucher)), fault(machine))
    with machine.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER rest ON ledger_entry")

    rest = await machine.crowd.rush(orders(LIMIT + 4, voucher=machine.voucher))

    assert first + rest == LIMIT
    assert is_legal(machine.crowd.history, LIMIT)
    assert list(map(str, invariants.check(machine.engine))) == []
    with machine.engine.connect() as connection:
        there = {str(one) for one in connection.scalars(text("SELECT id FROM redemption"))}
        posted = connection.execute(text("SELECT kind, posted FROM limit_account ORDER BY kind"))
        assert [tuple(row) for row in posted] == [("total", LIMIT), ("voucher", LIMIT)]
        assert connection.scalar(text("SELECT used FROM voucher")) == LIMIT
    seen = {RedeemResponse.FromString(answer).redemption.redemption_id for answer in machine.crowd.answers}
    assert seen == there


async def _pid_if_resting(machine: Machine, pid: int) -> int | None:
    with machine.engine.connect() as connection:
        found: int | None = connection.scalar(
            text("SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND pid = :pid"), {"pid": pid}
        )
    return found


async def _restart_postgres(embedded: EmbeddedPostgres) -> None:
    """Kills the server process and waits until its children have noticed; then starts it again."""
    written = embedded.data_dir / "postgres" / "postmaster.pid"
    postmaster = psutil.Process(int(written.read_text().splitlines()[0]))
    family = [postmaster, *postmaster.children(recursive=True)]
    postmaster.kill()
    async with asyncio.timeout(WAIT_SECONDS):
        while any(_lives(process) for process in family):
            await asyncio.sleep(0.02)
    # In another process: a fork of this one, whose clients are busy, may break in handlers of gRPC.
    start = [sys.executable, "-c", START, str(embedded.data_dir)]
    await asyncio.to_thread(subprocess.run, start, check=True, timeout=WAIT_SECONDS)


def _lives(process: psutil.Process) -> bool:
    """A process that nobody waits for stays in the list when it has ended."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
