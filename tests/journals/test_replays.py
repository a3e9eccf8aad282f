"""Audit by replay: honest sales are found the same, others are counted, kept and shown."""

import asyncio
import threading
from collections import Counter

import pytest
from dealwright.v1.journal_pb2 import JournalRecord
from sqlalchemy import Engine, text

from server.db.engine import connect
from server.definitions.service import Definitions, Publication
from server.journals.replays import Outcome, Replays
from server.journals.service import Journals
from server.runtime.metrics import Metrics
from tests.access.calls import serving
from tests.definitions.samples import jakarta_settings, percent_off
from tests.journals.uploads import DEVICE, chained, mending, sold, upload


@pytest.fixture
def published(definitions: Definitions) -> Definitions:
    """Two revisions: 10 % off, then 20 % off and 5 % off."""
    definitions.publish("kopi", Publication([percent_off("ten", 10)], settings=jakarta_settings()))
    definitions.publish("kopi", Publication([percent_off("ten", 20), percent_off("five", 5)]))
    return definitions


@pytest.fixture
def replays(database: Engine, definitions: Definitions) -> Replays:
    return Replays(database, definitions, Metrics())


def take_in(database: Engine, *records: JournalRecord) -> None:
    Journals(database).upload(DEVICE, upload(chained(*records)))


def test_honest_sales_are_found_the_same(published: Definitions, database: Engine, replays: Replays) -> None:
    take_in(
        database,
        sold(published, "now"),
        sold(published, "then", revision=1),
        sold(published, "killed", without=["ten"]),
        mending(),
    )

    assert replays.run() == Counter({Outcome.SAME: 3})
    assert replays.run() == Counter()
    assert Journals(database).drifts("kopi", 10) == []


def test_a_sale_with_another_price_is_kept_and_counted(
    published: Definitions, database: Engine, replays: Replays
) -> None:
    cheap = sold(published, "cheap")
    cheap.sale.result.totals.payable_minor -= 1
    cheap.sale.result.result_hash = b"\0" * 32
    take_in(database, sold(published, "honest"), cheap)

    assert replays.run() == Counter({Outcome.SAME: 1, Outcome.DRIFTED: 1})
    (drift,) = Journals(database).drifts("kopi", 10)
    assert (drift.sale_id, drift.sequence, drift.revision) == ("cheap", 2, 2)
    assert drift.detail == "3799999 to pay at the till, 3800000 here"


def test_a_result_that_was_edited_under_its_hash_drifts(
    published: Definitions, database: Engine, replays: Replays
) -> None:
    forged = sold(published, "forged")
    forged.sale.result.totals.payable_minor -= 1
    take_in(database, forged)

    assert replays.run() == Counter({Outcome.DRIFTED: 1})


def test_a_promotion_left_out_in_silence_drifts(
    published: Definitions, database: Engine, replays: Replays
) -> None:
    silent = sold(published, "silent", without=["ten"])
    del silent.sale.left_out_ids[:]
    take_in(database, silent)

    assert replays.run() == Counter({Outcome.DRIFTED: 1})


def test_a_till_knows_its_own_stores_alone(
    definitions: Definitions, database: Engine, replays: Replays
) -> None:
    """A code of another store's promotion is unknown there; a server with all stores would know it."""
    elsewhere = percent_off("elsewhere", 50)
    elsewhere.targeting.store_ids.include.append("bandung")
    elsewhere.trigger.code.codes.append("SECRET")
    here = [percent_off("ten", 10)]
    definitions.publish("kopi", Publication([*here, elsewhere], settings=jakarta_settings()))
    mine = sold(definitions, "mine", without=["elsewhere"], codes=["secret"], store_ids=["menteng"])
    del mine.sale.left_out_ids[:]
    take_in(database, mine)

    assert replays.run() == Counter({Outcome.SAME: 1})


def test_an_unknown_revision_can_not_be_verified(
    published: Definitions, database: Engine, replays: Replays
) -> None:
    lost = sold(published, "lost")
    lost.sale.result.revision = 99
    take_in(database, lost)

    assert replays.run() == Counter({Outcome.UNVERIFIED: 1})
    assert [drift.detail for drift in Journals(database).drifts("kopi", 10)] == ["there is no revision 99"]


def test_a_request_that_is_refused_drifts(published: Definitions, database: Engine, replays: Replays) -> None:
    odd = sold(published, "odd")
    odd.sale.request.cart.currency_code = "XXQ"
    take_in(database, odd)

    assert replays.run() == Counter({Outcome.DRIFTED: 1})


def test_several_processes_share_the_work(published: Definitions, database: Engine) -> None:
    take_in(database, *(sold(published, str(number)) for number in range(250)))
    found: list[Counter[Outcome]] = []

    def work() -> None:
        found.append(Replays(database, published, Metrics()).run())

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sum(found, Counter()) == Counter({Outcome.SAME: 250})


def test_without_the_database_it_waits(definitions: Definitions) -> None:
    away = connect("postgresql://kopi@127.0.0.1:1/away")
    assert Replays(away, definitions, Metrics()).run() == Counter()


async def test_a_server_does_it_by_itself_and_tells_how_much(
    published: Definitions, database: Engine
) -> None:
    forged = sold(published, "forged")
    forged.sale.result.totals.payable_minor -= 1
    take_in(database, forged, mending())
    async with serving(database) as (application, _):
        metrics = application.metrics
        async with asyncio.timeout(60):
            while not metrics.journal_drifts._value.get():  # noqa: SLF001 - what the page would show
                await asyncio.sleep(0.02)
        assert metrics.journal_replays.labels("drifted")._value.get() == 1  # noqa: SLF001
        assert metrics.journal_alarms._value.get() == 1  # noqa: SLF001
    with database.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM journal_pending")) == 0
