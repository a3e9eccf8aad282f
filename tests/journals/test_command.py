"""dealwright journal, on a database with two journals of which one has trouble."""

import json

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner

from admin.cli.main import app
from server.definitions.service import Definitions, Publication
from server.journals.replays import Replays
from server.journals.service import Journals
from server.runtime.metrics import Metrics
from tests.definitions.samples import jakarta_settings, percent_off
from tests.journals.uploads import DEVICE, chained, sold, upload


@pytest.fixture
def troubled(
    database: Engine, definitions: Definitions, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEALWRIGHT_DATABASE_URL", database_url)
    definitions.publish("kopi", Publication([percent_off("ten", 10)], settings=jakarta_settings()))
    forged = sold(definitions, "forged")
    forged.sale.result.totals.payable_minor = 1
    entries = chained(sold(definitions, "a"), sold(definitions, "b"), forged)
    journals = Journals(database)
    journals.upload(DEVICE, upload(entries[:1]))
    journals.upload(DEVICE, upload(entries[2:]))
    journals.upload(DEVICE, upload(chained(sold(definitions, "c")), device_id="till-2"))
    Replays(database, definitions, Metrics()).run()


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("list", 0, ["till-1 j1: 3 entries", "till-2 j1: 1 entries"]),
        ("drift", 1, ["sale forged drifted: 1 to pay at the till, 4500000 here"]),
        ("alarms", 1, ["till-1 j1 gap: entries 2 to 2 have never come"]),
        ("verify", 1, ["till-1 j1: BROKEN, entries 2 to 2 are missing", "till-2 j1: 1 entries hold"]),
    ],
)
def test_it_says_what_is_there(troubled: None, command: str, code: int, said: list[str]) -> None:
    done = CliRunner().invoke(app, ["journal", command])
    lines = done.stdout.splitlines()

    assert (done.exit_code, len(lines)) == (code, len(said))
    for line, part in zip(lines, said, strict=True):
        assert part in line


@pytest.mark.parametrize(
    ("command", "field", "values"),
    [
        ("list", "sequence", [3, 1]),
        ("drift", "sale_id", ["forged"]),
        ("alarms", "kind", ["gap"]),
        ("verify", "problem", ["entries 2 to 2 are missing", ""]),
    ],
)
def test_it_says_the_same_as_json(troubled: None, command: str, field: str, values: list[object]) -> None:
    done = CliRunner().invoke(app, ["journal", command, "--json"])

    assert [json.loads(line)[field] for line in done.stdout.splitlines()] == values
