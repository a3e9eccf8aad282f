"""Peers in processes of their own, as contenders."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Any

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / "target" / "peers" / "python" / "bin" / "python"
NODE_FOLDER = ROOT / "target" / "peers" / "node"
ANSWER_SECONDS_MAX = 300
"""A peer that takes longer is ended, and the benchmark with it."""


class Peer:
    """A process that answers one document at a time; while it does, this one waits."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.loading_ms = 0.0

    def load(self, document: dict[str, Any]) -> Any:
        """Hands over what is to be prepared, and gives the answers to check."""
        reply = self._ask({"load": document})
        self.loading_ms = reply["loading_ms"]
        return reply["answers"]

    def round(self) -> Sequence[float]:
        times: list[float] = self._ask({"round": True})["micros"]
        return times

    def _ask(self, document: dict[str, Any]) -> Any:
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("the peer was started without pipes")
        watch = Timer(ANSWER_SECONDS_MAX, self.process.kill)
        watch.start()
        try:
            self.process.stdin.write(json.dumps(document) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        finally:
            watch.cancel()
        if not line:
            raise SystemExit(f"the peer {self.process.args!r} ended without an answer")
        return json.loads(line)


def python_peer(module: str) -> list[str]:
    """The command of a peer in Python, which has packages of its own."""
    return [str(PYTHON), "-m", f"benchmarks.peers.{module}"]


def node_peer(script: str) -> list[str] | None:
    """The command of a peer in Node; None where Node or its packages are missing."""
    node = shutil.which("node")
    if node is None or not (NODE_FOLDER / "node_modules").is_dir():
        return None
    return [node, str(Path(__file__).with_name(script))]


@contextmanager
def started(command: list[str]) -> Iterator[Peer]:
    """The peer while it runs."""
    if not PYTHON.exists():
        sys.exit("The peers aren't installed: `make bench B=peers` installs them first.")
    is_python = command[0] == str(PYTHON)
    folder = ROOT if is_python else NODE_FOLDER
    with subprocess.Popen(
        command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Peer(process)
        finally:
            if process.stdin is not None:
                process.stdin.close()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
