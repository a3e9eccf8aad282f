"""Uploads of journals: each entry once, in its chain, from its own till."""

import threading
from dataclasses import replace

import pytest
from dealwright.till.chain import Entry, Place
from dealwright.v1.journal_service_pb2 import UploadJournalRequest, UploadJournalResponse
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from server.actors import Role
from server.audit.service import Audit
from server.definitions.service import Definitions
from server.journals.service import ENTRIES_MAX, SALE_ID_LENGTH_MAX, Journals
from server.runtime.errors import Denied, Invalid, Refusal
from tests.access.calls import ask, bearer, owner, serving, token_for
from tests.journals.uploads import DEVICE, chained, mending, record, upload

UPLOAD = "/dealwright.v1.JournalService/UploadJournal"


@pytest.fixture
def journals(database: Engine) -> Journals:
    Definitions(database).create_company(owner())
    return Journals(database)


@pytest.fixture
def entries() -> list[Entry]:
    return chained(*(record(sale_id) for sale_id in "abcdef"))


def stored(engine: Engine) -> list[tuple[int, str, bool]]:
    query = "SELECT sequence, sale_id, repeats FROM journal_entry ORDER BY device_id, journal_id, sequence"
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def test_what_is_uploaded_is_stored(journals: Journals, entries: list[Entry], database: Engine) -> None:
    taken = journals.upload(DEVICE, upload(entries[:4]))
    more = journals.upload(DEVICE, upload(entries[4:]))

    assert (taken.place, taken.stored, taken.missing) == (entries[3].place, 4, 0)
    assert (more.place, more.stored) == (entries[5].place, 2)
    assert stored(database) == [(n, sale_id, False) for n, sale_id in enumerate("abcdef", start=1)]
    assert [(each.entries, each.problem) for each in journals.verify("kopi")] == [(6, "")]


def test_the_same_upload_twice_changes_nothing(
    journals: Journals, entries: list[Entry], database: Engine
) -> None:
    first = journals.upload(DEVICE, upload(entries[:4]))
    again = journals.upload(DEVICE, upload(entries[:4]))
    overlapping = journals.upload(DEVICE, upload(entries[2:]))

    assert (again.place, again.stored) == (first.place, 0)
    assert (overlapping.place, overlapping.stored) == (entries[5].place, 2)
    assert len(stored(database)) == 6
    assert journals.alarms("kopi", 10) == []


def test_many_at_once_store_each_entry_once(
    journals: Journals, entries: list[Entry], database: Engine
) -> None:
    barrier, counts = threading.Barrier(6), []

    def send() -> None:
        barrier.wait(60)
        counts.append(journals.upload(DEVICE, upload(entries)).stored)

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(counts) == [0, 0, 0, 0, 0, 6]
    assert len(stored(database)) == 6


def test_nothing_to_upload_asks_how_far_it_is(journals: Journals, entries: list[Entry]) -> None:
    assert journals.upload(DEVICE, upload([])).place == Place()
    journals.upload(DEVICE, upload(entries))
    assert journals.upload(DEVICE, upload([])).place == entries[-1].place


def test_a_gap_is_stored_and_raises_one_alarm(journals: Journals, entries: list[Entry]) -> None:
    journals.upload(DEVICE, upload(entries[:2]))
    taken = journals.upload(DEVICE, upload(entries[4:]))
    again = journals.upload(DEVICE, upload(entries[4:]))

    assert (taken.place, taken.stored, taken.missing) == (entries[5].place, 2, 2)
    assert (again.stored, again.missing) == (0, 0)
    (alarm,) = journals.alarms("kopi", 10)
    assert (alarm.kind, alarm.sequence, alarm.detail) == ("gap", 3, "entries 3 to 4 have never come")
    assert [each.problem for each in journals.verify("kopi")] == ["entries 3 to 4 are missing"]


def test_what_was_missing_may_come_late(journals: Journals, entries: list[Entry], database: Engine) -> None:
    journals.upload(DEVICE, upload(entries[:2]))
    journals.upload(DEVICE, upload(entries[4:]))

    assert journals.upload(DEVICE, upload(entries[2:4])).stored == 2
    assert [each.problem for each in journals.verify("kopi")] == [""]
    assert len(stored(database)) == 6


@pytest.mark.parametrize("at", [0, 2, 3])
def test_another_history_under_the_same_name_is_a_fork(
    journals: Journals, entries: list[Entry], database: Engine, at: int
) -> None:
    journals.upload(DEVICE, upload(entries[:4]))
    place = entries[at - 1].place if at else Place()
    others = chained(record("x"), record("y"), place=place)
    forged = others if at < 3 else chained(record("x"), place=Place(4, b"\0" * 32))

    for _ in range(2):
        with pytest.raises(Refusal) as refused:
            journals.upload(DEVICE, upload(forged))
        assert refused.value.reason == "JOURNAL_FORKED"

    assert [alarm.kind for alarm in journals.alarms("kopi", 10)] == ["fork"]
    assert [sale_id for _, sale_id, _ in stored(database)] == list("abcd")
    assert [entry.subject for entry in Audit(database).entries("kopi", 1)] == ["journal"]


