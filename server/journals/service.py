"""Use cases of journals: take in what tills upload, each entry once, and say what is wrong with them."""

from dataclasses import dataclass
from datetime import UTC

from dealwright.till.chain import Damaged, Entry, Place, verify
from dealwright.v1.journal_pb2 import JournalEntry, JournalRecord
from dealwright.v1.journal_service_pb2 import UploadJournalRequest
from google.protobuf.message import DecodeError
from sqlalchemy import Connection, Engine

from server.actors import Actor, Role
from server.audit import service as audit
from server.audit.service import Event
from server.db.engine import plain_errors
from server.journals import store
from server.journals.store import Alarm, Drift, Journal, Name
from server.leases.booking import Holder, book
from server.runtime.errors import Denied, Invalid, Refusal
from server.runtime.instants import instant
from server.runtime.settings import COMPANY_ID, COMPANY_ID_NEEDS

__all__ = ["ENTRIES_MAX", "Alarm", "Drift", "Journal", "Journals", "Name", "Taken", "Verification"]

ENTRIES_MAX = 500
"""Entries of one upload."""

SALE_ID_LENGTH_MAX = 128


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of an upload."""

    place: Place
    """Behind the newest entry that is stored."""
    stored: int
    missing: int


@dataclass(frozen=True, slots=True)
class Verification:
    """What became of reading a journal from its first entry to its last."""

    device_id: str
    journal_id: str
    entries: int
    problem: str = ""
    """The first thing that is wrong. Empty: nothing is missing and nothing was changed."""


class Journals:
    """The journals of all companies in one database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def upload(self, actor: Actor, request: UploadJournalRequest) -> Taken:
        """Stores the entries that aren't stored yet; raises Refusal, and stores none."""
        name = _name(actor, request)
        entries = _entries(request)
        _require_own_stores(actor, entries)
        with plain_errors(self._engine), self._engine.begin() as connection:
            taken = _take(connection, actor, name, entries)
        if isinstance(taken, Refusal):
            # Raised here, so that its alarm is kept.
            raise taken
        return taken

    def journals(self, company_id: str) -> list[Journal]:
        """The journals of a company, by device."""
        with plain_errors(self._engine), self._engine.connect() as connection:
            return store.journals(connection, company_id)

    def drifts(self, company_id: str, count: int) -> list[Drift]:
        """The newest sales whose replay didn't give what the till had, newest first."""
        with plain_errors(self._engine), self._engine.connect() as connection:
            return store.drifts(connection, company_id, count)

    def drifted(self, company_id: str, revision: int) -> int:
        """How many sales at a revision came out otherwise when they were priced again."""
        with plain_errors(self._engine), self._engine.connect() as connection:
            return store.drifted(connection, company_id, revision)

    def alarms(self, company_id: str, count: int) -> list[Alarm]:
        """The newest alarms, newest first."""
        with plain_errors(self._engine), self._engine.connect() as connection:
            return store.alarms(connection, company_id, count)

    def verify(self, company_id: str) -> list[Verification]:
        """Reads every journal of a company and checks its chain."""
        with plain_errors(self._engine), self._engine.connect() as connection:
            return [
                _verified(connection, Name(company_id, each.device_id, each.journal_id), each)
                for each in store.journals(connection, company_id)
            ]


def _name(actor: Actor, request: UploadJournalRequest) -> Name:
    for field in ("device_id", "journal_id"):
        if not COMPANY_ID.fullmatch(getattr(request, field)):
            raise Invalid("ID_INVALID", f"{field} needs {COMPANY_ID_NEEDS}", field=field)
    return Name(actor.company_id, request.device_id, request.journal_id)


def _entries(request: UploadJournalRequest) -> list[Entry]:
    """The entries of an upload, which follow each other as their hashes say."""
    if len(request.entries) > ENTRIES_MAX:
        raise Invalid("TOO_MANY", f"an upload has up to {ENTRIES_MAX} entries", field="entries")
    if not request.entries:
        return []
    try:
        first = JournalRecord.FromString(request.entries[0].record).sequence
        entries = list(verify(Place(first - 1, request.previous_hash), request.entries))
    except DecodeError as error:
        raise Invalid("NOT_A_MESSAGE", "the record is no JournalRecord", field="entries[0].record") from error
    except Damaged as error:
        raise Invalid("JOURNAL_DAMAGED", str(error), field="entries") from error
    if first < 1 or (first == 1) != (request.previous_hash == b""):
        raise Invalid("JOURNAL_DAMAGED", "entry 1 alone has nothing before it", field="previous_hash")
    for number, entry in enumerate(entries):
        instant(entry.record.record_time, f"entries[{number}].record")
        if entry.record.HasField("sale") and not 0 < len(entry.record.sale.sale_id) <= SALE_ID_LENGTH_MAX:
            raise Invalid(
                "OUT_OF_RANGE",
                f"a sale_id has 1 to {SALE_ID_LENGTH_MAX} characters",
                field=f"entries[{number}].record",
            )
    return entries


