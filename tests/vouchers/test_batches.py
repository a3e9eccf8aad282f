"""Batches: made in parts, none twice, none lost, and told again until they are sealed."""

import subprocess
import sys
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select, text, update

from server.audit.service import Audit
from server.keys.service import Pepper
from server.runtime.errors import Invalid, Refusal, Unknown
from server.runtime.settings import Settings
from server.vouchers import batches
from server.vouchers.batches import BatchSpec
from server.vouchers.code import Codes, skeleton
from server.vouchers.service import Batch, Vouchers
from server.vouchers.tables import voucher, voucher_batch
from tests.access.calls import PEPPER, owner
from tests.vouchers.conftest import ALWAYS, SPRING, make_promotions

BEN = owner()


def make(vouchers: Vouchers, **spec: Any) -> Batch:
    """A complete batch."""
    batch = vouchers.create_batch(BEN, BatchSpec(SPRING, **spec))
    *_, made = vouchers.make("kopi", batch.id)
    return made


def texts(vouchers: Vouchers, batch_id: int) -> list[str]:
    return [code.text for code in vouchers.export(BEN, batch_id)[1]]


def one_code(vouchers: Vouchers, **spec: Any) -> str:
    """A code of a batch of its own."""
    (code,) = texts(vouchers, make(vouchers, quantity=0 if "customer_ids" in spec else 1, **spec).id)
    return code


def test_a_batch_has_as_many_codes_as_were_wanted_all_different(vouchers: Vouchers, database: Engine) -> None:
    batch = make(vouchers, quantity=3_000, prefix="may")
    codes = texts(vouchers, batch.id)

    assert batch.made == len(set(codes)) == 3_000
    assert batch.complete_time is not None
    assert all(code.startswith("MAY-") and len(code) == 4 + batch.random_chars + 3 for code in codes)
    with database.connect() as connection:
        ids = set(connection.scalars(select(voucher.c.id)))
    own = Codes(Pepper(Settings(pepper=PEPPER), database), "kopi")
    assert ids == {own.voucher_id(skeleton(code)) for code in codes}


def test_no_code_and_no_seed_is_in_the_database(vouchers: Vouchers, database: Engine) -> None:
    batch = make(vouchers, quantity=5)
    codes = texts(vouchers, batch.id)

    with database.connect() as connection:
        kept = " ".join(
            str(row) for table in (voucher, voucher_batch) for row in connection.execute(select(table))
        )
    assert not any(code in kept or code.replace("-", "") in kept.upper() for code in codes)


def test_making_goes_on_where_it_stopped(vouchers: Vouchers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "CHUNK", 100)
    batch = vouchers.create_batch(BEN, BatchSpec(SPRING, quantity=1_050))
    progress = vouchers.make("kopi", batch.id)
    first = [next(progress).made, next(progress).made]
    early = texts(vouchers, batch.id)
    vouchers.make_unfinished()
    codes = texts(vouchers, batch.id)

    assert first == [100, 200]
    assert codes[:200] == early
    assert len(set(codes)) == 1_050
    assert vouchers.batch(BEN, batch.id)[0].complete_time is not None
    assert [batch.made for batch in vouchers.make("kopi", batch.id)] == [1_050]


