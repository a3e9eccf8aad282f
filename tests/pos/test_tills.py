"""POS documents in the database: written while publishing, read per store, and what changed since."""

import json
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.ruleset_pb2 import Ruleset, Store
from sqlalchemy import Engine, text
from typer.testing import CliRunner, Result

from admin.cli.main import app
from server.audit.service import Audit
from server.definitions.references import import_references
from server.definitions.service import Definitions, Publication
from server.definitions.tills import READS_ALL, Changes, Reader, Tills, UnknownStore
from server.runtime.errors import Invalid
from tests.access.calls import owner
from tests.definitions.samples import percent_off

STORES = [
    Store(id="sudirman", brand_id="kopi", time_zone="Asia/Jakarta", currency_code="IDR"),
    Store(id="ubud", brand_id="roti", time_zone="Asia/Makassar", currency_code="IDR"),
    Store(id="orchard", brand_id="kopi", time_zone="Asia/Singapore", currency_code="SGD"),
]


@pytest.fixture
def tills(database: Engine, definitions: Definitions) -> Tills:
    definitions.publish("kopi", Publication(settings=Ruleset(company_id="kopi", stores=STORES)))
    return Tills(database)


def publish(definitions: Definitions, *promotions: Promotion, **more: Any) -> None:
    definitions.publish("kopi", Publication(list(promotions), **more))


def offer(promotion_id: str, percent: int = 10, **targeting: list[str]) -> Promotion:
    promotion = percent_off(promotion_id, percent)
    for name, names in targeting.items():
        getattr(promotion.targeting, name).include.extend(names)
    return promotion


def closing(promotion_id: str) -> Promotion:
    """An offer of which only an extension says how it lives with others."""
    promotion = offer(promotion_id)
    promotion.stacking.closes_units = True
    return promotion


def ids(changes: Changes) -> list[str]:
    return [document["id"] for document in changes.promotions]


def test_a_store_gets_what_holds_there_in_its_currency(tills: Tills, definitions: Definitions) -> None:
    money = offer("money")
    money.percent_discount.max_discount.add(currency_code="IDR", minor=5_000_000)
    here = offer("here", store_ids=["SUDIRMAN"])
    publish(definitions, offer("all"), here, offer("brand", brand_ids=["roti"]), money)

    assert ids(tills.changes("kopi", "sudirman")) == ["all", "here", "money"]
    assert ids(tills.changes("kopi", "ubud")) == ["all", "brand", "money"]
    assert ids(tills.changes("kopi", "ubud", "kopi")) == ["all", "money"]
    assert ids(tills.changes("kopi", "orchard")) == ["all"]
    _, unsaid = tills.of_store("kopi", "orchard")
    assert {key: found.unsaid for key, found in unsaid.items()} == {
        "money": ("percent_discount.max_discount",)
    }
    with pytest.raises(UnknownStore):
        tills.changes("kopi", "nowhere")
    with pytest.raises(UnknownStore):
        tills.changes("roti", "sudirman")


def test_only_what_changed_is_sent_again(tills: Tills, definitions: Definitions) -> None:
    publish(definitions, offer("a"), offer("b"), offer("c"), offer("d", store_ids=["sudirman"]))
    first = tills.changes("kopi", "sudirman")
    again = tills.changes("kopi", "sudirman", since=first.time)
    assert (again.promotions, again.deleted_ids) == ((), ())

    publish(definitions, offer("b", 20), offer("e"), offer("d", store_ids=["ubud"]), deleted_ids=["c"])
    delta = tills.changes("kopi", "sudirman", since=again.time)
    assert ids(delta) == ["b", "e"]
    assert delta.deleted_ids == ("c", "d")
    assert delta.promotions[0]["rules"]["discount_percent"] == 20.0
    # Somebody who was away for longer needs the same, and has to forget the same.
    late = tills.changes("kopi", "sudirman", since=first.time)
    assert (ids(late), late.deleted_ids) == (["b", "e"], ("c", "d"))
    assert ids(tills.changes("kopi", "ubud", since=again.time)) == ["b", "d", "e"]
    assert ids(tills.changes("kopi", "sudirman", since=delta.time + timedelta(days=1))) == ["a", "b", "e"]


