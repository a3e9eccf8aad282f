"""The signing keys of a running process, read again when their files are others, without a restart."""

from __future__ import annotations

import threading
from pathlib import Path

import structlog

from server.distribution.keys import LIST, ONLINE, KeysUnusable, load
from server.distribution.signer import Signer

log = structlog.get_logger()

_Stamp = tuple[tuple[int, int, int], ...]


class KeyFolder:
    """The keys in a folder. Any thread may ask."""

    def __init__(self, folder: Path) -> None:
        """Reads them; raises KeysUnusable."""
        self._folder = folder
        self._lock = threading.Lock()
        self._stamp = self._stamped()
        self._signer = load(folder)
        self._problem = ""

    def signer(self) -> Signer:
        """The newest that can be used: what is wrong with newer files is logged, and the last ones go on."""
        with self._lock:
            stamp = self._stamped()
            if stamp != self._stamp:
                self._read(stamp)
            return self._signer

    def _read(self, stamp: _Stamp) -> None:
        try:
            self._signer = load(self._folder)
        except (KeysUnusable, OSError) as error:
            # One of the two files may be new already, and the other not yet: they are looked at again.
            if str(error) != self._problem:
                log.error("keys_unusable", error=str(error))
            self._problem = str(error)
            return
        self._stamp, self._problem = stamp, ""
        log.info("keys_renewed", version=self._signer.key_list_version, key=self._signer.key_id)

    def _stamped(self) -> _Stamp:
        return tuple(map(_stamp_of, (self._folder / LIST, self._folder / ONLINE)))


def _stamp_of(path: Path) -> tuple[int, int, int]:
    """Another one for each file that is put into the place of another."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return found.st_ino, found.st_size, found.st_mtime_ns
