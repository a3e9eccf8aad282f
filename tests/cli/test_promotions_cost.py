"""dealwright promotions cost: what is measured, on which carts, and what is said where nothing can be."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from admin.cli.main import app
from server.actors import local_actor
from server.definitions.service import Definitions, Publication
from server.documents import to_yaml
from tests.definitions.lunch import lunch
from tests.definitions.samples import jakarta_settings, percent_off


@pytest.fixture
def company(database_url: str, monkeypatch: pytest.MonkeyPatch, definitions: Definitions) -> None:
    """Commands use the test's database, which has one promotion in revision 1, and two in revision 2."""
    monkeypatch.setenv("DEALWRIGHT_DATABASE_URL", database_url)
    monkeypatch.setenv("DEALWRIGHT_COMPANY", "kopi")
    definitions.publish("kopi", Publication([percent_off("a", 10)], settings=jakarta_settings()))
    definitions.publish("kopi", Publication([percent_off("a", 10), percent_off("b", 5)]))


def run(*arguments: str, code: int = 0) -> Result:
    done = CliRunner().invoke(app, ["promotions", "cost", "--rounds", "2", *arguments])
    assert done.exit_code == code, done.output
    return done


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with a promotion and a test cart of it."""
    (tmp_path / "a.yaml").write_text(to_yaml(percent_off("a", 10)))
    (tmp_path / "lunch.yaml").write_text(to_yaml(lunch()))
    return tmp_path


@pytest.mark.usefixtures("company")
def test_test_carts_are_priced_with_the_last_revision_or_the_one_asked_for(tmp_path: Path) -> None:
    (tmp_path / "lunch.yaml").write_text(to_yaml(lunch()))
    assert CliRunner().invoke(app, ["test-carts", "apply", str(tmp_path)]).exit_code == 0

    newest = json.loads(run("--json").stdout)
    first = json.loads(run("--json", "--revision", "1").stdout)
    only = json.loads(run("b", "--json").stdout)

    assert (newest["revision"], newest["promotions"], newest["carts"]) == (2, 2, 1)
    assert (first["revision"], first["promotions"], first["carts"]) == (1, 1, 1)
    assert sorted(each["promotion_id"] for each in newest["costs"]) == ["a", "b"]
    assert [each["promotion_id"] for each in only["costs"]] == ["b"]
    assert newest.keys() == {
        *("revision", "promotions", "carts", "unproven", "nodes", "nanos", "noise_ppm", "costs", "idle"),
        "unmeasured",
    }
    assert only["costs"][0].keys() == {
        *("promotion_id", "candidate", "competing", "applied", "nodes", "nanos", "noise_nanos", "told_nanos")
    }
    assert "revisions up to 2, not 9" in run("--revision", "9", code=1).stderr


@pytest.mark.usefixtures("company")
def test_without_carts_it_says_where_they_come_from() -> None:
    assert "there are no carts to price: give --cart FILE" in _words(run(code=2))
    assert "there are no carts to price: give --cart FILE" in _words(run("--redemptions", "3", code=2))
    assert "no such promotion there: c" in _words(run("c", code=2))


@pytest.mark.usefixtures("company")
def test_a_company_without_promotions_has_no_costs(definitions: Definitions) -> None:
    definitions.create_company(local_actor("new"))

    assert "there is no promotion in revision 0" in _words(run("--company", "new", code=2))


def test_files_need_no_database(files: Path) -> None:
    promotions = ("--promotions", str(files / "a.yaml"))
    for name, quantity in (("good", 1), ("bad", -1)):
        line = {"id": "1", "product_id": "tea", "quantity": quantity, "unit_price_minor": 1000}
        (files / f"{name}.json").write_text(json.dumps({"currency_code": "IDR", "lines": [line]}))
    good, bad = (("--cart", str(files / f"{name}.json")) for name in ("good", "bad"))

    tested = run("--promotions", str(files / "lunch.yaml"), *promotions).stdout
    given = run(*promotions, *good, "--at", "2026-11-21T05:00:00Z", "--json").stdout

    assert tested.startswith("Revision 0, 1 promotions; 1 carts\n")
    assert "(all together)" in tested
    assert [each["applied"] for each in json.loads(given)["costs"]] == [1]
    assert "bad.json: cart.lines[0].quantity" in run(*promotions, *good, *bad, code=1).stderr
    assert "goes without --redemptions" in _words(run(*promotions, "--revision", "1", code=2))


def _words(done: Result) -> str:
    """What is said, without the frame around it."""
    return " ".join(done.stderr.replace("│", " ").split())
