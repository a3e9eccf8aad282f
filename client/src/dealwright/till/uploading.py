"""Bringing a journal to a server, piece by piece, as often as it takes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import grpc

from dealwright.calling import Calls
from dealwright.connection import Connection
from dealwright.errors import CallFailed, DeadlineExceeded, Unavailable
from dealwright.till.chain import Place
from dealwright.till.storage import DiskFailed
from dealwright.v1.journal_pb2 import JournalEntry
from dealwright.v1.journal_service_pb2 import UploadJournalRequest
from dealwright.v1.journal_service_pb2_grpc import JournalServiceStub

ENTRIES_MAX = 200
BYTES_MAX = 1024 * 1024
"""What one call brings; a server takes up to 500 entries and 4 MiB."""

AGAIN_SECONDS = 5.0
"""How long to wait when a server wasn't there."""

REFUSED_SECONDS = 300.0
"""How long to wait when a server refused: it takes a person to change that."""

END_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What an upload has brought."""

    entries: int
    """How many the server didn't have yet."""


class Journaled(Protocol):
    """A journal, or what is left of one, as it is brought to a server."""

    @property
    def journal_id(self) -> str: ...

    def pending(self, entries_max: int, bytes_max: int) -> tuple[Place, Sequence[JournalEntry]]: ...

    def note_sent(self, sequence: int) -> None: ...


class Uploader:
    """Uploads journals. `lock` is held while one is read or noted, never during a call."""

    def __init__(
        self, journals: Sequence[Journaled], device_id: str, connection: Connection, lock: threading.Lock
    ) -> None:
        self._journals = journals
        self._device_id = device_id
        self._lock = lock
        self._calls = Calls(connection)
        self._service = JournalServiceStub(cast("grpc.Channel", self._calls))
        self._one_at_a_time = threading.Lock()

    def upload(self) -> Uploaded:
        """Uploads all that no server has; raises CallFailed, and what was brought until then is noted."""
        with self._one_at_a_time:
            return Uploaded(sum(map(self._upload, self._journals)))

    def _upload(self, journal: Journaled) -> int:
        brought = 0
        while True:
            with self._lock:
                place, entries = journal.pending(ENTRIES_MAX, BYTES_MAX)
            if not entries:
                return brought
            answer = self._service.UploadJournal(
                UploadJournalRequest(
                    device_id=self._device_id,
                    journal_id=journal.journal_id,
                    previous_hash=place.hash,
                    entries=entries,
                )
            )
            brought += answer.stored
            with self._lock:
                journal.note_sent(min(answer.sequence, place.sequence + len(entries)))

    def close(self) -> None:
        self._calls.close()


class Uploading:
    """Uploads in a thread of its own, whenever there is something to bring."""

    def __init__(self, uploader: Uploader, tell: Callable[[CallFailed | DiskFailed | None], None]) -> None:
        self._uploader = uploader
        self._tell = tell
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dealwright-uploading", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There is something to bring."""
        self._wake.set()

    def stop(self) -> None:
        self._stopping.set()
        self._wake.set()
        self._uploader.close()
        self._thread.join(END_SECONDS)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                self._uploader.upload()
                self._tell(None)
                self._wake.wait()
            except (CallFailed, DiskFailed) as failed:
                self._tell(failed)
                away = isinstance(failed, (Unavailable, DeadlineExceeded))
                self._stopping.wait(AGAIN_SECONDS if away else REFUSED_SECONDS)
            except ValueError:
                # The channel was closed under a call.
                return
