"""dealwright promotions rollback: it takes a revision back from all tills, and says how far it has come."""

from threading import Thread

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from admin.cli import arriving
from admin.cli.main import app
from server.definitions.service import Definitions
from server.distribution.operations import Arrival, Operations
from tests.rollouts.shops import open_shops, percent_at, roll_out, say


@pytest.fixture
def rolled_out(
    database_url: str, database: Engine, definitions: Definitions, monkeypatch: pytest.MonkeyPatch
) -> Engine:
    """Revision 2 is in force in Menteng only, and commands use the database."""
    monkeypatch.setenv("DEALWRIGHT_DATABASE_URL", database_url)
    monkeypatch.setenv("DEALWRIGHT_COMPANY", "kopi")
    open_shops(definitions)
    roll_out(definitions)
    return database


def roll_back(*arguments: str) -> Result:
    done = CliRunner().invoke(app, ["promotions", "rollback", "1", *arguments])
    assert done.exit_code == 0, done.output
    return done


def test_it_ends_a_rollout_and_counts_tills(rolled_out: Engine, definitions: Definitions) -> None:
    say(rolled_out, "till-1", 2)
    say(rolled_out, "till-2", 1, connected=False)
    say(rolled_out, "till-3", 7)

    tried = roll_back("--dry-run")
    assert "till" not in tried.stderr
    assert percent_at(definitions, "menteng") == 20
    done = roll_back("--wait", "0", "--comment", "too much")

    assert done.stdout == tried.stdout
    assert done.stdout.splitlines()[-1] == "kopi: revision 3"
    assert done.stderr == (
        "1 of 3 tills have it; 1 that are connected don't yet, 1 that aren't get it when they are back\n"
    )
    assert percent_at(definitions, "menteng") == percent_at(definitions, "medan") == 10
    assert definitions.front("kopi").cohort is None


def test_it_waits_until_connected_tills_have_it(rolled_out: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    say(rolled_out, "till-1", 2)
    looked: list[Arrival] = []
    ask = Operations.arrival

    def watched(self: Operations, company_id: str, revision: int) -> Arrival:
        looked.append(ask(self, company_id, revision))
        if len(looked) == 1:
            # Another process hears of it from the till.
            other = Thread(target=say, args=(rolled_out, "till-1", revision))
            other.start()
            other.join()
        return looked[-1]

    monkeypatch.setattr(Operations, "arrival", watched)
    monkeypatch.setattr(arriving, "LOOK_SECONDS", 0.01)
    done = roll_back("--wait", "600")

    assert looked == [Arrival(0, 1, 0), Arrival(1, 0, 0)]
    assert [line.split(" tills")[0] for line in done.stderr.splitlines()] == ["0 of 1", "1 of 1"]


def test_without_tills_it_waits_for_nobody(rolled_out: Engine) -> None:
    assert roll_back("--wait", "600").stderr.startswith("0 of 0 tills have it")