def test_what_came_and_went_between_is_deleted_for_a_till_that_rounds(
    tills: Tills, definitions: Definitions
) -> None:
    before = tills.changes("kopi", "sudirman").time
    publish(definitions, offer("short"), offer("elsewhere", store_ids=["ubud"]))
    assert ids(tills.changes("kopi", "sudirman")) == ["short"]
    publish(definitions, deleted_ids=["short", "elsewhere"])
    # It got the offer, and kept a time cut to before it.
    assert tills.changes("kopi", "sudirman", since=before).deleted_ids == ("short",)


def test_days_bring_promotions_and_take_them_away(
    tills: Tills, definitions: Definitions, database: Engine
) -> None:
    with database.connect() as connection:
        today = connection.scalar(text("SELECT (now() AT TIME ZONE 'Asia/Jakarta')::date"))
    assert today is not None
    for name, first, last in (
        ("over", -9, -1),
        ("last-day", -9, 0),
        ("soon", 14, 20),
        ("far", 15, 20),
        ("yesterday", -9, -1),
    ):
        promotion = offer(name)
        promotion.schedule.start_date = str(today + timedelta(days=first))
        promotion.schedule.end_date = str(today + timedelta(days=last))
        publish(definitions, promotion)
    now = tills.changes("kopi", "sudirman")
    assert ids(now) == ["last-day", "soon"]
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE revision DISABLE TRIGGER USER"))
        connection.execute(text("UPDATE revision SET publish_time = publish_time - interval '2 days'"))
    delta = tills.changes("kopi", "sudirman", since=now.time - timedelta(days=1))
    assert (ids(delta), delta.deleted_ids) == (["soon"], ("over", "yesterday"))


def test_paused_is_deleted_and_resumed_is_sent(tills: Tills, definitions: Definitions) -> None:
    publish(definitions, offer("a"))
    first = tills.changes("kopi", "sudirman").time
    definitions.roll_back(owner(), 1)
    gone = tills.changes("kopi", "sudirman", since=first)
    assert (gone.promotions, gone.deleted_ids) == ((), ("a",))
    definitions.roll_back(owner(), 2)
    assert ids(tills.changes("kopi", "sudirman", since=gone.time)) == ["a"]


def test_a_new_currency_writes_all_documents(tills: Tills, definitions: Definitions) -> None:
    publish(definitions, offer("a"), offer("b"))
    tokyo = Store(id="ginza", time_zone="Asia/Tokyo", currency_code="JPY")
    definitions.publish("kopi", Publication(settings=Ruleset(company_id="kopi", stores=[*STORES, tokyo])))
    assert ids(tills.changes("kopi", "ginza")) == ["a", "b"]


def test_no_change_is_missed_while_others_publish(
    tills: Tills, definitions: Definitions, database: Engine
) -> None:
    """A till that syncs all the time has in the end what a fresh one gets."""
    done = threading.Event()

    def publishing() -> None:
        try:
            for number in range(12):
                publish(Definitions(database), offer(f"p{number % 4}", 10 + number))
                if number % 3 == 2:
                    publish(Definitions(database), deleted_ids=[f"p{number % 4}"])
        finally:
            done.set()

    thread = threading.Thread(target=publishing)
    thread.start()
    held: dict[str, Any] = {}
    since = None
    while True:
        last = done.is_set()
        changes = tills.changes("kopi", "sudirman", since=since)
        held |= {document["id"]: document for document in changes.promotions}
        for key in changes.deleted_ids:
            held.pop(key, None)
        since = changes.time
        if last:
            break
    thread.join()
    fresh = {document["id"]: document for document in tills.changes("kopi", "sudirman").promotions}
    assert fresh
    assert held == fresh


