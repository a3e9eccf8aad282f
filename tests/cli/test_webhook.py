"""dealwright webhook: where events go, from the machine that has the database."""

import json

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from admin.cli.main import app
from server.events.service import Event, EventType, Webhooks, connected, record
from server.keys.service import Pepper
from server.runtime.settings import Settings
from tests.access.calls import PEPPER, owner
from tests.events.receiver import receiving
from tests.vouchers.conftest import make_promotions

ALWAYS = ("--from", "2026-01-01T00:00:00+0000", "--to", "2100-01-01T00:00:00+0000")


@pytest.fixture(autouse=True)
def used_database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands use the test's database, and may name receivers on this machine."""
    monkeypatch.setenv("DEALWRIGHT_DATABASE_URL", database_url)
    monkeypatch.setenv("DEALWRIGHT_PEPPER", PEPPER)
    monkeypatch.setenv("DEALWRIGHT_WEBHOOK_ADDRESSES", "any")


def run(*arguments: str, code: int = 0) -> Result:
    done = CliRunner().invoke(app, ["webhook", *arguments])
    assert done.exit_code == code, done.output
    return done


async def work(engine: Engine) -> None:
    webhooks = Webhooks(engine, Pepper(Settings(pepper=PEPPER), engine), inside=True)
    async with connected() as client:
        while await webhooks.deliver(client, lambda _: None):
            pass


async def test_a_webhook_lives_and_its_receiver_can_check_what_it_gets(database: Engine) -> None:
    make_promotions(database)
    with receiving() as receiver:
        made = json.loads(run("create", receiver.url, "--type", "dealwright.budget.low", "--json").stdout)
        assert run("list").stdout == f"{made['id']}  {receiver.url}  dealwright.budget.low\n"
        receiver.statuses = [503]
        with database.begin() as connection:
            record(connection, owner().company_id, [Event(EventType.BUDGET_LOW, "spring")])
        await work(database)
        assert "1 attempts  status 503" in run("deliveries", "--state", "pending").stdout
        assert run("deliveries").stdout == ""
        rotated = json.loads(run("rotate-secret", made["id"], "--json").stdout)
        assert run("replay", made["id"], *ALWAYS).stdout == "1 events\n"
        await work(database)
        assert EventType.BUDGET_LOW in run("deliveries", "--state", "delivered").stdout

    assert [got.is_signed_by(made["secret"]) for got in receiver.received] == [True, True]
    assert [got.is_signed_by(rotated["secret"]) for got in receiver.received] == [False, True]
    assert run("disable", made["id"]).stdout == f"{made['id']} is disabled\n"
    assert "disabled since" in run("list").stdout
    run("enable", made["id"])
    assert "disabled" not in run("list").stdout
    assert run("delete", made["id"]).stdout == f"{made['id']} is deleted\n"
    assert run("list").stdout == ""


def test_a_secret_stands_alone_on_standard_output(database: Engine) -> None:
    make_promotions(database)
    created = run("create", "https://shop.example/hook")
    webhook_id = run("list").stdout.split()[0]
    rotated = run("rotate-secret", webhook_id)

    assert created.stdout.startswith("whsec_")
    assert rotated.stdout.startswith("whsec_")
    assert len(created.stdout.splitlines()) == len(rotated.stdout.splitlines()) == 1
    assert "24 hours" in rotated.stderr


def test_what_makes_no_sense_is_told_in_a_sentence(database: Engine) -> None:
    make_promotions(database)
    for command in ("delete", "rotate-secret", "disable", "enable"):
        assert "there is no webhook wh_0" in run(command, "wh_0", code=1).stderr
    assert "webhook" in run("create", "ftp://shop.example", code=1).stderr
    assert "--state is" in run("deliveries", "--state", "lost", code=2).stderr
    run("create", "https://shop.example/", "--type", "nonsense", code=2)
