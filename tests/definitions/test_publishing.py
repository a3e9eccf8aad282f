"""Publishing: all or nothing, one revision at a time, and nothing ever lost."""

import getpass
import threading

import pytest
import sqlalchemy
from dealwright.v1.promotion_pb2 import ON_UNSUPPORTED_SKIP, Promotion
from dealwright.v1.ruleset_pb2 import Ruleset, Store
from dealwright.v1.stacking_pb2 import Limits
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from server.db.engine import connect
from server.definitions.differences import sentences
from server.definitions.service import Definitions, DefinitionsRefused, Publication, UnknownRevision
from server.runtime.errors import Invalid
from tests.definitions.newer import publish_as_newer
from tests.definitions.samples import jakarta_settings, percent_off


def ids(definitions: Definitions, revision: int | None = None) -> list[str]:
    return [promotion.id for promotion in definitions.ruleset("kopi", revision).promotions]


def test_publishes_a_first_revision(definitions: Definitions) -> None:
    published = definitions.publish(
        "kopi", Publication([percent_off("b", 20), percent_off("a", 10)], settings=jakarta_settings())
    )

    ruleset = definitions.ruleset("kopi")
    assert (published.revision, published.written, published.settings_changed) == (1, ("a", "b"), True)
    assert (ruleset.company_id, ruleset.revision) == ("kopi", 1)
    assert list(ruleset.promotions) == [percent_off("a", 10), percent_off("b", 20)]
    assert ruleset.policy == jakarta_settings().policy
    assert ruleset.stores == jakarta_settings().stores
    assert ruleset.categories == jakarta_settings().categories
    assert ruleset.holiday_calendars == jakarta_settings().holiday_calendars
    assert definitions.companies() == ["kopi"]


def test_what_is_already_there_makes_no_revision(definitions: Definitions) -> None:
    publication = Publication([percent_off("a", 10)], settings=jakarta_settings())
    definitions.publish("kopi", publication)

    again = definitions.publish("kopi", publication)

    assert (again.revision, again.changed, again.unchanged) == (1, False, ("a",))
    assert definitions.head_revision("kopi") == 1


def test_every_revision_is_rebuilt_to_the_byte(definitions: Definitions) -> None:
    steps = [
        Publication([percent_off("a", 10)], settings=jakarta_settings()),
        Publication([percent_off("b", 20), percent_off("a", 15)]),
        Publication(deleted_ids=["a"]),
        Publication([percent_off("a", 30)]),
    ]
    snapshots = []
    for step in steps:
        definitions.publish("kopi", step)
        snapshots.append(definitions.ruleset("kopi").SerializeToString(deterministic=True))

    rebuilt = [definitions.ruleset("kopi", revision) for revision in range(1, 5)]
    assert [ruleset.SerializeToString(deterministic=True) for ruleset in rebuilt] == snapshots
    assert [[promotion.id for promotion in ruleset.promotions] for ruleset in rebuilt] == [
        ["a"],
        ["a", "b"],
        ["b"],
        ["a", "b"],
    ]
    assert len(definitions.ruleset("kopi", 0).promotions) == 0


def test_deleting_writes_a_tombstone_and_keeps_the_past(definitions: Definitions, database: Engine) -> None:
    definitions.publish("kopi", Publication([percent_off("a", 10), percent_off("b", 20)]))

    published = definitions.publish("kopi", Publication(deleted_ids=["a"]))

    assert (published.revision, published.deleted) == (2, ("a",))
    assert ids(definitions) == ["b"]
    assert ids(definitions, 1) == ["a", "b"]
    with database.connect() as connection:
        rows = connection.execute(
            text("SELECT promotion_id, version FROM change_log WHERE revision = 2")
        ).all()
    assert [tuple(row) for row in rows] == [("a", None)]


def test_an_unknown_id_to_delete_is_refused_by_name(definitions: Definitions) -> None:
    definitions.publish("kopi", Publication([percent_off("a", 10)]))

    with pytest.raises(DefinitionsRefused, match="there is no promotion never-there"):
        definitions.publish("kopi", Publication([percent_off("b", 10)], deleted_ids=["a", "never-there"]))

    assert ids(definitions) == ["a"]


