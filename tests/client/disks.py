"""A disk that keeps what was synced and loses the rest, and that fails where a test wants it to."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from dealwright.till.storage import Storage


class Crash(BaseException):
    """The power is gone. No handler of errors may come between."""


@dataclass
class Content:
    """What a name stands for: what the running system sees of it, and what is certain."""

    seen: bytes = b""
    certain: bytes = b""


class Disk(Storage):
    """A storage in memory, with a failure at a step of choice."""

    def __init__(self, files: dict[str, bytes] | None = None) -> None:
        super().__init__(Path("disk"))
        self.names = {name: Content(data, data) for name, data in (files or {}).items()}
        self.certain_names = dict(self.names)
        self.steps = 0
        self.fail_at = 0
        """The step, counted from 1, at which `failure` happens. 0: at none."""
        self.failure: BaseException = Crash()
        self.torn = 0.5
        """How much of what is being written is there when the disk fails in the middle of it."""

    def prepare(self) -> None:
        """There is no folder."""

    def lock(self) -> BinaryIO:
        return BytesIO()

    def after_power_cut(self, *, lucky: bool) -> Disk:
        """The disk of the next start. A lucky one has written everything that it was given."""
        names = self.names if lucky else self.certain_names
        return Disk({name: each.seen if lucky else each.certain for name, each in names.items()})

    def read(self, name: str) -> bytes:
        return self.names[name].seen if name in self.names else b""

    def write(self, name: str, data: bytes) -> None:
        content = self.names[name] = Content()
        self._put(content, b"", data)

    def append(self, name: str, data: bytes) -> None:
        content = self.names.setdefault(name, Content())
        self._put(content, content.seen, data)

    def truncate(self, name: str, length: int) -> None:
        self._step()
        self.names[name].seen = self.names[name].seen[:length]

    def sync(self, name: str) -> None:
        self._step()
        self.names[name].certain = self.names[name].seen

    def rename(self, name: str, to: str) -> None:
        self._step()
        self.names[to] = self.names.pop(name)

    def remove(self, name: str) -> None:
        self.names.pop(name, None)

    def sync_folder(self) -> None:
        self._step()
        self.certain_names = dict(self.names)

    def _put(self, content: Content, before: bytes, data: bytes) -> None:
        content.seen = before + data[: int(len(data) * self.torn)]
        self._step()
        content.seen = before + data

    def _step(self) -> None:
        self.steps += 1
        if self.steps == self.fail_at:
            raise self.failure


def full() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device")
