"""dealwright lease, on a database with two leases of which one was overrun."""

import json

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner

from admin.cli.main import app
from tests.leases.lender import Book, Lender, wish
from tests.redemption.shop import limited


@pytest.fixture
def lent(database: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEALWRIGHT_DATABASE_URL", database_url)
    lender = Lender(database)
    lender.publish(limited(max_uses=100), limited("paid", budget=10_000))
    book = Book(lender)
    lease = lender.lent(2)
    for number in range(3):
        book.sold(f"s{number}", lease.lease_id)
    book.closed(lease.lease_id)
    book.upload()
    lender.renew(wish(promotion="paid"), device="till-2")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            [],
            ["paid  store menteng  open", "budget: 0 of 500 IDR minor spent", "offer  store menteng  closed"],
        ),
        (["--open"], ["paid"]),
        (["--overrun"], ["total: 2 of 2 spent, 1 OVERRUN"]),
        (["--till", "till-2"], ["paid"]),
        (["--promotion", "offer"], ["till-1"]),
    ],
)
def test_it_shows_leases_and_what_became_of_them(lent: None, options: list[str], said: list[str]) -> None:
    done = CliRunner().invoke(app, ["lease", "list", *options])

    assert done.exit_code == 0
    assert all(text in done.stdout for text in said)
    assert len(done.stdout.splitlines()) == (1 if options else 2)


def test_it_shows_them_as_json(lent: None) -> None:
    done = CliRunner().invoke(app, ["lease", "list", "--overrun", "--json"])

    (found,) = map(json.loads, done.stdout.splitlines())
    assert (found["state"], found["amounts"][0]["overrun"]) == ("LEASE_STATE_CLOSED", "1")