def test_what_is_deleted_cannot_be_published_at_once(definitions: Definitions) -> None:
    definitions.publish("kopi", Publication([percent_off("a", 10)]))
    with pytest.raises(DefinitionsRefused, match="a is to be deleted and published at once"):
        definitions.publish("kopi", Publication([percent_off("a", 20)], deleted_ids=["a"]))


def test_another_companys_document_is_refused(definitions: Definitions) -> None:
    settings = jakarta_settings()
    settings.company_id = "roti"

    with pytest.raises(DefinitionsRefused, match="that of roti, and is to be published for kopi"):
        definitions.publish("kopi", Publication([percent_off("a", 10)], settings=settings))

    assert definitions.companies() == []


@pytest.mark.parametrize("company_id", ["", "kopi toko", "../kopi", "k" * 65, "kopi\n", "café"])
def test_a_company_needs_a_proper_id(definitions: Definitions, company_id: str) -> None:
    with pytest.raises(Invalid, match="is no id of a company"):
        definitions.publish(company_id, Publication([percent_off("a", 10)]))
    assert definitions.companies() == []


def test_settings_keep_what_a_document_does_not_have(definitions: Definitions) -> None:
    definitions.publish("kopi", Publication(settings=jakarta_settings()))
    stores = Ruleset(stores=[Store(id="kemang", time_zone="Asia/Jakarta")])

    published = definitions.publish("kopi", Publication([percent_off("a", 10)], settings=stores))
    again = definitions.publish("kopi", Publication(settings=Ruleset(company_id="kopi")))

    ruleset = definitions.ruleset("kopi")
    assert (published.settings_changed, again.settings_changed, again.revision) == (True, False, 2)
    assert ruleset.policy == jakarta_settings().policy
    assert list(ruleset.stores) == list(stores.stores)
    assert ruleset.categories == jakarta_settings().categories
    assert definitions.ruleset("kopi", 1).stores == jakarta_settings().stores


def test_a_dry_run_says_what_would_come_and_changes_nothing(definitions: Definitions) -> None:
    definitions.publish("kopi", Publication([percent_off("a", 10), percent_off("b", 10)]))

    dry = definitions.publish(
        "kopi", Publication([percent_off("a", 20), percent_off("c", 10)], complete=True, dry_run=True)
    )

    assert (dry.revision, dry.written, dry.deleted) == (2, ("a", "c"), ("b",))
    assert sentences(dry.differences) == [
        "promotion a: name (en): 10 % off becomes 20 % off",
        "promotion a: percent discount, percent off: 10 % becomes 20 %",
        "promotion b is removed",
        "promotion c is added",
    ]
    assert (definitions.head_revision("kopi"), ids(definitions)) == (1, ["a", "b"])
    assert definitions.publish("roti", Publication([percent_off("a", 1)], dry_run=True)).revision == 1
    assert definitions.companies() == ["kopi"]


def test_a_revision_knows_who_made_it_when_and_why(definitions: Definitions) -> None:
    definitions.publish("kopi", Publication([percent_off("a", 10)], comment="opening"))
    definitions.publish("kopi", Publication([percent_off("a", 20)]))

    newest, first = definitions.revisions("kopi")

    assert (newest.revision, first.revision, first.comment) == (2, 1, "opening")
    assert (first.author, first.action) == (getpass.getuser(), "publish_directly")
    assert newest.publish_time > first.publish_time
    assert definitions.revisions("kopi", below=2) == [first]


def test_a_complete_publication_deletes_the_rest(definitions: Definitions) -> None:
    definitions.publish("kopi", Publication([percent_off("a", 10), percent_off("b", 20)]))

    published = definitions.publish("kopi", Publication([percent_off("b", 20)], complete=True))

    assert (published.deleted, published.unchanged, published.written) == (("a",), ("b",), ())
    assert ids(definitions) == ["b"]


