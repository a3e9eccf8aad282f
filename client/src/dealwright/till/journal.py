"""The journal of a till: what it granted, on the disk before anybody hears of it."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress

from dealwright.till import chain
from dealwright.till.chain import Entry, Head, Place
from dealwright.till.storage import DiskFailed, Storage, replace
from dealwright.v1.journal_pb2 import JournalEntry, JournalMending, JournalRecord

FILE = "journal"
SENT_FILE = "journal.sent"
"""How far the journal has been uploaded. Without it everything is uploaded again, which changes nothing."""
TORN_FILE = "journal.torn"
"""What was torn off by crashes, one after another."""

FILE_BYTES_MAX = 4 * 1024 * 1024
"""A file that is longer and all uploaded makes way for a new one."""

_SENT_BYTES = 8


class Journal:
    """Entries in a file that only grows; each is on the disk when `append` returns.

    Not for several threads at once.
    """

    def __init__(self, storage: Storage) -> None:
        """Opens the journal, or begins one; raises Damaged or DiskFailed."""
        self._storage = storage
        self._broken = False
        self.before_new_file: Callable[[], None] = lambda: None
        """What is read from the entries has to be kept elsewhere before they go; raises DiskFailed."""
        data = storage.read(FILE)
        if not data:
            head = Head(uuid.uuid4().hex, Place())
            data = head.encoded()
            replace(storage, FILE, data)
        contents = chain.read(data)
        self._head, self._entries = contents.head, list(contents.entries)
        self._length = contents.length
        self.torn = data[contents.length :]
        """What the last crash left behind the last entry. Empty: nothing."""
        self._sent = min(self._read_sent(), self.place.sequence)
        self._sales = {
            entry.record.sale.sale_id: entry for entry in self._entries if entry.record.HasField("sale")
        }
        if self.torn:
            self._set_aside(self.torn)

    @property
    def journal_id(self) -> str:
        return self._head.journal_id

    @property
    def place(self) -> Place:
        """Behind the last entry."""
        return self._entries[-1].place if self._entries else self._head.place

    @property
    def begin(self) -> Place:
        """Before the first entry of this file."""
        return self._head.place

    @property
    def entries(self) -> Sequence[Entry]:
        """The entries of this file."""
        return self._entries

    @property
    def sent(self) -> int:
        """The last entry that a server has."""
        return self._sent

    @property
    def unsent(self) -> int:
        """How many entries no server has, as far as this till knows."""
        return self.place.sequence - self._sent

    @property
    def last_record(self) -> JournalRecord | None:
        return self._entries[-1].record if self._entries else None

    def mending(self) -> JournalMending | None:
        """What is to be written down about a torn end. None: there was none."""
        if not self.torn:
            return None
        return JournalMending(torn_bytes=len(self.torn), torn_hash=hashlib.sha256(self.torn).digest())

    def sale(self, sale_id: str) -> Entry | None:
        """The entry of a sale, if it is in this file."""
        return self._sales.get(sale_id)

    def append(self, record: JournalRecord) -> Entry:
        """Writes a record down; when it returns, the disk has it. With DiskFailed nothing was written."""
        if self._broken:
            raise DiskFailed("the journal couldn't be written before; open the till again")
        entry = chain.next_entry(self.place, record)
        framed = chain.frame(entry)
        try:
            self._storage.append(FILE, framed)
            self._storage.sync(FILE)
        except OSError as error:
            self._undo()
            raise DiskFailed(f"the journal can't be written: {error.strerror or error}") from error
        self._length += len(framed)
        self._entries.append(entry)
        if record.HasField("sale"):
            self._sales[record.sale.sale_id] = entry
        return entry

    def pending(self, entries_max: int, bytes_max: int) -> tuple[Place, Sequence[JournalEntry]]:
        """The first entries that no server has, and the place before them. At least one, however large."""
        contents = chain.Contents(self._head, self._entries, self._length)
        return chain.piece(contents, self._sent, entries_max, bytes_max)

    def note_sent(self, sequence: int) -> None:
        """Remembers that a server has all up to an entry, and begins a new file when this one is long."""
        self._sent = min(max(sequence, self._sent), self.place.sequence)
        write_sent(self._storage, SENT_FILE, self._sent)
        if self.unsent == 0 and self._length > FILE_BYTES_MAX:
            self._begin_file()

    def _begin_file(self) -> None:
        self.before_new_file()
        head = Head(self.journal_id, self.place)
        replace(self._storage, FILE, head.encoded())
        self._head, self._length = head, len(head.encoded())
        self._entries.clear()
        self._sales.clear()

    def _undo(self) -> None:
        """Takes back what a failed write left. Where that fails too, nothing more is written."""
        self._broken = True
        with suppress(OSError):
            self._storage.truncate(FILE, self._length)
            self._storage.sync(FILE)
            self._broken = False

    def _set_aside(self, torn: bytes) -> None:
        try:
            self._storage.append(TORN_FILE, torn)
            self._storage.sync(TORN_FILE)
            self._storage.truncate(FILE, self._length)
            self._storage.sync(FILE)
        except OSError as error:
            raise DiskFailed(f"the journal can't be mended: {error.strerror or error}") from error

    def _read_sent(self) -> int:
        return read_sent(self._storage, SENT_FILE, self._head.place.sequence)


def read_sent(storage: Storage, name: str, otherwise: int) -> int:
    """How far a journal has been uploaded, as a file says; `otherwise` where there is none."""
    data = storage.read(name)
    return int.from_bytes(data, "big") if len(data) == _SENT_BYTES else otherwise


def write_sent(storage: Storage, name: str, sequence: int) -> None:
    replace(storage, name, sequence.to_bytes(_SENT_BYTES, "big"))
