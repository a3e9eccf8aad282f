"""dealwright redemption totals: what promotions were granted by store and day."""

import json

import pytest
from sqlalchemy import Engine, text
from typer.testing import CliRunner, Result

from admin.cli.main import app
from server.definitions.service import Definitions
from tests.access.calls import owner

ROWS = """
INSERT INTO daily_total (company_id, day, promotion_id, store_id, currency_code, redemptions, discount_minor,
                         cost_minor, returned_minor)
SELECT 'kopi', date '2027-05-01' + number, 'spring', CASE number % 2 WHEN 0 THEN 'menteng' ELSE '' END, 'IDR',
       number + 1, 100, 120, 20
FROM generate_series(0, 599) AS number
"""


@pytest.fixture(autouse=True)
def used_database(database: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands use the test's database, which has more totals than a page."""
    monkeypatch.setenv("DEALWRIGHT_DATABASE_URL", database_url)
    Definitions(database).create_company(owner())
    with database.begin() as connection:
        connection.execute(text(ROWS))


def run(*arguments: str, code: int = 0) -> Result:
    done = CliRunner().invoke(app, ["redemption", "totals", *arguments])
    assert done.exit_code == code, done.output
    return done


def test_totals_are_shown_in_their_order() -> None:
    lines = run().stdout.splitlines()
    assert len(lines) == 600
    assert lines == sorted(lines)
    assert lines[0] == "2027-05-01  spring  store menteng  1 times  IDR 1.00 off  budget used IDR 1.00"
    assert run("--from", "2027-05-02", "--to", "2027-05-03", "--store", "menteng").stdout.count("\n") == 1
    assert run("--promotion", "autumn").stdout == ""
    (value,) = map(json.loads, run("--to", "2027-05-01", "--json").stdout.splitlines())
    assert (value["date"], value["cost_minor"], value["returned_minor"]) == ("2027-05-01", "120", "20")


def test_what_is_no_day_is_told() -> None:
    assert "from" not in run("--to", "May", code=1).stdout
    assert "is a date such as 2027-05-01" in run("--to", "May", code=1).stderr