def test_errors_refuse_everything_with_field_paths(definitions: Definitions) -> None:
    too_much = percent_off("a", 10)
    too_much.percent_discount.percent_off_ppm = 1_000_001
    no_uses = percent_off("b", 10)
    no_uses.limits.CopyFrom(Limits(max_uses=0))

    with pytest.raises(DefinitionsRefused) as refused:
        definitions.publish("kopi", Publication([percent_off("fine", 10), too_much, no_uses]))

    places = {(found.promotion_id, found.field) for found in refused.value.diagnostics}
    assert {("a", "percent_discount.percent_off_ppm"), ("b", "limits.max_uses")} <= places
    assert definitions.companies() == []


def test_an_id_that_stands_twice_is_refused(definitions: Definitions) -> None:
    with pytest.raises(DefinitionsRefused, match="id of another promotion"):
        definitions.publish("kopi", Publication([percent_off("a", 10), percent_off("a", 20)]))


def test_settings_that_do_not_compile_are_refused(definitions: Definitions) -> None:
    settings = jakarta_settings()
    settings.policy.time_zone = "Mars/Base"

    with pytest.raises(DefinitionsRefused) as refused:
        definitions.publish("kopi", Publication([percent_off("a", 10)], settings=settings))

    assert [found.field for found in refused.value.diagnostics] == ["policy.time_zone"]
    assert definitions.companies() == []


def test_companies_do_not_see_each_other(definitions: Definitions) -> None:
    definitions.publish("kopi", Publication([percent_off("a", 10)]))
    definitions.publish("roti", Publication([percent_off("a", 50)]))
    definitions.publish("roti", Publication([percent_off("b", 50)]))

    assert definitions.ruleset("kopi").promotions[0] == percent_off("a", 10)
    assert (definitions.head_revision("kopi"), definitions.head_revision("roti")) == (1, 2)