def test_a_mended_journal_raises_an_alarm(journals: Journals) -> None:
    journals.upload(DEVICE, upload(chained(record("a"), mending())))

    (alarm,) = journals.alarms("kopi", 10)
    assert (alarm.kind, alarm.sequence) == ("mending", 2)
    assert "7 bytes" in alarm.detail


def test_a_sale_counts_once_wherever_it_stands(journals: Journals, database: Engine) -> None:
    journals.upload(DEVICE, upload(chained(record("a"), record("b"), record("a"))))
    journals.upload(DEVICE, upload(chained(record("b"), record("c")), journal_id="j2"))

    assert stored(database) == [
        *((1, "a", False), (2, "b", False), (3, "a", True)),
        *((1, "b", True), (2, "c", False)),
    ]


def broken(entries: list[Entry]) -> dict[str, UploadJournalRequest]:
    """Uploads that can't be what a till wrote, by what is wrong with them."""
    edited = upload(entries)
    edited.entries[2].record += b"\x22\x01x"
    missing = upload(entries)
    del missing.entries[1]
    turned = upload([entries[1], entries[0]])
    headless = upload(entries[1:])
    headless.previous_hash = b""
    first = upload(entries)
    first.previous_hash = b"\0" * 32
    garbage = upload(entries)
    garbage.entries[0].record = b"\xff\xff"
    never = record("a")
    never.record_time.nanos = -1
    return {
        "edited": edited,
        "missing": missing,
        "turned": turned,
        "headless": headless,
        "first with something before": first,
        "garbage": garbage,
        "too many": upload(chained(*(record(str(number)) for number in range(ENTRIES_MAX + 1)))),
        "sale without id": upload(chained(record(""))),
        "long id": upload(chained(record("x" * (SALE_ID_LENGTH_MAX + 1)))),
        "time": upload(chained(never)),
        "device": upload(entries, device_id="a b"),
        "journal": upload(entries, journal_id=""),
    }


@pytest.mark.parametrize("wrong", broken(chained(record("a"), record("b"), record("c"))))
def test_what_no_till_wrote_is_refused_whole(journals: Journals, database: Engine, wrong: str) -> None:
    with pytest.raises(Invalid) as refused:
        journals.upload(DEVICE, broken(chained(record("a"), record("b"), record("c")))[wrong])

    assert refused.value.field
    assert stored(database) == []


def test_uploads_at_the_limits_are_taken(journals: Journals) -> None:
    many = chained(record("x" * SALE_ID_LENGTH_MAX), *(record(str(n)) for n in range(ENTRIES_MAX - 1)))
    assert journals.upload(DEVICE, upload(many)).stored == ENTRIES_MAX


def test_a_device_belongs_to_whoever_came_first(journals: Journals, entries: list[Entry]) -> None:
    journals.upload(DEVICE, upload(entries[:3]))
    other = replace(DEVICE, name="till-2")

    with pytest.raises(Denied) as denied:
        journals.upload(other, upload(chained(record("z")), journal_id="j2"))
    assert denied.value.reason == "OTHER_DEVICE"

    admin = replace(DEVICE, name="boss", roles=frozenset({Role.ADMIN}))
    assert journals.upload(admin, upload(entries[3:])).stored == 3
    assert journals.upload(replace(DEVICE, company_id="kopi"), upload([])).place == entries[-1].place


def test_a_token_for_some_stores_brings_their_sales_alone(journals: Journals, database: Engine) -> None:
    here = replace(DEVICE, store_ids=frozenset({"kopi-1"}))
    elsewhere = record("b")
    elsewhere.sale.request.cart.store_id = "kopi-2"

    with pytest.raises(Denied) as denied:
        journals.upload(here, upload(chained(record("a"), elsewhere)))
    assert denied.value.reason == "OTHER_STORE"
    assert stored(database) == []
    assert journals.upload(here, upload(chained(record("a")))).stored == 1


def test_companies_do_not_see_each_other(journals: Journals, entries: list[Entry], database: Engine) -> None:
    Definitions(database).create_company(owner("other"))
    journals.upload(DEVICE, upload(entries))
    stranger = replace(DEVICE, company_id="other")

    assert journals.upload(stranger, upload([])).place == Place()
    assert [(each.owner, each.sequence) for each in journals.journals("other")] == [("till-1", 0)]
    assert journals.upload(stranger, upload(entries)).stored == 6


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal_entry SET repeats = true",
        "DELETE FROM journal_entry",
        "TRUNCATE journal_entry CASCADE",
    ],
)
def test_the_database_keeps_entries_as_they_are(
    journals: Journals, entries: list[Entry], database: Engine, statement: str
) -> None:
    journals.upload(DEVICE, upload(entries))
    with pytest.raises(DBAPIError, match="never changed or deleted"), database.begin() as connection:
        connection.execute(text(statement))


async def test_a_till_uploads_over_grpc(database: Engine, entries: list[Entry]) -> None:
    token = token_for(database, "till-1", Role.DEVICE)
    async with serving(database) as (_, channel):
        for stored_now in (6, 0):
            answer = await ask(channel, UPLOAD, upload(entries).SerializeToString(), metadata=bearer(token))
            response = UploadJournalResponse.FromString(answer)
            assert (response.sequence, response.hash, response.stored) == (6, entries[-1].hash, stored_now)