def test_the_version_is_the_revision_and_force_update_is_audited(
    tills: Tills, definitions: Definitions, database: Engine
) -> None:
    version, updated, forced = tills.version("kopi")
    assert (version, forced) == (1, False)
    assert updated is not None
    publish(definitions, offer("a"))
    publish(definitions, deleted_ids=["a"])
    tills.set_force_update(owner(), forced=True)
    tills.set_force_update(owner(), forced=True)
    assert tills.version("kopi")[0] == 3
    assert tills.version("kopi")[2] is True
    changes = [entry for entry in Audit(database).entries("kopi") if entry.subject == "company"]
    assert [entry.after for entry in changes] == [{"force_update": True}]


def test_single_documents_are_those_of_the_tills_stores(tills: Tills, definitions: Definitions) -> None:
    publish(definitions, offer("all"), offer("there", store_ids=["ubud"]))
    wanted = ["all", "there", "unknown"]
    assert [found["id"] for found in tills.some("kopi", ["sudirman"], wanted)] == ["all"]
    assert [found["id"] for found in tills.some("kopi", ["sudirman", "ubud"], wanted)] == ["all", "there"]
    assert [found["id"] for found in tills.some("kopi", [], wanted)] == ["all", "there"]
    assert tills.some("roti", [], wanted) == []


def run(*arguments: str, code: int = 0) -> Result:
    done = CliRunner().invoke(app, [*arguments])
    assert done.exit_code == code, done.output
    return done


