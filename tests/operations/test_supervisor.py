"""What a supervisor does with workers of any kind: here some that serve nothing and die as they are told."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter

from server.runtime.settings import Address, Settings
from server.runtime.supervised import Started, answer_supervisor
from server.runtime.supervisor import StartFailed, Supervisor

SECONDS = 240


def work(settings: Settings, number: int, supervisor: Connection) -> None:
    """Notes that it began, as a file named by its number and process, and lives until it is told to end."""
    diary = settings.data_dir
    (diary / f"{number}-{os.getpid()}").touch()
    if (diary / "refuse").exists():
        sys.exit(3)
    for order in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(order, lambda *_: os._exit(0))
    ready = not (diary / "unready").exists()
    supervisor.send(Started(ready, "" if ready else "nothing to serve"))
    registry = CollectorRegistry()
    Counter("births", "One each.", registry=registry).inc()
    answer_supervisor(supervisor, registry, lambda: ready)
    while True:
        time.sleep(SECONDS)


def born(diary: Path) -> dict[int, int]:
    """The number of each worker that ever was, by process."""
    return {
        int(name.partition("-")[2]): int(name[0]) for each in diary.iterdir() if "-" in (name := each.name)
    }


@asynccontextmanager
async def supervising(diary: Path, count: int) -> AsyncIterator[Supervisor]:
    any_port = Address("127.0.0.1", 0)
    settings = Settings(data_dir=diary, grpc_address=any_port, metrics_address=any_port)
    supervisor = Supervisor(work, settings, count)
    started = asyncio.Event()
    running = asyncio.create_task(supervisor.run(lambda _: started.set()))
    waiting = asyncio.create_task(started.wait())
    try:
        async with asyncio.timeout(SECONDS):
            await asyncio.wait((running, waiting), return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
            yield supervisor
            assert not running.done()
            os.kill(os.getpid(), signal.SIGTERM)
            await running
    finally:
        waiting.cancel()
        running.cancel()
        await asyncio.wait((running,))


async def until_born(diary: Path, count: int) -> dict[int, int]:
    while len(born(diary)) < count:
        await asyncio.sleep(0.02)
    return born(diary)


async def answering(supervisor: Supervisor, count: int) -> None:
    def value(name: str) -> float | None:
        list(supervisor.metrics.registry.collect())
        return supervisor.metrics.registry.get_sample_value(name)

    while await asyncio.to_thread(value, "dealwright_serving_workers") != count:
        await asyncio.sleep(0.05)


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


async def test_a_worker_that_dies_is_followed_by_another(tmp_path: Path) -> None:
    async with supervising(tmp_path, 2) as supervisor:
        first = born(tmp_path)
        for pid in first:
            os.kill(pid, signal.SIGKILL)
        everybody = await until_born(tmp_path, 4)
        await answering(supervisor, 2)
        families = {family.name: family for family in supervisor.metrics.registry.collect()}

    assert sorted(first.values()) == [0, 1]
    assert sorted(everybody.values()) == [0, 0, 1, 1]
    births = [
        (sample.labels, sample.value)
        for sample in families["births"].samples
        if sample.name == "births_total"
    ]
    assert sorted(births, key=str) == [({"worker": "0"}, 1.0), ({"worker": "1"}, 1.0)]
    assert not any(alive(pid) for pid in everybody)


async def test_a_worker_that_cannot_start_at_all_is_what_it_ends_with(tmp_path: Path) -> None:
    (tmp_path / "refuse").touch()

    with pytest.raises(StartFailed) as failed:
        async with supervising(tmp_path, 2):
            pass

    assert failed.value.exit_code == 3
    assert len(born(tmp_path)) == 1


async def test_one_that_dies_again_and_again_is_started_less_and_less_often(tmp_path: Path) -> None:
    async with supervising(tmp_path, 1) as supervisor:
        (tmp_path / "refuse").touch()
        (pid,) = born(tmp_path)
        begin = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        # Pauses of 0.1 and 0.2 seconds before the second and the third.
        await until_born(tmp_path, 3)
        took = time.monotonic() - begin
        (tmp_path / "refuse").unlink()
        await answering(supervisor, 1)

    assert took > 0.3


async def test_workers_that_are_ready_are_not_replaced_by_some_that_are_not(tmp_path: Path) -> None:
    async with supervising(tmp_path, 2) as supervisor:
        first = born(tmp_path)
        (tmp_path / "unready").touch()
        os.kill(os.getpid(), signal.SIGHUP)
        (new,) = set(await until_born(tmp_path, 3)) - set(first)
        while alive(new):
            await asyncio.sleep(0.02)
        await answering(supervisor, 2)
        kept = all(alive(pid) for pid in first)

        (tmp_path / "unready").unlink()
        os.kill(os.getpid(), signal.SIGHUP)
        while any(alive(pid) for pid in first):
            await asyncio.sleep(0.02)
        await answering(supervisor, 2)

    assert kept
    assert len(born(tmp_path)) == 5
