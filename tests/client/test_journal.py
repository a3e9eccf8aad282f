"""The journal of a till: nothing lost, nothing twice, nothing edited, wherever the disk fails."""

import itertools
from collections.abc import Iterator

import pytest
from dealwright.till import chain
from dealwright.till.chain import HEAD_BYTES, Damaged, Place
from dealwright.till.journal import FILE, FILE_BYTES_MAX, SENT_FILE, TORN_FILE, Journal
from dealwright.till.storage import DiskFailed, InUse, Storage, replace
from dealwright.v1.journal_pb2 import JournalRecord, JournalSale
from hypothesis import given
from hypothesis import strategies as st

from tests.client.disks import Crash, Disk, full


def record(sale_id: str, padding: int = 0) -> JournalRecord:
    sale = JournalSale(sale_id=sale_id)
    sale.request.cart.id = "x" * padding
    return JournalRecord(engine_version="0.1.0", sale=sale)


def ids(journal: Journal) -> list[str]:
    """The sales that no server has."""
    _, messages = journal.pending(1000, 1 << 30)
    return [JournalRecord.FromString(message.record).sale.sale_id for message in messages]


@pytest.fixture
def disk() -> Disk:
    disk = Disk()
    journal = Journal(disk)
    for sale_id in ("a", "b", "c"):
        journal.append(record(sale_id))
    return disk


def test_entries_are_there_after_a_restart(disk: Disk) -> None:
    journal = Journal(disk.after_power_cut(lucky=False))

    assert (ids(journal), journal.place.sequence, journal.unsent) == (["a", "b", "c"], 3, 3)
    assert journal.journal_id == Journal(disk).journal_id
    found = journal.sale("b")
    assert found is not None
    assert found.record.sequence == 2
    assert journal.sale("d") is None


def crashes() -> Iterator[tuple[int, float, bool]]:
    """Every step of an append, with some of the bytes there, on a lucky and an unlucky disk."""
    return itertools.product((1, 2), (0.0, 0.1, 0.5, 0.99, 1.0), (False, True))


@pytest.mark.parametrize(("step", "torn", "lucky"), list(crashes()))
def test_a_crash_while_writing_loses_nothing_that_was_confirmed(
    disk: Disk, step: int, torn: float, lucky: bool
) -> None:
    journal = Journal(disk)
    disk.fail_at, disk.torn = disk.steps + step, torn
    with pytest.raises(Crash):
        journal.append(record("d"))

    again = Journal(disk.after_power_cut(lucky=lucky))

    # The last one was never confirmed; it may be there whole or not at all.
    assert ids(again) in (["a", "b", "c"], ["a", "b", "c", "d"])
    again.append(record("e"))
    assert ids(again)[:3] == ["a", "b", "c"]
    assert ids(again)[-1] == "e"


@pytest.mark.parametrize("torn", [0.1, 0.5, 0.99])
def test_a_torn_end_is_set_aside_and_told(disk: Disk, torn: float) -> None:
    journal = Journal(disk)
    disk.fail_at, disk.torn = disk.steps + 1, torn
    with pytest.raises(Crash):
        journal.append(record("d"))
    after = disk.after_power_cut(lucky=True)
    bytes_before = len(after.read(FILE))

    again = Journal(after)

    mending = again.mending()
    assert mending is not None
    assert mending.torn_bytes == len(after.read(TORN_FILE)) == bytes_before - len(after.read(FILE))
    assert Journal(after).mending() is None


def test_zeros_in_place_of_the_last_entry_are_a_torn_end(disk: Disk) -> None:
    whole = disk.read(FILE)
    journal = Journal(Disk({FILE: whole + b"\0" * 300}))

    assert ids(journal) == ["a", "b", "c"]
    assert journal.torn == b"\0" * 300


@pytest.mark.parametrize("step", [1, 2])
def test_a_full_disk_takes_nothing_and_says_so(disk: Disk, step: int) -> None:
    journal = Journal(disk)
    disk.fail_at, disk.failure = disk.steps + step, full()
    with pytest.raises(DiskFailed, match="No space left"):
        journal.append(record("d"))

    assert journal.sale("d") is None
    journal.append(record("e"))
    assert ids(Journal(disk.after_power_cut(lucky=False))) == ["a", "b", "c", "e"]


def test_a_disk_that_can_take_nothing_back_ends_the_journal(disk: Disk) -> None:
    journal = Journal(disk)
    disk.fail_at, disk.failure = disk.steps + 1, full()
    original = disk.truncate
    disk.truncate = lambda name, length: (_ for _ in ()).throw(full())  # type: ignore[method-assign]
    with pytest.raises(DiskFailed):
        journal.append(record("d"))
    disk.truncate = original  # type: ignore[method-assign]

    with pytest.raises(DiskFailed, match="open the till again"):
        journal.append(record("e"))
    assert ids(Journal(disk)) == ["a", "b", "c"]


def test_every_edited_byte_of_an_earlier_entry_is_found(disk: Disk) -> None:
    whole = disk.read(FILE)
    ends = [chain.read(whole).length]
    last = len(chain.frame(list(chain.read(whole).entries)[-1]))
    for position in range(HEAD_BYTES, ends[0] - last):
        edited = bytearray(whole)
        edited[position] ^= 1
        with pytest.raises(Damaged):
            Journal(Disk({FILE: bytes(edited)}))