def test_documents_leave_and_enter_by_the_command(
    tills: Tills,
    definitions: Definitions,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DEALWRIGHT_DATABASE_URL", database_url)
    dollars = offer("dollars")
    dollars.percent_discount.max_discount.add(currency_code="USD", minor=500)
    publish(definitions, offer("ten"), closing("closed"), dollars)

    export = ("promotions", "export", "--format", "pos", "--store", "sudirman", "--company", "kopi")
    exported = run(*export)
    assert exported.stderr == "dollars: no POS document can say percent_discount.max_discount\n"
    assert [each["id"] for each in json.loads(exported.stdout)] == ["closed", "ten"]
    (document,) = json.loads(run(*export, "--plain").stdout)
    assert document["id"] == "ten"
    document["id"] = "eleven"
    document["rules"]["discount_percent"] = 11
    (tmp_path / "documents.json").write_text(json.dumps([document]))
    arguments = ("promotions", "import", "--format", "pos", str(tmp_path / "documents.json"))
    assert "in which currency" in run(*arguments, "--company", "kopi", code=1).stderr
    imported = run(*arguments, "--company", "kopi", "--currency", "IDR")
    assert "1 created" in imported.stderr
    assert "percent_off_ppm: 110000" in run("promotions", "show", "eleven", "--company", "kopi").stdout

    document["rules"]["colour"] = "red"
    (tmp_path / "documents.json").write_text(json.dumps(document))
    assert "eleven: rules" in run(*arguments, "--company", "kopi", "--currency", "IDR", code=1).stderr
    run("promotions", "export", "--format", "pos", "--company", "kopi", code=2)
    assert "everything anew" in run("company", "force-update", "on", "--company", "kopi").stdout
    assert tills.version("kopi")[2] is True


def test_a_till_gets_no_document_that_it_does_not_understand(tills: Tills, definitions: Definitions) -> None:
    publish(definitions, offer("plain"), closing("closing"))
    assert ids(tills.changes("kopi", "sudirman")) == ["plain"]
    knows = Reader(frozenset({"stacking"}))
    assert ids(tills.changes("kopi", "sudirman", reader=knows)) == ["closing", "plain"]
    assert ids(tills.changes("kopi", "sudirman", reader=Reader(frozenset({"condition"})))) == ["plain"]
    assert ids(tills.changes("kopi", "sudirman", reader=READS_ALL)) == ["closing", "plain"]
    assert tills.some("kopi", ["sudirman"], ["closing"]) == []
    assert [found["id"] for found in tills.some("kopi", ["sudirman"], ["closing"], knows)] == ["closing"]


def test_what_is_no_longer_plain_is_deleted_for_tills_that_know_no_extensions(
    tills: Tills, definitions: Definitions
) -> None:
    publish(definitions, offer("a"))
    since = tills.changes("kopi", "sudirman").time
    publish(definitions, closing("a"))
    delta = tills.changes("kopi", "sudirman", since=since)
    assert (delta.promotions, delta.deleted_ids) == ((), ("a",))
    assert ids(tills.changes("kopi", "sudirman", since=since, reader=READS_ALL)) == ["a"]


def test_lists_of_stores_are_written_again_when_there_are_other_stores(
    tills: Tills, definitions: Definitions
) -> None:
    away = offer("away")
    away.targeting.store_ids.exclude.append("ubud")
    bali = offer("bali", regions=["Bali"])
    publish(definitions, away, bali, offer("all"))
    before = tills.changes("kopi", "sudirman")
    stores = {document["id"]: document["targeting"]["stores"] for document in before.promotions}
    assert stores == {"all": "all", "away": ["orchard", "sudirman"]}

    kuta = Store(id="kuta", region="Bali", time_zone="Asia/Makassar", currency_code="IDR")
    definitions.publish("kopi", Publication(settings=Ruleset(company_id="kopi", stores=[*STORES, kuta])))
    after = tills.changes("kopi", "sudirman", since=before.time)
    assert [document["targeting"]["stores"] for document in after.promotions] == [
        ["kuta", "orchard", "sudirman"]
    ]
    assert ids(tills.changes("kopi", "kuta")) == ["all", "away", "bali"]
    assert ids(tills.changes("kopi", "ubud")) == ["all"]


def test_a_company_without_stores_has_documents_for_any_store(
    definitions: Definitions, database: Engine
) -> None:
    tills = Tills(database)
    with pytest.raises(UnknownStore):
        tills.changes("kopi", "anywhere")
    publish(definitions, offer("a"))
    assert ids(tills.changes("kopi", "anywhere")) == ["a"]
    assert [found["id"] for found in tills.some("kopi", [], ["a"])] == ["a"]

    rupiah = offer("b")
    rupiah.percent_discount.max_discount.add(currency_code="IDR", minor=5_000_000)
    publish(definitions, rupiah)
    changes = tills.changes("kopi", "anywhere")
    assert ids(changes) == ["a", "b"]
    assert changes.promotions[1]["rules"]["max_discount_amount"] == 50000.0

    dollars = offer("c")
    dollars.percent_discount.max_discount.add(currency_code="USD", minor=500)
    publish(definitions, dollars)
    with pytest.raises(Invalid, match="say in which currency the till sells: IDR, USD"):
        tills.changes("kopi", "anywhere")
    assert ids(tills.changes("kopi", "anywhere", reader=Reader(currency_code="USD"))) == ["a", "c"]
    assert ids(tills.changes("kopi", "anywhere", reader=Reader(currency_code="IDR"))) == ["a", "b"]
    assert ids(tills.changes("kopi", "anywhere", reader=Reader(currency_code="JPY"))) == []

    # What nobody names any longer is kept up to date for those who still sell in it.
    publish(definitions, offer("a", 30), deleted_ids=["c"])
    (a,) = tills.changes("kopi", "anywhere", reader=Reader(currency_code="USD")).promotions
    assert a["rules"]["discount_percent"] == 30.0


def test_a_company_that_gives_up_its_stores_has_documents_in_what_they_sold_in(
    tills: Tills, definitions: Definitions, database: Engine
) -> None:
    publish(definitions, offer("a"))
    definitions.publish("kopi", Publication(settings=Ruleset(company_id="kopi", stores=[STORES[0]])))
    publish(definitions, offer("a", 40))
    import_references(database, owner(), "store", [], complete=True)
    for currency_code in ("IDR", "SGD"):
        reader = Reader(currency_code=currency_code)
        (document,) = tills.changes("kopi", "anywhere", reader=reader).promotions
        assert document["rules"]["discount_percent"] == 40.0, currency_code


def test_the_currency_of_imports_has_to_be_known(definitions: Definitions, database: Engine) -> None:
    publish(definitions, offer("a"))
    with pytest.raises(Invalid, match="nothing says in which the company sells"):
        Tills(database).edition("kopi")
    assert Tills(database).edition("kopi", "IDR").currency_code == "IDR"
