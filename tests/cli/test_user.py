"""dealwright user: the staff, from the machine that has the database."""

import json

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from admin.cli.main import app
from server.access.sessions import Sessions
from server.actors import Role

PASSWORD = "a long walk in the rain"


@pytest.fixture(autouse=True)
def used_database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands use the test's database."""
    monkeypatch.setenv("DEALWRIGHT_DATABASE_URL", database_url)


def run(*arguments: str, code: int = 0) -> Result:
    done = CliRunner().invoke(app, ["user", *arguments])
    assert done.exit_code == code, done.output
    return done


def test_the_first_administrator_comes_from_the_machine(database: Engine) -> None:
    created = run("create", "Ann@example.org", "--role", "admin", "--company", "kopi")
    code = created.stdout.strip()
    assert "no password yet" in run("list").stdout
    assert "within 24 hours" in created.stderr

    sessions = Sessions(database)
    secret = sessions.accept(code, PASSWORD, "here").secret

    assert sessions.actor(secret, "here").roles == {Role.ADMIN}
    assert run("list").stdout.startswith("ann@example.org  admin  logged in ")
    assert run("logout", "ann@example.org").stdout == "ann@example.org: 1 session ended\n"


def test_a_user_is_changed_invited_and_kept_out(database: Engine) -> None:
    run("create", "ann", "--role", "author", "--company", "kopi")
    assert "ann  approver,viewer" in run("roles", "ann", "--role", "viewer", "--role", "approver").stdout
    assert "stores ubud" in run("stores", "ann", "--store", "ubud").stdout
    assert "stores" not in run("stores", "ann").stdout
    invited = json.loads(run("invite", "ann", "--hours", "2", "--json").stdout)
    Sessions(database).accept(invited["code"], PASSWORD, "here")
    assert "no password yet" not in run("list").stdout
    assert run("reset", "ann").stdout.startswith("dwi_")
    assert "no password yet" in run("list").stdout
    assert run("disable", "ann").stdout.endswith("disabled\n")
    (listed,) = json.loads(run("list", "--json").stdout)
    assert listed["disable_time"] is not None
    assert "enable them first" in run("invite", "ann", code=1).stderr
    assert "disabled" not in run("enable", "ann").stdout


def test_what_makes_no_sense_is_told_in_a_sentence() -> None:
    run("create", "ann", "--role", "author", "--company", "kopi")
    assert "there is a user ann" in run("create", "ANN", "--role", "author", code=1).stderr
    assert "there is no user ben" in run("disable", "ben", code=1).stderr
    assert "1 to 64 letters" in run("create", "a b", "--role", "author", code=1).stderr
    run("create", "ben", "--role", "boss", code=2)
