"""The bytes of a journal: a head, then entries, each with the hash of everything before it. No I/O.

A file is its head, then for each entry the length and the CRC of its record, the record, and its hash. The
CRC tells a record that was cut off by a crash from one that somebody has edited.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from dealwright.errors import DealwrightError
from dealwright.v1.journal_pb2 import JournalEntry, JournalRecord

FIRST_HASH = b""
"""What stands before the first entry of a journal."""

HASH_BYTES = 32
RECORD_BYTES_MAX = 8 * 1024 * 1024
"""A length above it is no length."""

_MAGIC = b"dealwright journal 1\n"
_HEAD = struct.Struct(">32sqB32s")
_FRAME = struct.Struct(">II")


class Damaged(DealwrightError):
    """A journal that isn't what was written: entries are missing or were changed."""

    def __init__(self, sequence: int, detail: str) -> None:
        super().__init__(f"the journal is damaged at entry {sequence}: {detail}")
        self.sequence = sequence
        """The first entry that isn't as it was written."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a journal: behind an entry."""

    sequence: int = 0
    hash: bytes = FIRST_HASH


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of a journal's file: which journal, and from where on it is in this file."""

    journal_id: str
    """32 hexadecimal digits."""
    place: Place

    def encoded(self) -> bytes:
        place = self.place
        packed = _HEAD.pack(self.journal_id.encode(), place.sequence, len(place.hash), place.hash)
        return _MAGIC + packed + struct.pack(">I", zlib.crc32(packed))

    @classmethod
    def read(cls, data: bytes) -> Head:
        """From the file; raises Damaged."""
        packed = data[len(_MAGIC) : HEAD_BYTES - 4]
        if (
            len(data) < HEAD_BYTES
            or not data.startswith(_MAGIC)
            or struct.pack(">I", zlib.crc32(packed)) != data[HEAD_BYTES - 4 : HEAD_BYTES]
        ):
            raise Damaged(0, "its head can't be read")
        journal_id, sequence, length, digest = _HEAD.unpack(packed)
        return cls(journal_id.decode("ascii", "replace"), Place(sequence, digest[:length]))


HEAD_BYTES = len(_MAGIC) + _HEAD.size + 4


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry with what it says."""

    record: JournalRecord
    body: bytes
    """The bytes of the record, as they were hashed."""
    hash: bytes
    previous: bytes
    """The hash of the entry before."""

    @property
    def place(self) -> Place:
        return Place(self.record.sequence, self.hash)

    def message(self) -> JournalEntry:
        return JournalEntry(record=self.body, hash=self.hash)


def chained(previous: bytes, body: bytes) -> bytes:
    """The hash of an entry."""
    return hashlib.sha256(previous + body).digest()


def next_entry(place: Place, record: JournalRecord) -> Entry:
    """The entry behind a place; it numbers the record."""
    record.sequence = place.sequence + 1
    body = record.SerializeToString(deterministic=True)
    return Entry(record, body, chained(place.hash, body), place.hash)


def frame(entry: Entry) -> bytes:
    """An entry as it stands in the file."""
    return _FRAME.pack(len(entry.body), zlib.crc32(entry.body)) + entry.body + entry.hash


@dataclass(frozen=True, slots=True)
class Contents:
    """What a journal's file holds."""

    head: Head
    entries: Sequence[Entry]
    length: int
    """Bytes of the file up to the end of the last entry. What comes behind was torn off."""

    @property
    def place(self) -> Place:
        return self.entries[-1].place if self.entries else self.head.place


def read(data: bytes) -> Contents:
    """Reads a journal's file; raises Damaged. An end that was torn off by a crash is left out."""
    head = Head.read(data)
    return _contents(head, _entries(data, head.place))


def sound(data: bytes) -> Contents:
    """What a damaged file holds before the damage; raises Damaged where not even its head can be read."""
    head = Head.read(data)
    return _contents(head, _until_damaged(_entries(data, head.place)))


def _contents(head: Head, found: Iterable[tuple[Entry, int]]) -> Contents:
    entries, length = [], HEAD_BYTES
    for entry, length in found:  # noqa: B007 - the last one counts
        entries.append(entry)
    return Contents(head, tuple(entries), length)


def _entries(data: bytes, place: Place) -> Iterator[tuple[Entry, int]]:
    """Each entry, and where it ends in the file; raises Damaged at the first that isn't as it was written."""
    for body, digest, end in _frames(data, place.sequence):
        entry = _checked(place, body, digest)
        place = entry.place
        yield entry, end


def _until_damaged(found: Iterator[tuple[Entry, int]]) -> Iterator[tuple[Entry, int]]:
    with suppress(Damaged):
        yield from found


def piece(
    contents: Contents, sent: int, entries_max: int, bytes_max: int
) -> tuple[Place, Sequence[JournalEntry]]:
    """The first entries behind `sent`, and the place before them. At least one, however large."""
    first = max(sent - contents.head.place.sequence, 0)
    before = contents.entries[first - 1].place if first > 0 else contents.head.place
    chosen: list[JournalEntry] = []
    size = 0
    for entry in contents.entries[first : first + entries_max]:
        size += len(entry.body)
        if chosen and size > bytes_max:
            break
        chosen.append(entry.message())
    return before, chosen


def verify(place: Place, messages: Iterable[JournalEntry]) -> Iterator[Entry]:
    """The entries that follow a place; raises Damaged at the first that doesn't."""
    for message in messages:
        entry = _checked(place, message.record, message.hash)
        place = entry.place
        yield entry


def _checked(place: Place, body: bytes, digest: bytes) -> Entry:
    if chained(place.hash, body) != digest:
        raise Damaged(place.sequence + 1, "its hash isn't that of what is there")
    try:
        record = JournalRecord.FromString(body)
    except DecodeError as error:
        raise Damaged(place.sequence + 1, "it is no record") from error
    if record.sequence != place.sequence + 1:
        raise Damaged(place.sequence + 1, f"entry {record.sequence} stands in its place")
    return Entry(record, body, digest, place.hash)


def _frames(data: bytes, sequence: int) -> Iterator[tuple[bytes, bytes, int]]:
    """Record, hash and end of each frame. The last one may be cut off, or be other than was meant."""
    position = HEAD_BYTES
    while position < len(data):
        sequence += 1
        if len(data) - position < _FRAME.size:
            return
        length, check = _FRAME.unpack_from(data, position)
        begin = position + _FRAME.size
        end = begin + length + HASH_BYTES
        body = data[begin : begin + length]
        if length == 0 or length > RECORD_BYTES_MAX or end > len(data) or zlib.crc32(body) != check:
            if _more_follows(data, position):
                raise Damaged(sequence, "what is there can't be read, and more follows")
            return
        yield body, data[end - HASH_BYTES : end], end
        position = end


def _more_follows(data: bytes, begin: int) -> bool:
    """Whether there is a whole frame behind what can't be read; then no crash has made it so.

    After a crash the last write is there in part, and zeros may stand for what isn't.
    """
    for position in range(begin + 1, len(data) - _FRAME.size - HASH_BYTES):
        length, check = _FRAME.unpack_from(data, position)
        behind = position + _FRAME.size + length + HASH_BYTES
        if 0 < length <= RECORD_BYTES_MAX and behind <= len(data):
            body = data[position + _FRAME.size : behind - HASH_BYTES]
            if zlib.crc32(body) == check:
                return True
    return False