def _require_own_stores(actor: Actor, entries: list[Entry]) -> None:
    """A token for some stores brings their sales alone."""
    if not actor.store_ids:
        return
    for entry in entries:
        store_id = entry.record.sale.request.cart.store_id
        if entry.record.HasField("sale") and store_id not in actor.store_ids:
            raise Denied("OTHER_STORE", f"the token is for other stores than {store_id}", store_id=store_id)


def _take(connection: Connection, actor: Actor, name: Name, entries: list[Entry]) -> Taken | Refusal:
    owner = store.device_owner(connection, name)
    if owner not in (None, actor.name) and Role.ADMIN not in actor.roles:
        return Denied("OTHER_DEVICE", f"{name.device_id} belongs to another token", device_id=name.device_id)
    head = store.lock(connection, name, owner or actor.name)
    place = Place(head.sequence, head.hash)
    if not entries:
        return Taken(place, 0, 0)
    first = entries[0].record.sequence
    known = store.hashes(connection, name, first - 1, entries[-1].record.sequence)
    fork = _fork(known, entries)
    if fork is not None:
        detail = f"entry {fork} isn't the one that was uploaded before"
        _alarm(connection, actor, name, "fork", fork, detail)
        return Refusal("JOURNAL_FORKED", detail, sequence=str(fork), device_id=name.device_id)
    fresh = [entry for entry in entries if entry.record.sequence not in known]
    missing = max(0, first - place.sequence - 1)
    if missing and fresh:
        detail = f"entries {place.sequence + 1} to {first - 1} have never come"
        _alarm(connection, actor, name, "gap", place.sequence + 1, detail)
    for entry in fresh:
        if entry.record.HasField("mending"):
            torn = entry.record.mending.torn_bytes
            detail = f"the till set {torn} bytes aside that it couldn't read"
            _alarm(connection, actor, name, "mending", entry.record.sequence, detail)
    if fresh:
        counting = _store(connection, actor, name, fresh)
        holder = Holder(name.company_id, name.device_id, name.journal_id)
        for trouble in book(connection, actor, holder, counting):
            _alarm(connection, actor, name, trouble.kind, trouble.sequence, trouble.detail)
    newest = max(place, entries[-1].place, key=lambda each: each.sequence)
    store.move_head(connection, name, newest.sequence, newest.hash)
    return Taken(newest, len(fresh), missing)


def _fork(known: dict[int, bytes], entries: list[Entry]) -> int | None:
    """The first entry that is stored otherwise."""
    before = Place(entries[0].record.sequence - 1, entries[0].previous)
    places = [before, *(entry.place for entry in entries)]
    differing = (each for each in places if known.get(each.sequence, each.hash) != each.hash)
    return next((each.sequence for each in differing), None)


def _store(connection: Connection, actor: Actor, name: Name, fresh: list[Entry]) -> list[Entry]:
    """Stores entries; those that count, because their sale isn't stored already."""
    seen = store.known_sales(connection, name, [entry.record.sale.sale_id for entry in fresh])
    rows = []
    counting = []
    for entry in fresh:
        record = entry.record
        sale_id = record.sale.sale_id if record.HasField("sale") else None
        rows.append(
            {
                **name.columns,
                "sequence": record.sequence,
                "record": entry.body,
                "previous_hash": entry.previous,
                "hash": entry.hash,
                "record_time": record.record_time.ToDatetime(UTC),
                "sale_id": sale_id,
                "repeats": sale_id in seen,
                "revision": record.sale.result.revision if sale_id is not None else None,
                "token_id": actor.token_id,
            }
        )
        if sale_id not in seen:
            counting.append(entry)
        seen.add(sale_id or "")
    store.insert_entries(connection, rows)
    return counting


def _alarm(connection: Connection, actor: Actor, name: Name, kind: str, sequence: int, detail: str) -> None:
    if store.insert_alarm(connection, name, kind, sequence, detail):
        subject = f"{name.device_id}/{name.journal_id}"
        audit.append(connection, actor, [Event("alarm", "journal", subject, comment=f"{kind}: {detail}")])


def _verified(connection: Connection, name: Name, journal: Journal) -> Verification:
    place = Place()

    def stopped(problem: str) -> Verification:
        return Verification(name.device_id, name.journal_id, place.sequence, problem)

    for row in store.entries(connection, name):
        if row.sequence != place.sequence + 1:
            return stopped(f"entries {place.sequence + 1} to {row.sequence - 1} are missing")
        try:
            (entry,) = verify(place, [JournalEntry(record=row.record, hash=row.hash)])
        except Damaged as error:
            return stopped(str(error))
        place = entry.place
    if place != Place(journal.sequence, journal.hash):
        return stopped(f"it ends at entry {place.sequence}, but {journal.sequence} were uploaded")
    return Verification(name.device_id, name.journal_id, place.sequence)
