"""The few things that a till does to its disk. Tests put one in its place that fails wherever they want."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from dealwright.errors import DealwrightError


class DiskFailed(DealwrightError):
    """The disk didn't take something, or doesn't give it. What it had before is still there."""


class InUse(DealwrightError):
    """Another process has the till's folder."""


class Storage:
    """A folder on a disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(self) -> None:
        """Makes the folder, for its owner alone."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def lock(self) -> BinaryIO:
        """Takes the folder for this process until what is returned is closed; raises InUse."""
        held = (self.folder / "lock").open("wb")
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            held.close()
            raise InUse(f"{self.folder} is in use by another till") from error
        return held

    def read(self, name: str) -> bytes:
        """A file; empty when there is none."""
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return b""

    def write(self, name: str, data: bytes) -> None:
        """Writes a new file, and nothing of it is certain before `sync`."""
        (self.folder / name).write_bytes(data)

    def append(self, name: str, data: bytes) -> None:
        with (self.folder / name).open("ab", buffering=0) as file:
            if file.write(data) != len(data):
                raise OSError("the disk took a part")

    def truncate(self, name: str, length: int) -> None:
        os.truncate(self.folder / name, length)

    def sync(self, name: str) -> None:
        """Returns when the disk has a file's bytes."""
        with (self.folder / name).open("rb") as file:
            os.fsync(file.fileno())

    def rename(self, name: str, to: str) -> None:
        (self.folder / name).replace(self.folder / to)

    def remove(self, name: str) -> None:
        with suppress(FileNotFoundError):
            (self.folder / name).unlink()

    def sync_folder(self) -> None:
        """Returns when the disk has the folder's names."""
        held = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(held)
        finally:
            os.close(held)


def replace(storage: Storage, name: str, data: bytes) -> None:
    """Puts a file in the place of another, whole or not at all; raises DiskFailed, and the old one is there.

    A crash at any moment leaves the old file or the new one.
    """
    fresh = f"{name}.new"
    try:
        storage.write(fresh, data)
        storage.sync(fresh)
        storage.rename(fresh, name)
        storage.sync_folder()
    except OSError as error:
        with suppress(OSError):
            storage.remove(fresh)
        raise DiskFailed(f"{storage.folder}: {name} can't be written: {error.strerror or error}") from error
