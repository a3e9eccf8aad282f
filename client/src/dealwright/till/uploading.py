"""Bringing a journal to a server, piece by piece, as often as it takes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import grpc

from dealwright.calling import Calls
from dealwright.connection import Connection
from dealwright.till.chain import Place
from dealwright.v1.journal_pb2 import JournalEntry
from dealwright.v1.journal_service_pb2 import UploadJournalRequest
from dealwright.v1.journal_service_pb2_grpc import JournalServiceStub

ENTRIES_MAX = 200
BYTES_MAX = 1024 * 1024
"""What one call brings; a server takes up to 500 entries and 4 MiB."""


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