def test_a_code_that_is_taken_is_skipped(
    vouchers: Vouchers, database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(vouchers, quantity=50)
    batch = vouchers.create_batch(BEN, BatchSpec(SPRING, quantity=50, customer_ids=()))
    # The same salt with a gap: the first 50 codes are those of the other batch.
    with database.begin() as connection:
        salt = connection.scalar(select(voucher_batch.c.salt).where(voucher_batch.c.id == made.id))
        connection.execute(update(voucher_batch).where(voucher_batch.c.id == batch.id).values(salt=salt))
    *_, done = vouchers.make("kopi", batch.id)

    assert list(done.skipped) == list(range(50))
    assert done.made == 50
    assert not set(texts(vouchers, made.id)) & set(texts(vouchers, batch.id))


def test_two_equal_codes_in_one_part_are_one(
    vouchers: Vouchers, database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = batches.Maker.text
    monkeypatch.setattr(batches.Maker, "text", lambda self, number: honest(self, number // 2))
    batch = make(vouchers, quantity=10)
    codes = texts(vouchers, batch.id)

    assert len(codes) == len(set(codes)) == 10
    assert [number % 2 for number in batch.skipped] == [1] * len(batch.skipped)
    with database.connect() as connection:
        assert len(set(connection.scalars(select(voucher.c.id)))) == 10


def test_each_customer_gets_a_code_of_their_own(vouchers: Vouchers) -> None:
    batch = make(vouchers, customer_ids=("ann", "bob", "cy"))
    codes = list(vouchers.export(BEN, batch.id)[1])

    assert [code.customer_id for code in codes] == ["ann", "bob", "cy"]
    for code in codes:
        (found,) = vouchers.look_up(BEN, code=code.text)
        assert found.customer_id == code.customer_id


MAKER = """
import os, sys
from server.db.engine import connect
from server.keys.service import Pepper
from server.runtime.settings import Settings
from server.vouchers import batches
from server.vouchers.service import Vouchers

url, pepper, batch_id = sys.argv[1:]
batches.CHUNK = 100
engine = connect(url)
for batch in Vouchers(engine, Pepper(Settings(pepper=pepper), engine)).make("kopi", int(batch_id)):
    print(batch.made, flush=True)
"""


@pytest.mark.process
def test_a_killed_process_loses_nothing_and_repeats_nothing(
    vouchers: Vouchers, database: Engine, database_url: str
) -> None:
    batch = vouchers.create_batch(BEN, BatchSpec(SPRING, quantity=20_000))
    seen = 0
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", MAKER, database_url, PEPPER, str(batch.id)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        seen = int(process.stdout.readline())
        process.kill()
        process.communicate(timeout=60)
    assert 200 <= seen < 20_000
    *_, done = vouchers.make("kopi", batch.id)

    assert done.made == 20_000
    with database.connect() as connection:
        kept = set(connection.scalars(select(voucher.c.id)))
    own = Codes(Pepper(Settings(pepper=PEPPER), database), "kopi")
    assert kept == {own.voucher_id(skeleton(code)) for code in texts(vouchers, batch.id)}
    assert len(kept) == 20_000


def test_memory_stays_flat_however_many_codes_there_are(
    vouchers: Vouchers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "CHUNK", 1_000)

    def peak(quantity: int) -> int:
        batch = vouchers.create_batch(BEN, BatchSpec(SPRING, quantity=quantity))
        tracemalloc.start()
        for _ in vouchers.make("kopi", batch.id):
            pass
        for _ in vouchers.export(BEN, batch.id)[1]:
            pass
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    assert peak(16_000) < 1.5 * peak(4_000)


def test_a_sealed_batch_works_and_tells_nothing(vouchers: Vouchers) -> None:
    batch = make(vouchers, quantity=2)
    codes = texts(vouchers, batch.id)
    vouchers.seal(BEN, batch.id)
    vouchers.seal(BEN, batch.id)

    with pytest.raises(Refusal) as refused:
        vouchers.export(BEN, batch.id)
    assert refused.value.reason == "BATCH_SEALED"
    assert len(vouchers.look_up(BEN, code=codes[0].lower())) == 1


def test_a_batch_that_is_being_made_is_not_sealed(vouchers: Vouchers) -> None:
    batch = vouchers.create_batch(BEN, BatchSpec(SPRING, quantity=2))

    with pytest.raises(Refusal) as refused:
        vouchers.seal(BEN, batch.id)
    assert refused.value.reason == "BATCH_UNFINISHED"


def test_another_company_sees_nothing_of_it(vouchers: Vouchers, database: Engine) -> None:
    make_promotions(database, "teh")
    stranger = owner("teh")
    batch = make(vouchers, quantity=1)
    (code,) = texts(vouchers, batch.id)

    assert vouchers.batches(stranger) == []
    assert vouchers.look_up(stranger, code=code) == []
    for use_case in (vouchers.batch, vouchers.export, vouchers.seal, vouchers.disable_batch):
        with pytest.raises(Unknown):
            use_case(stranger, batch.id)
    with pytest.raises(Unknown):
        vouchers.disable_code(stranger, code)


def test_what_is_done_with_codes_is_in_the_audit_log(vouchers: Vouchers, database: Engine) -> None:
    batch = make(vouchers, quantity=1)
    (code,) = texts(vouchers, batch.id)
    vouchers.disable_code(BEN, code)
    vouchers.disable_batch(BEN, batch.id)
    vouchers.seal(BEN, batch.id)

    entries = Audit(database).entries("kopi")
    assert [(entry.action, entry.subject) for entry in entries if entry.subject.startswith("voucher")] == [
        ("generate", "voucher_batch"),
        ("export", "voucher_batch"),
        ("disable", "voucher"),
        ("disable", "voucher_batch"),
        ("seal", "voucher_batch"),
    ]
    assert code not in str(entries)


MAY = datetime(2027, 5, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        ({"quantity": 0}, "quantity", "OUT_OF_RANGE"),
        ({"quantity": 10_000_001}, "quantity", "OUT_OF_RANGE"),
        ({"prefix": "A-B"}, "prefix", "PREFIX_INVALID"),
        ({"prefix": "A" * 17}, "prefix", "PREFIX_INVALID"),
        ({"random_chars": 7}, "random_chars", "OUT_OF_RANGE"),
        ({"random_chars": 25}, "random_chars", "OUT_OF_RANGE"),
        ({"max_uses": 0}, "max_uses", "OUT_OF_RANGE"),
        ({"max_uses": 1_000_001}, "max_uses", "OUT_OF_RANGE"),
        ({"customer_ids": ("a", "a"), "quantity": 0}, "customer_ids", "DUPLICATE"),
        ({"customer_ids": ("a", ""), "quantity": 0}, "customer_ids", "OUT_OF_RANGE"),
        ({"customer_ids": ("a", "b"), "quantity": 3}, "quantity", "QUANTITY_DIFFERS"),
        ({"customer_ids": tuple(map(str, range(10_001))), "quantity": 0}, "customer_ids", "TOO_MANY"),
        ({"start_time": MAY, "end_time": MAY}, "end_time", "OUT_OF_RANGE"),
        ({"comment": "x" * 501}, "comment", "TOO_LONG"),
    ],
)
def test_what_is_wrong_with_a_batch_is_named(change: dict[str, Any], field: str, reason: str) -> None:
    spec = replace(BatchSpec(SPRING, quantity=1), **change)

    with pytest.raises(Invalid) as refused:
        batches.checked(spec)
    assert (refused.value.field, refused.value.reason) == (field, reason)


@pytest.mark.parametrize(
    "change",
    [
        {"quantity": 10_000_000},
        {"prefix": "A" * 16},
        {"random_chars": 8},
        {"random_chars": 24},
        {"max_uses": 1_000_000},
        {"customer_ids": tuple(map(str, range(10_000))), "quantity": 0},
        {"start_time": MAY, "end_time": MAY + timedelta(seconds=1)},
        {"comment": "x" * 500},
    ],
)
def test_limits_are_inclusive(change: dict[str, Any]) -> None:
    batches.checked(replace(BatchSpec(SPRING, quantity=1), **change))


def test_only_promotions_that_vouchers_set_off_have_them(vouchers: Vouchers) -> None:
    with pytest.raises(Refusal) as refused:
        vouchers.create_batch(BEN, BatchSpec(ALWAYS, quantity=1))
    assert refused.value.reason == "VOUCHER_NOT_ACCEPTED"
    with pytest.raises(Unknown):
        vouchers.create_batch(BEN, BatchSpec("nowhere", quantity=1))


def test_a_database_is_used_with_one_pepper(vouchers: Vouchers, database: Engine) -> None:
    make(vouchers, quantity=1)
    other = Vouchers(database, Pepper(Settings(pepper="6b" * 32), database))

    with pytest.raises(Refusal) as refused:
        other.create_batch(BEN, BatchSpec(SPRING, quantity=1))
    assert refused.value.reason == "PEPPER_DIFFERS"
    assert PEPPER not in str(refused.value)


def test_what_ended_unused_long_ago_is_deleted(vouchers: Vouchers, database: Engine) -> None:
    old = datetime.now(UTC) - timedelta(days=500)
    ended = make(vouchers, quantity=3, end_time=old)
    kept = make(vouchers, quantity=2)
    with database.begin() as connection:
        used = connection.scalar(select(voucher.c.id).where(voucher.c.batch_id == ended.id).limit(1))
        connection.execute(update(voucher).where(voucher.c.id == used).values(used=1))

    assert vouchers.clean_up() == 2
    with database.connect() as connection:
        left = connection.execute(text("SELECT batch_id, count(*) FROM voucher GROUP BY 1 ORDER BY 1")).all()
    assert [tuple(row) for row in left] == [(ended.id, 1), (kept.id, 2)]


def test_what_was_handed_out_a_month_ago_is_sealed(vouchers: Vouchers, database: Engine) -> None:
    old, new = make(vouchers, quantity=1), make(vouchers, quantity=1)
    with database.begin() as connection:
        changed = update(voucher_batch).where(voucher_batch.c.id == old.id)
        connection.execute(changed.values(complete_time=datetime.now(UTC) - timedelta(days=31)))
    vouchers.clean_up()

    assert [vouchers.batch(BEN, batch.id)[0].salt is None for batch in (old, new)] == [True, False]
    assert Audit(database).entries("kopi")[-1].actor == "worker"
