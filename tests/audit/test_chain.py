"""The audit log: every change stands in it, and every later edit of it is found."""

import threading

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from typer.testing import CliRunner

from admin.cli.main import app
from server.actors import Actor, Role
from server.audit.service import Audit
from server.definitions.service import Definitions, DefinitionsRefused, Publication
from tests.definitions.samples import jakarta_settings, percent_off

ANN = Actor("ann", "kopi", frozenset({Role.ADMIN}), "10.0.0.7:5001", "k1")


@pytest.fixture
def audit(database: Engine) -> Audit:
    return Audit(database)


@pytest.fixture
def written(definitions: Definitions) -> Definitions:
    """A log of a few entries."""
    definitions.publish("kopi", Publication([percent_off("a", 10)], settings=jakarta_settings(), actor=ANN))
    definitions.publish("kopi", Publication([percent_off("a", 20)], actor=ANN, comment="more"))
    definitions.publish("kopi", Publication(deleted_ids=["a"], actor=ANN))
    return definitions


@pytest.mark.usefixtures("written")
def test_an_entry_says_who_what_before_after_when_and_from_where(audit: Audit) -> None:
    entries = audit.entries("kopi")

    changed = next(entry for entry in entries if entry.comment == "more")
    assert (changed.actor, changed.token_id, changed.source) == ("ann", "k1", "10.0.0.7:5001")
    assert (changed.action, changed.subject, changed.subject_id) == ("publish_directly", "promotion", "a")
    assert (changed.version, changed.revision) == (2, 2)
    assert changed.before is not None
    assert changed.after is not None
    assert changed.before["percent_discount"]["percent_off_ppm"] == 100_000
    assert changed.after["percent_discount"]["percent_off_ppm"] == 200_000
    assert [entry.number for entry in entries] == list(range(1, len(entries) + 1))
    assert {(entry.subject, entry.subject_id) for entry in entries} >= {
        ("policy", ""),
        ("store", "menteng"),
        ("category", "drinks"),
        ("holiday_calendar", "id-public"),
    }


@pytest.mark.usefixtures("written")
def test_an_untouched_log_holds(audit: Audit) -> None:
    verification = audit.verify("kopi")

    assert (verification.problem, verification.entries) == ("", len(audit.entries("kopi")))
    assert audit.verify("kopi", (verification.entries, verification.head_hash)) == verification


EDITS = {
    "actor": "UPDATE audit_entry SET actor = 'bob' WHERE number = 2",
    "source": "UPDATE audit_entry SET source = '' WHERE number = 3",
    "time": "UPDATE audit_entry SET time = time + interval '1 microsecond' WHERE number = 1",
    "comment": "UPDATE audit_entry SET comment = 'less' WHERE comment = 'more'",
    "before": "UPDATE audit_entry SET before = NULL WHERE comment = 'more'",
    "after": "UPDATE audit_entry SET after = after || '{\"priority\": 9}' WHERE number = 1",
    "revision": "UPDATE audit_entry SET revision = revision + 1 WHERE number = 4",
    "hash": "UPDATE audit_entry SET hash = sha256(hash) WHERE number = 2",
    "removed": "DELETE FROM audit_entry WHERE number = 2",
    "removed first": "DELETE FROM audit_entry WHERE number = 1",
    "removed last": "DELETE FROM audit_entry WHERE number = (SELECT max(number) FROM audit_entry)",
    "moved": (
        "UPDATE audit_entry SET number = -number WHERE number IN (2, 3);"
        " UPDATE audit_entry SET number = 5 + number WHERE number < 0"
    ),
    "head": "UPDATE audit_head SET number = number + 1",
}


@pytest.mark.usefixtures("written")
@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_every_edit_is_found(audit: Audit, database: Engine, edit: str) -> None:
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE audit_entry DISABLE TRIGGER USER"))
        for statement in edit.split(";"):
            connection.execute(text(statement))

    assert audit.verify("kopi").problem


@pytest.mark.usefixtures("written")
def test_a_log_that_was_replaced_whole_is_found_by_a_hash_kept_elsewhere(
    audit: Audit, database: Engine, definitions: Definitions
) -> None:
    kept = audit.verify("kopi")
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE audit_entry DISABLE TRIGGER USER"))
        connection.execute(text("DELETE FROM audit_entry"))
        connection.execute(text("DELETE FROM audit_head"))
    assert audit.verify("kopi", (kept.entries, kept.head_hash)).problem
    for percent in range(1, 10):
        definitions.publish("kopi", Publication([percent_off("b", percent)], actor=ANN))

    assert audit.verify("kopi").problem == ""
    assert "hash was kept" in audit.verify("kopi", (kept.entries, kept.head_hash)).problem


@pytest.mark.usefixtures("written")
@pytest.mark.parametrize(
    "statement", ["UPDATE audit_entry SET actor = ''", "DELETE FROM audit_entry", "TRUNCATE audit_entry"]
)
def test_the_database_refuses_edits(database: Engine, statement: str) -> None:
    with pytest.raises(DBAPIError, match="never changed or deleted"), database.begin() as connection:
        connection.execute(text(statement))


def test_companies_have_logs_of_their_own_that_grow_at_once(definitions: Definitions, audit: Audit) -> None:
    def publish(company_id: str) -> None:
        for percent in range(1, 6):
            definitions.publish(company_id, Publication([percent_off("a", percent)]))

    threads = [threading.Thread(target=publish, args=(name,)) for name in ("kopi", "roti", "kopi", "roti")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    for company_id in ("kopi", "roti"):
        verification = audit.verify(company_id)
        assert verification.problem == ""
        assert verification.entries == definitions.head_revision(company_id)


def test_what_is_refused_leaves_no_entry(definitions: Definitions, audit: Audit) -> None:
    settings = jakarta_settings()
    settings.policy.time_zone = "Mars/Base"
    with pytest.raises(DefinitionsRefused, match=r"policy\.time_zone"):
        definitions.publish("kopi", Publication([percent_off("a", 10)], settings=settings))
    assert audit.companies() == []


@pytest.mark.usefixtures("written")
def test_the_command_tells_a_good_log_from_a_bad_one(
    database: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEALWRIGHT_DATABASE_URL", database_url)
    good = CliRunner().invoke(app, ["audit", "verify"])
    kept = good.stdout.split()[-2]
    again = CliRunner().invoke(app, ["audit", "verify", "--kept", kept])
    listed = CliRunner().invoke(app, ["audit", "list"])
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE audit_entry DISABLE TRIGGER USER"))
        connection.execute(text("UPDATE audit_entry SET actor = 'bob' WHERE number = 3"))
    bad = CliRunner().invoke(app, ["audit", "verify"])

    assert (good.exit_code, again.exit_code, bad.exit_code) == (0, 0, 1)
    assert "ann (10.0.0.7:5001) publish directly promotion a version 2, revision 2: more" in listed.stdout
    assert bad.stdout == "kopi: BROKEN, entry 3 was changed after it was written\n"
