"""The installed command as a process: started, announced, and ended whatever happens."""

import itertools
import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DEALWRIGHT = Path(sys.executable).with_name("dealwright")
WAIT_SECONDS = 240
"""On a busy machine a process takes long to start; nothing waits longer than it has to."""


_snapshots = tempfile.TemporaryDirectory(prefix="dealwright-test-")
_numbers = itertools.count(1)


def environment(**variables: str) -> dict[str, str]:
    """The environment without settings of the machine, with ports of the system's choice and no snapshot that
    another process left.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DEALWRIGHT_")}
    listening = ("GRPC", "METRICS", "ADMIN")
    ports = {f"DEALWRIGHT_{name}_ADDRESS": "127.0.0.1:0" for name in listening}
    snapshot = Path(_snapshots.name) / str(next(_numbers))
    return {**kept, **ports, "DEALWRIGHT_SNAPSHOT_FILE": str(snapshot), **variables}


@contextmanager
def running(*arguments: str, **variables: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """A running command and the addresses that it announced."""
    process = subprocess.Popen(
        [DEALWRIGHT, *arguments, "--json"],
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        readable, _, _ = select.select([process.stdout], [], [], WAIT_SECONDS)
        line = process.stdout.readline() if readable else ""
        assert line, f"nothing announced; exit code {process.poll()}"
        yield process, json.loads(line)
    finally:
        process.kill()
        process.communicate(timeout=WAIT_SECONDS)


def finished(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """What a command that ends by itself left."""
    return subprocess.run(
        [DEALWRIGHT, *arguments],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=False,
    )
