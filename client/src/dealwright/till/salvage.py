"""What is good of a damaged journal: its entries before the damage, which no server may have yet."""

from __future__ import annotations

from collections.abc import Sequence

from dealwright.till import chain
from dealwright.till.chain import Contents, Damaged, Head, Place
from dealwright.till.journal import FILE, SENT_FILE, read_sent, write_sent
from dealwright.till.storage import Storage
from dealwright.v1.journal_pb2 import JournalEntry

DAMAGED_FILE = "journal.damaged"
"""A journal that isn't as it was written, set aside for a person; the till begins another one."""

DAMAGED_SENT_FILE = "journal.damaged.sent"
"""How far that has been uploaded."""


def set_aside(storage: Storage) -> None:
    """Puts a damaged journal out of the way of the next one, with what is known of its upload."""
    if storage.read(SENT_FILE):
        storage.rename(SENT_FILE, DAMAGED_SENT_FILE)
    else:
        storage.remove(DAMAGED_SENT_FILE)
    storage.rename(FILE, DAMAGED_FILE)
    storage.sync_folder()


class Salvage:
    """The good entries of the journal that was set aside last; there may be none."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._contents = _sound(storage.read(DAMAGED_FILE))
        start = self._contents.head.place.sequence
        self._sent = min(read_sent(storage, DAMAGED_SENT_FILE, start), self._contents.place.sequence)

    @property
    def journal_id(self) -> str:
        return self._contents.head.journal_id

    @property
    def unsent(self) -> int:
        """How many of them no server has, as far as this till knows."""
        return self._contents.place.sequence - self._sent

    def pending(self, entries_max: int, bytes_max: int) -> tuple[Place, Sequence[JournalEntry]]:
        """The first that no server has, and the place before them."""
        return chain.piece(self._contents, self._sent, entries_max, bytes_max)

    def note_sent(self, sequence: int) -> None:
        """Remembers that a server has all up to an entry."""
        self._sent = min(max(sequence, self._sent), self._contents.place.sequence)
        write_sent(self._storage, DAMAGED_SENT_FILE, self._sent)


def _sound(data: bytes) -> Contents:
    nothing = Contents(Head("", Place()), (), 0)
    try:
        return chain.sound(data) if data else nothing
    except Damaged:
        return nothing
