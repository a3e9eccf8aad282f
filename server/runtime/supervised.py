"""A serving worker as its supervisor sees it, and what the two say to each other over a pipe.

Orders are signals: SIGTERM ends a worker, SIGUSR1 ends it when its callers have moved on. The pipe carries
what is asked of it: whether it is ready, and its metrics. When it closes, the other side is gone.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

from server.runtime.settings import Settings

Work = Callable[[Settings, int, Connection], None]
"""What a serving worker does: with which settings, which number it has, and its end of the pipe."""

_spawn = multiprocessing.get_context("spawn")
"""Never forked: gRPC doesn't survive that."""

ASK_SECONDS = 2.0
"""How long a worker may take to answer. It does so in a thread, also while it prices a large cart."""


@dataclass(frozen=True, slots=True)
class Started:
    """A worker listens."""

    ready: bool
    remark: str
    """Why it isn't, in words; empty when nobody knows more than that nothing is published."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker answers when it is asked."""

    question: int
    ready: bool
    metrics: list[Metric]


def answer_supervisor(connection: Connection, registry: CollectorRegistry, ready: Callable[[], bool]) -> None:
    """Answers what the supervisor asks, in a thread, and ends this process when the supervisor is gone."""

    def answer() -> None:
        with suppress(EOFError, OSError):
            while True:
                question = connection.recv()
                connection.send(Report(question, ready(), list(registry.collect())))
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=answer, name="supervised", daemon=True).start()


class ServingWorker:
    """One process that serves, from outside."""

    def __init__(self, work: Work, settings: Settings, number: int) -> None:
        self.number = number
        self.ordered_to_end = False
        self._connection, theirs = _spawn.Pipe()
        self._process = _spawn.Process(
            target=work, args=(settings, number, theirs), name=f"serving worker {number}"
        )
        self._process.start()
        theirs.close()
        self._questions = 0
        self._asking = threading.Lock()
        self._ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._process.sentinel, self._note_end)

    @property
    def pid(self) -> int | None:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """What it ended with; the negative number of a signal that killed it; None before."""
        return self._process.exitcode

    async def started(self, seconds: float) -> Started | None:
        """What it says when it listens, or None when it ended before or took too long."""

        def receive() -> Started | None:
            with suppress(EOFError, OSError):
                if self._connection.poll(seconds):
                    started: Started = self._connection.recv()
                    return started
            return None

        return await asyncio.to_thread(receive)

    async def ended(self) -> None:
        """Waits until it has ended."""
        await self._ended.wait()

    def report(self) -> Report | None:
        """Asks it, from any thread; None when it doesn't answer."""
        with self._asking, suppress(EOFError, OSError):
            self._questions += 1
            self._connection.send(self._questions)
            while self._connection.poll(ASK_SECONDS):
                report: Report = self._connection.recv()
                # An earlier question may have been given up.
                if report.question == self._questions:
                    return report
        return None

    def order(self, number: signal.Signals) -> None:
        """Orders it to end, one way or another."""
        self.ordered_to_end = True
        if self._process.pid is not None and self._process.is_alive():
            os.kill(self._process.pid, number)

    def _note_end(self) -> None:
        self._loop.remove_reader(self._process.sentinel)
        self._process.join()
        self._ended.set()
