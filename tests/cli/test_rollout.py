"""dealwright rollout: started, looked at, promoted and stopped from a terminal."""

import json

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from admin.cli.main import app
from server.definitions.lifecycle import Action
from server.definitions.promotions import Promotions
from server.definitions.service import Definitions
from server.definitions.transitions import Target
from tests.definitions.people import ANN, BEN, write
from tests.definitions.samples import percent_off
from tests.rollouts.shops import open_shops


@pytest.fixture
def approved(
    database_url: str, database: Engine, definitions: Definitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new promotion is approved, and commands use the database."""
    monkeypatch.setenv("DEALWRIGHT_DATABASE_URL", database_url)
    monkeypatch.setenv("DEALWRIGHT_COMPANY", "kopi")
    open_shops(definitions)
    promotions = Promotions(database)
    write(promotions, percent_off("new", 5))
    promotions.act(ANN, Action.SUBMIT, [Target("new")])
    promotions.act(BEN, Action.APPROVE, [Target("new")])


def run(*arguments: str, code: int = 0) -> Result:
    done = CliRunner().invoke(app, ["rollout", *arguments])
    assert done.exit_code == code, done.output
    return done


@pytest.mark.usefixtures("approved")
def test_a_rollout_from_its_start_to_its_end() -> None:
    tried = run("start", "new", "--store", "menteng", "--dry-run")
    assert tried.stdout == "promotion new is added\nrevision 2, for its cohort\n"
    started = run("start", "new", "--store", "menteng", "--bake", "30", "--tills", "2", "--comment", "try")
    assert started.stdout == tried.stdout
    lines = run("status").stdout.splitlines()
    assert lines[0].endswith(": try")
    assert lines[1].endswith(", for 1800 s")
    assert lines[2:] == [
        "cohort    Menteng",
        "tills     0 of 0 have it, 2 needed",
        "failures  0 tills refuse it, 0 can't use what it changed, 0 sales drifted; 0 allowed",
    ]
    stopped = run("stop", "2", "--comment", "no")
    assert stopped.stdout == "promotion new is removed\nrevision 3, for all stores\n"
    told = json.loads(run("status", "--json").stdout)
    assert told["rollout"]["state"] == "ROLLOUT_STATE_STOPPED"
    assert told["rollout"]["end_comment"] == "no"
    assert run("status").stdout.splitlines()[1].endswith(": no")


@pytest.mark.usefixtures("approved")
def test_a_promoted_rollout_is_for_all() -> None:
    assert json.loads(run("start", "new", "--percent", "34", "--json").stdout)["revision"] == 2
    assert "until somebody promotes it" in run("status").stdout
    assert run("promote").stdout == "promotion new is added\nrevision 3, for all stores\n"
    assert "no rollout is running" in run("stop", code=1).stderr


@pytest.mark.usefixtures("approved")
def test_what_is_wrong_is_said_plainly() -> None:
    assert "there is no store mentang" in run("start", "new", "--store", "mentang", code=1).stderr
    assert "name the stores" in run("start", "new", code=1).stderr
    assert "nothing was ever rolled out" in run("status", code=1).stderr