def test_many_publishers_leave_no_gap_and_lose_nothing(definitions: Definitions, database: Engine) -> None:
    threads_count, rounds = 8, 5
    revisions: list[int] = []
    failures: list[Exception] = []

    def publish(worker: int) -> None:
        try:
            for turn in range(rounds):
                mine = percent_off(f"worker-{worker}", turn + 1)
                shared = percent_off("shared", worker * rounds + turn + 1)
                revisions.append(definitions.publish("kopi", Publication([mine, shared])).revision)
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=publish, args=(worker,)) for worker in range(threads_count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    assert failures == []
    assert sorted(revisions) == list(range(1, threads_count * rounds + 1))
    final = {promotion.id: promotion for promotion in definitions.ruleset("kopi").promotions}
    assert all(
        final[f"worker-{worker}"] == percent_off(f"worker-{worker}", rounds)
        for worker in range(threads_count)
    )
    with database.connect() as connection:
        versions = connection.scalars(
            text("SELECT version FROM change_log WHERE promotion_id = 'shared' ORDER BY revision")
        ).all()
    assert list(versions) == list(range(1, threads_count * rounds + 1))


def test_a_reader_never_sees_half_a_revision(definitions: Definitions) -> None:
    """Both promotions change in each publication, so a ruleset that mixes two revisions would show it."""
    definitions.publish("kopi", Publication([percent_off("a", 1), percent_off("b", 1)]))
    done = threading.Event()

    def publish() -> None:
        for percent in range(2, 25):
            definitions.publish("kopi", Publication([percent_off("a", percent), percent_off("b", percent)]))
        done.set()

    thread = threading.Thread(target=publish)
    thread.start()
    seen: list[tuple[int, int]] = []
    while not done.is_set() and len(seen) < 10_000:
        a, b = definitions.ruleset("kopi").promotions
        seen.append((a.percent_discount.percent_off_ppm, b.percent_discount.percent_off_ppm))
    thread.join(timeout=60)

    assert seen
    assert all(a == b for a, b in seen)


def test_history_is_append_only_in_the_database_too(definitions: Definitions, database: Engine) -> None:
    definitions.publish("kopi", Publication([percent_off("a", 10)], settings=jakarta_settings()))
    for statement in (
        "UPDATE promotion_version SET priority = 1",
        "DELETE FROM promotion_version",
        "UPDATE change_log SET version = NULL",
        "DELETE FROM settings_version",
        "UPDATE reference_version SET definition = NULL",
        "DELETE FROM revision",
        "TRUNCATE change_log",
    ):
        with pytest.raises(DBAPIError, match="never changed or deleted"), database.begin() as connection:
            connection.execute(text(statement))


@pytest.mark.parametrize(
    "column",
    [
        *("type = 'combo'", "code = 'OTHER'", "priority = 7", "start_time = now()"),
        *("start_date = '2026-11-21'", "time_zone = 'UTC'"),
    ],
)
def test_a_projected_column_cannot_contradict_its_definition(
    definitions: Definitions, database: Engine, column: str
) -> None:
    definitions.publish("kopi", Publication([percent_off("a", 10)]))
    name, value = column.split(" = ")
    names = (
        "company_id, promotion_id, version, definition, type, code, priority, rule_language, start_time,"
        " start_date, time_zone, author, comment"
    )
    changed = names.replace("version", "version + 1").replace(name, value)
    with (
        pytest.raises(sqlalchemy.exc.IntegrityError, match=f"ck_promotion_version_{name}"),
        database.begin() as connection,
    ):
        connection.execute(
            text(f"INSERT INTO promotion_version ({names}) SELECT {changed} FROM promotion_version")
        )


def test_a_definition_of_a_newer_program_is_never_read_in_part(
    definitions: Definitions, database: Engine
) -> None:
    definitions.publish("kopi", Publication([percent_off("a", 10), percent_off("b", 20)]))
    publish_as_newer(database, "a", {"only_on_mars": True})

    unreadable, readable = definitions.ruleset("kopi").promotions

    assert readable == percent_off("b", 20)
    assert unreadable == Promotion(id="a", rule_language=2**31 - 1)


def test_the_envelope_of_a_definition_of_a_newer_program_is_read(
    definitions: Definitions, database: Engine
) -> None:
    part = {
        "only_on_mars": True,
        "priority": 7,
        "stacking": {"groups": [{"name": "lunch", "weight": 3}], "exclusive": "EXCLUSIVITY_BRAND"},
        "schedule": {"end_date": "2026-12-31", "weather": "RAIN"},
        "targeting": {"store_ids": {"include": ["s1"]}, "moods": 7},
        "trigger": {"thought": {}},
        "on_unsupported": "ON_UNSUPPORTED_SKIP",
        "limits": {"max_uses": 3},
    }
    definitions.publish("kopi", Publication([percent_off("a", 10)]))
    publish_as_newer(database, "a", part)

    (envelope,) = definitions.ruleset("kopi").promotions

    expected = Promotion(id="a", rule_language=2**31 - 1, priority=7, on_unsupported=ON_UNSUPPORTED_SKIP)
    expected.stacking.groups.add(name="lunch")
    expected.schedule.end_date = "2026-12-31"
    expected.targeting.store_ids.include.append("s1")
    expected.trigger.SetInParent()
    assert envelope == expected


def test_an_unknown_company_or_revision_is_said_to_be(definitions: Definitions) -> None:
    definitions.publish("kopi", Publication([percent_off("a", 10)]))
    with pytest.raises(UnknownRevision, match="no company roti"):
        definitions.ruleset("roti")
    with pytest.raises(UnknownRevision, match="up to 1"):
        definitions.ruleset("kopi", 2)


def test_listeners_get_a_hint(definitions: Definitions, database_url: str) -> None:
    listener = connect(database_url)
    with listener.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("LISTEN dealwright_revision"))
        definitions.publish("kopi", Publication([percent_off("a", 10)]))
        driver = connection.connection.driver_connection
        assert driver is not None
        hints = [notice.payload for notice in driver.notifies(timeout=5, stop_after=1)]
    listener.dispose()

    assert hints == ["kopi:1"]