def test_an_edited_head_is_found(disk: Disk) -> None:
    whole = disk.read(FILE)
    for position in range(HEAD_BYTES):
        edited = bytearray(whole)
        edited[position] ^= 1
        with pytest.raises(Damaged, match="head"):
            Journal(Disk({FILE: bytes(edited)}))


@pytest.mark.parametrize("gone", [0, 1])
def test_a_missing_entry_is_found(disk: Disk, gone: int) -> None:
    contents = chain.read(disk.read(FILE))
    left = [entry for number, entry in enumerate(contents.entries) if number != gone]
    data = contents.head.encoded() + b"".join(map(chain.frame, left))

    with pytest.raises(Damaged) as damaged:
        Journal(Disk({FILE: data}))
    assert damaged.value.sequence == gone + 1


def test_an_entry_that_was_hashed_anew_breaks_the_next(disk: Disk) -> None:
    contents = chain.read(disk.read(FILE))
    first, *others = contents.entries
    forged = chain.next_entry(Place(), record("z"))
    data = contents.head.encoded() + b"".join(map(chain.frame, [forged, *others]))

    with pytest.raises(Damaged) as damaged:
        Journal(Disk({FILE: data}))
    assert damaged.value.sequence == 2
    assert first.hash != forged.hash


@given(st.binary(max_size=200))
def test_no_bytes_at_the_end_keep_a_journal_from_opening(garbage: bytes) -> None:
    disk = Disk()
    Journal(disk).append(record("a"))
    try:
        journal = Journal(Disk({FILE: disk.read(FILE) + garbage}))
    except Damaged:
        return
    assert ids(journal) == ["a"]


def test_what_a_server_has_is_not_sent_again(disk: Disk) -> None:
    journal = Journal(disk)
    place, messages = journal.pending(2, 1 << 20)
    assert (place, len(messages)) == (Place(), 2)
    journal.note_sent(2)

    again = Journal(disk.after_power_cut(lucky=False))

    assert (ids(again), again.unsent) == (["c"], 1)
    place, messages = again.pending(500, 1 << 20)
    assert [entry.record.sale.sale_id for entry in chain.verify(place, messages)] == ["c"]


def test_a_lost_note_sends_all_again(disk: Disk) -> None:
    Journal(disk).note_sent(3)
    disk.remove(SENT_FILE)

    assert ids(Journal(disk)) == ["a", "b", "c"]


def test_entries_are_sent_in_pieces_and_a_large_one_alone() -> None:
    journal = Journal(Disk())
    for padding in (10, 5000, 10, 10):
        journal.append(record("x", padding))
    sizes = []
    while journal.unsent:
        _, messages = journal.pending(3, 1000)
        sizes.append(len(messages))
        journal.note_sent(journal.sent + len(messages))
    assert sizes == [1, 1, 2]


@pytest.mark.parametrize("step", range(5))
@pytest.mark.parametrize("lucky", [False, True])
def test_a_long_file_makes_way_for_a_new_one(step: int, lucky: bool) -> None:
    disk = Disk()
    journal = Journal(disk)
    journal.append(record("large", FILE_BYTES_MAX))
    assert len(disk.read(FILE)) > FILE_BYTES_MAX
    disk.fail_at = disk.steps + 4 + step if step else 0
    if step:
        with pytest.raises(Crash):
            journal.note_sent(1)
    else:
        journal.note_sent(1)
        assert len(disk.read(FILE)) == HEAD_BYTES

    again = Journal(disk.after_power_cut(lucky=lucky))

    assert (again.journal_id, again.place.sequence, again.unsent) == (journal.journal_id, 1, 0)
    again.append(record("next"))
    assert ids(again) == ["next"]


@pytest.mark.parametrize("step", range(1, 5))
@pytest.mark.parametrize("lucky", [False, True])
def test_a_file_is_replaced_whole_or_not_at_all(step: int, lucky: bool) -> None:
    disk = Disk({"bundle": b"old" * 50})
    disk.fail_at = step
    with pytest.raises(Crash):
        replace(disk, "bundle", b"new" * 80)

    assert disk.after_power_cut(lucky=lucky).read("bundle") in (b"old" * 50, b"new" * 80)


@pytest.mark.parametrize("step", range(1, 4))
def test_a_full_disk_keeps_the_old_file(step: int) -> None:
    disk = Disk({"bundle": b"old"})
    disk.fail_at, disk.failure = step, full()
    with pytest.raises(DiskFailed, match="bundle can't be written: No space left"):
        replace(disk, "bundle", b"new")

    assert disk.read("bundle") == b"old"
    replace(disk, "bundle", b"new")
    assert disk.after_power_cut(lucky=False).read("bundle") == b"new"


def test_a_real_disk_does_the_same(tmp_path: object) -> None:
    storage = Storage(tmp_path / "till")  # type: ignore[operator]
    storage.prepare()
    held = storage.lock()
    with pytest.raises(InUse):
        storage.lock()
    journal = Journal(storage)
    for sale_id in ("a", "b"):
        journal.append(record(sale_id))
    journal.note_sent(1)
    storage.append(FILE, b"torn")

    again = Journal(storage)

    assert (ids(again), again.torn) == (["b"], b"torn")
    assert (storage.folder.stat().st_mode & 0o777) == 0o700
    held.close()
    storage.lock().close()
