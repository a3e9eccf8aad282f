"""dealwright test-carts: files in and out, and publications that ask them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from admin.cli.main import app
from server.definitions.service import Definitions, Publication
from server.documents import to_yaml
from tests.definitions.lunch import lunch
from tests.definitions.samples import jakarta_settings, percent_off


@pytest.fixture(autouse=True)
def company(database_url: str, monkeypatch: pytest.MonkeyPatch, definitions: Definitions) -> None:
    """Commands use the test's database, which has one promotion in force."""
    monkeypatch.setenv("DEALWRIGHT_DATABASE_URL", database_url)
    monkeypatch.setenv("DEALWRIGHT_COMPANY", "kopi")
    definitions.publish("kopi", Publication([percent_off("a", 10)], settings=jakarta_settings()))


def run(*arguments: str, code: int = 0) -> Result:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == code, done.output
    return done


def test_what_is_exported_is_applied_back_to_the_same(tmp_path: Path) -> None:
    (tmp_path / "carts.yaml").write_text(
        to_yaml([lunch("{payable_minor: 4500000}"), lunch(test_cart_id="dinner")])
    )

    applied = run("test-carts", "apply", str(tmp_path), "--comment", "first")
    exported = tmp_path / "exported"
    run("test-carts", "export", "--to", str(exported))
    again = run("test-carts", "apply", str(exported), "--prune")
    (exported / "dinner.yaml").unlink()
    pruned = run("test-carts", "apply", str(exported), "--prune", "--dry-run")

    assert applied.stdout == "test cart lunch is created\ntest cart dinner is created\n"
    assert again.stdout == ""
    assert "0 created, 0 updated, 2 unchanged, 0 deleted" in again.stderr
    assert pruned.stdout == "test cart dinner is deleted\n"
    assert run("test-carts", "show", "lunch").stdout == (exported / "lunch.yaml").read_text()
    assert "lunch" in run("test-carts", "list").stdout
    assert run("test-carts", "delete", "dinner").stdout == "test cart dinner is deleted\n"
    assert json.loads(run("test-carts", "list", "--json").stdout)["test_cart"]["id"] == "lunch"


def test_a_fault_is_told_with_its_file_and_line(tmp_path: Path) -> None:
    broken = lunch("{lines: [{line_id: tea}]}")
    (tmp_path / "lunch.yaml").write_text(to_yaml(broken))

    told = run("test-carts", "apply", str(tmp_path), code=1).stderr

    line = to_yaml(broken).splitlines().index("    - line_id: tea") + 1
    assert f"lunch.yaml:{line}" in told
    assert "expected.lines[0].line_id: The cart has no line tea." in told
    (tmp_path / "lunch.yaml").write_text(to_yaml(percent_off("a", 10)))
    run("test-carts", "apply", str(tmp_path), code=2)


def test_promotions_and_test_carts_travel_together(tmp_path: Path) -> None:
    files, out = tmp_path / "files", tmp_path / "out"
    files.mkdir()
    (files / "b.yaml").write_text(to_yaml(percent_off("b", 5)))
    (files / "lunch.yaml").write_text(to_yaml(lunch()))

    missing = run("promotions", "diff", str(files)).stdout
    first = run("promotions", "import", str(files))
    again = run("promotions", "import", str(files), code=1)
    run("promotions", "export", "--to", str(out))
    same = run("promotions", "apply", str(out), "--prune")
    listed = run("promotions", "export").stdout
    (out / "test-carts" / "lunch.yaml").write_text(to_yaml(lunch(test_cart_id="dinner")))
    pruned = run("promotions", "apply", str(out), "--prune").stdout
    (out / "test-carts" / "lunch.yaml").unlink()
    kept = run("promotions", "apply", str(out), "--prune").stdout

    assert "test cart lunch is created" in missing
    assert "test cart lunch is created" in first.stdout
    assert "already" in again.stderr
    assert same.stdout == ""
    assert to_yaml([lunch()]).strip() in listed
    assert pruned == "test cart dinner is created\ntest cart lunch is deleted\n"
    assert kept == ""
    assert "lunch" not in run("promotions", "export", "a").stdout


def test_nothing_is_saved_where_a_test_cart_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(to_yaml(percent_off("b", 5)))
    (tmp_path / "lunch.yaml").write_text(to_yaml(lunch("{lines: [{line_id: tea}]}")))

    told = run("promotions", "apply", str(tmp_path), code=1).stderr

    assert "lunch.yaml:" in told
    assert "The cart has no line tea." in told
    run("promotions", "show", "b", code=1)


