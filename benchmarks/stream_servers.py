"""A company with servers as processes, for benchmarks of rule streams and of load: `dealwright serve`, from
outside.
"""

from __future__ import annotations

import itertools
import json
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import httpx
import psutil
from dealwright.v1.promotion_pb2 import Promotion

from benchmarks.catalogue import rules
from benchmarks.messages import stacking
from server.access.service import Access
from server.actors import Role, local_actor
from server.db.embedded import EmbeddedPostgres
from server.db.engine import connect
from server.db.migrate import upgrade
from server.definitions.service import Definitions, Publication
from server.distribution import keys
from server.distribution.operations import Operations
from server.runtime import logs

COMPANY = "bench"
WAIT_SECONDS = 120.0
"""How long something that is expected is awaited."""

DEALWRIGHT = Path(sys.executable).with_name("dealwright")


class Server:
    """A server process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        where = json.loads(Said(process).next())
        self.address: str = where["grpc"]
        self._metrics: str = where["metrics"]
        self._process = psutil.Process(process.pid)

    def replace_workers(self) -> None:
        """Of a supervisor: each of its workers gives way to a new one."""
        self._process.send_signal(signal.SIGHUP)

    def confine_workers(self) -> None:
        """Of a supervisor: each of its workers keeps to one processor, as on a machine that has no more."""
        processors = itertools.cycle(sorted(os.sched_getaffinity(0)))
        # The others are of Python's own, and begin no threads.
        for worker in (each for each in self._process.children() if each.num_threads() > 1):
            processor = next(processors)
            for thread in worker.threads():
                os.sched_setaffinity(thread.id, {processor})

    @property
    def resident(self) -> int:
        """Bytes of memory."""
        return int(self._process.memory_info().rss)

    @property
    def descriptors(self) -> int:
        """Open files and connections."""
        return int(self._process.num_fds())

    @property
    def threads(self) -> int:
        return int(self._process.num_threads())

    @property
    def processor_seconds(self) -> float:
        """What it has taken of processors until now; the clock would tell how busy the machine is."""
        return processor_seconds(self._process)

    def sent(self, part: str) -> int:
        """Bytes that went to tills: of snapshots, of deltas, or other."""
        text = httpx.get(self._metrics).text
        found = re.search(rf'^dealwright_stream_bytes_total{{part="{part}"}} (\S+)$', text, re.MULTILINE)
        return int(float(found[1])) if found else 0


class Installation:
    """A database with a company, its keys and its tokens, and servers on it."""

    def __init__(self, folder: Path, url: str, promotions: int, stores: int) -> None:
        self._engine = connect(url)
        self._url = url
        self._keys = folder / "keys"
        keys.create(self._keys, self._keys, datetime.now(UTC))
        upgrade(self._engine)
        self._definitions = Definitions(self._engine)
        self._operations = Operations(self._engine, self._definitions)
        self._definitions.publish(COMPANY, Publication([promotion(number) for number in range(promotions)]))
        access = Access(self._engine)
        self.stores = [f"s{number}" for number in range(stores)]
        self.tokens = [
            access.create(local_actor(COMPANY), f"tills of {store}", [Role.DEVICE], (store,))
            for store in self.stores
        ]
        self._priority = 0

    @property
    def root_key(self) -> bytes:
        return keys.read_root_key(self._keys)

    def publish(self) -> int:
        """A change of the one promotion that all stores have; gives the revision."""
        self._priority += 1
        changed = promotion(0)
        changed.priority = self._priority
        return self.put(changed)

    def put(self, changed: Promotion) -> int:
        """Publishes a promotion; gives the revision."""
        return self._definitions.publish(COMPANY, Publication([changed])).revision

    def kill(self, promotion_id: str) -> None:
        """Takes a promotion out of force everywhere."""
        self._operations.kill(local_actor(COMPANY), [promotion_id], "benchmark")

    def release(self, promotion_id: str) -> None:
        """Takes the kill back."""
        self._operations.release(local_actor(COMPANY), [promotion_id], "benchmark")

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def serving(self, count: int, *options: str, **settings: str) -> Iterator[list[Server]]:
        """So many servers, with options and settings of `dealwright serve`."""
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("DEALWRIGHT_")},
            "DEALWRIGHT_DATABASE_URL": self._url,
            "DEALWRIGHT_KEYS_DIR": str(self._keys),
            "DEALWRIGHT_GRPC_ADDRESS": "127.0.0.1:0",
            "DEALWRIGHT_METRICS_ADDRESS": "127.0.0.1:0",
            "DEALWRIGHT_LOG_LEVEL": "error",
            **settings,
        }
        with ExitStack() as stack:
            processes = []
            for _ in range(count):
                process = stack.enter_context(
                    subprocess.Popen(
                        [DEALWRIGHT, "serve", "--json", *options],
                        env=environment,
                        stdout=subprocess.PIPE,
                        text=True,
                    )
                )
                stack.callback(process.terminate)
                processes.append(process)
            yield [Server(process) for process in processes]


@contextmanager
def installed(promotions: int, stores: int) -> Iterator[Installation]:
    """An installation with promotions of the catalogue, the first of them in every store."""
    logs.configure(level="error")
    with tempfile.TemporaryDirectory() as name, EmbeddedPostgres(Path(name)) as embedded:
        installation = Installation(Path(name), embedded.url(), promotions, stores)
        try:
            yield installation
        finally:
            installation.close()


def promotion(number: int) -> Promotion:
    made = stacking(rules(number + 1)[number])
    if number == 0:
        made.targeting.store_ids.Clear()
    return made


def processor_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


class Said:
    """The lines of a process, each awaited for a while only."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._args = process.args
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, args=(process.stdout,), daemon=True).start()

    def next(self) -> str:
        """The next line."""
        try:
            line = self._lines.get(timeout=WAIT_SECONDS)
        except queue.Empty:
            raise TimeoutError(f"{self._args!r} has said nothing for {WAIT_SECONDS:.0f} s") from None
        if not line:
            raise RuntimeError(f"{self._args!r} has ended")
        return line

    def _read(self, lines: IO[str]) -> None:
        for line in lines:
            self._lines.put(line)
        self._lines.put("")


def progress(text: str) -> None:
    """Tells whoever waits for a table how far it is."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
