"""--accept-sizes: whatever puts a revision in force goes on with a reason, and the audit log has it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from dealwright.v1.guardrails_pb2 import Guardrails
from dealwright.v1.promotion_pb2 import Promotion
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from admin.cli.main import app
from server.actors import Role
from server.audit.service import Audit
from server.definitions.checking import Checks
from server.definitions.lifecycle import Action
from server.definitions.promotions import Promotions
from server.definitions.service import Definitions, Publication
from server.documents import to_yaml
from tests.definitions.people import do, person, write
from tests.definitions.samples import jakarta_settings, percent_off

ADAM = person("adam", Role.ADMIN)

Arguments = tuple[str, ...]


@pytest.fixture
def company(
    database_url: str, database: Engine, monkeypatch: pytest.MonkeyPatch, definitions: Definitions
) -> Engine:
    """Commands use the test's database, which has one promotion in force in the only store."""
    monkeypatch.setenv("DEALWRIGHT_DATABASE_URL", database_url)
    monkeypatch.setenv("DEALWRIGHT_COMPANY", "kopi")
    definitions.publish("kopi", Publication([percent_off("a", 10)], settings=jakarta_settings()))
    return database


def run(*arguments: str, code: int = 0) -> Result:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == code, done.output
    return done


def gone() -> Promotion:
    """The promotion, in a store of somebody else alone."""
    promotion = percent_off("a", 10)
    promotion.targeting.store_ids.include.append("ubud")
    return promotion


def approved(database: Engine) -> None:
    promotions = Promotions(database)
    write(promotions, gone())
    do(promotions, Action.SUBMIT, Action.APPROVE)


def of_files(_: Engine, folder: Path) -> Arguments:
    (folder / "a.yaml").write_text(to_yaml(gone()))
    return "publish", str(folder), "--company", "kopi"


def of_drafts(database: Engine, _: Path) -> Arguments:
    approved(database)
    return "promotions", "publish", "a"


def of_a_rollout(database: Engine, _: Path) -> Arguments:
    approved(database)
    return "rollout", "start", "a", "--percent", "100"


def of_reference_data(database: Engine, folder: Path) -> Arguments:
    Checks(database).set_guardrails(ADAM, Guardrails(store_bytes_max=1))
    file = folder / "stores.csv"
    file.write_text("id,time_zone,currency_code\nubud,Asia/Jakarta,IDR\n")
    return "reference", "import", "stores", str(file)


@pytest.mark.parametrize("prepare", [of_files, of_drafts, of_a_rollout, of_reference_data])
def test_it_is_refused_shown_and_accepted_with_a_reason(
    company: Engine,
    definitions: Definitions,
    tmp_path: Path,
    prepare: Callable[[Engine, Path], Arguments],
) -> None:
    command = prepare(company, tmp_path)

    refused = run(*command, code=1).stderr
    shown = run(*command, "--dry-run").output
    assert definitions.front("kopi").head == 1
    run(*command, "--accept-sizes", "menteng closes")

    assert "Stores would receive: menteng: " in refused
    assert "--accept-sizes REASON" in refused
    assert "Stores would receive: menteng: " in shown
    assert definitions.front("kopi").head == 2
    entries = [each for each in Audit(company).entries("kopi") if each.action == "accept_sizes"]
    assert [(each.revision, each.comment) for each in entries] == [(2, "menteng closes")]