def test_a_folder_is_validated_with_its_test_carts(tmp_path: Path) -> None:
    settings = jakarta_settings()
    settings.company_id = "kopi"
    (tmp_path / "company.yaml").write_text(to_yaml(settings))
    (tmp_path / "a.yaml").write_text(to_yaml(percent_off("a", 10)))
    (tmp_path / "lunch.yaml").write_text(to_yaml(lunch("{payable_minor: 4500000}")))
    fine = run("validate", str(tmp_path))
    slip = lunch("{payable_minor: 4000000}")
    slip.cart.channel = "dinein"
    (tmp_path / "lunch.yaml").write_text(to_yaml(slip))
    told = run("validate", str(tmp_path), "--json", code=1)
    slip.expected.lines.add(line_id="tea")
    (tmp_path / "lunch.yaml").write_text(to_yaml(slip))
    broken = run("validate", str(tmp_path), code=1).stdout

    assert "1 promotions, 1 test carts, 0 errors" in fine.stderr
    found = {each["code"]: each for each in json.loads(told.stdout)["findings"]}
    assert found["test_cart_deviates"]["severity"] == "error"
    assert "payable" in found["test_cart_deviates"]["message"]
    assert found["channel_unknown"]["severity"] == "warning"
    assert to_yaml(slip).splitlines()[found["channel_unknown"]["line"] - 1].strip() == "channel: dinein"
    assert "The cart has no line tea." in broken


def test_a_publication_shows_what_deviates_and_goes_on_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "lunch.yaml").write_text(to_yaml(lunch("{payable_minor: 4500000}")))
    run("test-carts", "apply", str(tmp_path))
    (tmp_path / "lunch.yaml").write_text(to_yaml(percent_off("a", 20)))
    publish = ("publish", str(tmp_path), "--company", "kopi")
    shown = (
        "test cart lunch: IDR 45,000.00 becomes IDR 40,000.00\n"
        "  changes: IDR 5,000.00 less to pay.\n"
        "  changes: a: Before: Applied: IDR 5,000.00 off. After: Applied: IDR 10,000.00 off.\n"
        "  deviates: payable: expected IDR 45,000.00, but 40,000.00\n"
    )

    refused = run(*publish, code=1)
    dry = run(*publish, "--dry-run")
    done = run(*publish, "--accept-deviations", "the new prices", "--json")

    assert refused.stdout == shown
    assert "--accept-deviations REASON" in refused.stderr
    assert shown in dry.stdout
    assert json.loads(done.stdout)["test_carts"][0]["payable_minor"] == "4000000"
    assert run("test-carts", "run", code=1).stdout == (
        "test cart lunch: IDR 40,000.00\n  deviates: payable: expected IDR 45,000.00, but 40,000.00\n"
    )
    assert run("test-carts", "accept", "lunch", "--comment", "so be it").stdout == (
        "test cart lunch is updated, version 2\n"
    )
    assert json.loads(run("test-carts", "run", "--json").stdout)[0]["payable_minor"] == "4000000"


def test_drafts_are_tried_on_test_carts(tmp_path: Path) -> None:
    (tmp_path / "lunch.yaml").write_text(to_yaml(lunch("{payable_minor: 4500000}")))
    run("test-carts", "apply", str(tmp_path))
    (tmp_path / "lunch.yaml").write_text(to_yaml(percent_off("a", 20)))
    run("promotions", "apply", str(tmp_path))

    run("test-carts", "run", "--with", "a", code=1)
    run("test-carts", "run")


def test_guardrails_are_shown_and_set_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "guardrails.yaml").write_text("on_deviation: ON_DEVIATION_WARN\n")
    (tmp_path / "odd.yaml").write_text("on_deviations: ON_DEVIATION_WARN\n")

    assert run("company", "guardrails").stdout == "{}\n"
    assert run("company", "guardrails", str(tmp_path / "guardrails.yaml")).stdout == (
        "on_deviation: ON_DEVIATION_WARN\n"
    )
    assert run("company", "guardrails").stdout == "on_deviation: ON_DEVIATION_WARN\n"
    assert "on_deviation" in run("company", "guardrails", str(tmp_path / "odd.yaml"), code=1).stderr


def test_the_analysis_tells_its_findings_with_their_carts(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(to_yaml(percent_off("b", 70)))
    run("promotions", "apply", str(tmp_path))

    assert run("promotions", "analyse").stderr == "1 promotions, 0 findings\n"
    told = run("promotions", "analyse", "b", "--carts").stdout
    assert "b: Of a cart of" in told
    assert "[warning discount_high]" in told
    assert "unit_price_minor:" in told
    lines = run("promotions", "analyse", "b", "--json").stdout.splitlines()
    codes = [json.loads(line)["diagnostic"]["code"] for line in lines]
    assert codes == ["never_alone", "discount_high"]

    (tmp_path / "guardrails.yaml").write_text("order_discount_max_ppm: 500000\n")
    run("company", "guardrails", str(tmp_path / "guardrails.yaml"))
    assert "[error order_discount_above]" in run("promotions", "analyse", "b", code=1).stdout
    (tmp_path / "guardrails.yaml").unlink()
    assert "[error order_discount_above]" in run("publish", str(tmp_path), "--company", "kopi", code=1).stderr
