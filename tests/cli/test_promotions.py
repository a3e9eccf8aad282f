"""dealwright promotions: files to drafts, review, publication and back to the same files."""

import json
from pathlib import Path

import pytest
from dealwright.v1.diagnostic_pb2 import Severity
from dealwright.v1.promotion_pb2 import Promotion
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from admin.cli.main import app
from server.actors import Role
from server.definitions.service import Definitions
from server.definitions.validation import validate
from server.documents import parse_definitions, parse_yaml, read_definitions, to_yaml
from tests.access.calls import token_for
from tests.definitions.samples import percent_off
from tests.engine.messages import changed

EXAMPLES = Path(__file__).parents[2] / "examples"
PROMOTIONS = read_definitions([EXAMPLES / "promotions", EXAMPLES / "demo" / "promotions"]).promotions


@pytest.fixture
def used_database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands use the test's database."""
    monkeypatch.setenv("DEALWRIGHT_DATABASE_URL", database_url)
    monkeypatch.setenv("DEALWRIGHT_COMPANY", "kopi")


def run(*arguments: str, code: int = 0, token: str = "") -> Result:
    done = CliRunner().invoke(app, ["promotions", *arguments], env={"DEALWRIGHT_TOKEN": token})
    assert done.exit_code == code, done.output
    return done


def read_back(text: str) -> Promotion:
    (item,) = parse_definitions(parse_yaml(text, "exported")).items
    return item.promotion


@pytest.mark.parametrize("promotion", PROMOTIONS, ids=lambda promotion: promotion.id)
def test_an_example_is_read_back_from_its_yaml(promotion: Promotion) -> None:
    assert read_back(to_yaml(promotion)) == promotion


# Most changed definitions are refused, and the first takes long to draw.
@settings(suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(st.sampled_from(PROMOTIONS).flatmap(changed))
def test_every_definition_is_read_back_from_its_yaml(promotion: Promotion) -> None:
    assume(all(found.severity != Severity.SEVERITY_ERROR for found in validate(promotion)))
    assume("\0" not in str(promotion) and "\\000" not in str(promotion))
    assert read_back(to_yaml(promotion)) == promotion


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
@example("no")
@example("1e3")
@example("0x1F")
@example("22:00")
@example("2026-11-21")
@example("~")
@example("")
@example(" a")
@example("a: b #c")
@example("\u0085\u2028\ufeff")
@example("- a")
@example("x" * 300 + " y" * 100)
@example("line\n\n  other\r\n")
@example("=")
@example("<<")
@example("!tag")
@example("\U0001f600\x7f\x1b")
def test_every_text_is_read_back_from_its_yaml(text: str) -> None:
    promotion = percent_off("a", 10)
    promotion.name[0].text = text
    assert read_back(to_yaml(promotion)) == promotion


@pytest.mark.usefixtures("used_database")
def test_what_is_exported_applies_to_the_same(tmp_path: Path, definitions: Definitions) -> None:
    run("apply", str(EXAMPLES / "promotions"))
    run("export", "--to", str(tmp_path / "files"))
    (tmp_path / "list.yaml").write_text(run("export").stdout)

    for path in ("files", "list.yaml"):
        again = run("apply", str(tmp_path / path), "--prune")
        assert again.stdout == ""
        assert again.stderr == "0 created, 0 updated, 13 unchanged\n"
    written = {promotion.id: promotion for promotion in read_definitions([tmp_path / "files"]).promotions}
    given_ = {promotion.id: promotion for promotion in read_definitions([EXAMPLES / "promotions"]).promotions}
    assert written == given_


@pytest.mark.usefixtures("used_database")
def test_people_with_tokens_bring_a_promotion_into_force(
    tmp_path: Path, database: Engine, definitions: Definitions
) -> None:
    ann = token_for(database, "ann", Role.AUTHOR)
    ben = token_for(database, "ben", Role.APPROVER)
    cara = token_for(database, "cara", Role.PUBLISHER)
    (tmp_path / "ten.yaml").write_text(to_yaml(percent_off("ten", 10)))
    pruned = run("apply", str(tmp_path / "ten.yaml"), "--prune", code=1, token=ann)
    assert "ArchivePromotions is for admin or publisher" in pruned.stderr

    run("create", str(tmp_path / "ten.yaml"), "--comment", "for the weekend", token=ann)
    again = run("create", str(tmp_path / "ten.yaml"), code=1, token=ann)
    assert "there is a promotion ten already" in again.stderr
    run("submit", "ten", token=ann)
    assert "ApprovePromotions is for admin or approver" in run("approve", "ten", code=1, token=ann).stderr
    run("approve", "ten", token=ben)
    dry = run("publish", "ten", "--dry-run", token=cara)
    assert dry.stdout == "promotion ten is added\nkopi: revision 1\n"
    assert definitions.head_revision("kopi") == 0
    run("publish", "ten", "--comment", "go", token=cara)

    assert run("list", token=cara).stdout.split() == ["ten", "active", "10", "%", "off"]
    shown = run("show", "ten", token=cara).stdout
    assert shown.startswith("# active; version 1 by ann at ")
    assert "# for the weekend\n" in shown
    assert read_back(shown) == percent_off("ten", 10)
    told = [line.split(" ", 1)[1] for line in run("history", "ten", token=cara).stdout.splitlines()]
    assert told == [
        "ann: create as version 1: for the weekend",
        "ann: submit",
        "ben: approve",
        "cara: publish, revision 1: go",
    ]
    assert [promotion.id for promotion in definitions.ruleset("kopi").promotions] == ["ten"]


@pytest.mark.usefixtures("used_database")
def test_nobody_approves_their_own_work_at_the_command_either(tmp_path: Path) -> None:
    (tmp_path / "ten.yaml").write_text(to_yaml(percent_off("ten", 10)))
    run("create", str(tmp_path / "ten.yaml"))
    run("submit", "ten")
    assert "can't approve it; somebody else has to" in run("approve", "ten", code=1).stderr
    allowed = CliRunner().invoke(app, ["company", "self-approval", "allow"])
    assert allowed.stdout == "kopi: people may approve their own work\n"
    run("approve", "ten")


@pytest.mark.usefixtures("used_database")
def test_diff_and_apply_say_in_words_what_changes(tmp_path: Path, definitions: Definitions) -> None:
    for promotion_id in ("a", "b"):
        (tmp_path / f"{promotion_id}.yaml").write_text(to_yaml(percent_off(promotion_id, 10)))
    published = CliRunner().invoke(app, ["publish", str(tmp_path), "--company", "kopi"])
    assert published.exit_code == 0
    (tmp_path / "a.yaml").write_text(to_yaml(percent_off("a", 25)))
    words = [
        "promotion a: name (en): 10 % off becomes 25 % off",
        "promotion a: percent discount, percent off: 10 % becomes 25 %",
    ]

    assert run("diff", str(tmp_path)).stdout.splitlines() == words
    dry = run("apply", str(tmp_path), "--dry-run")
    assert dry.stdout.splitlines() == words
    assert dry.stderr == "Would be: 0 created, 1 updated, 1 unchanged\n"
    run("apply", str(tmp_path))
    assert run("diff", str(tmp_path)).stderr == "Nothing differs.\n"
    assert run("list").stdout.splitlines()[0].split("  ")[0] == "a"
    assert "active, version 2 draft" in run("list").stdout
    assert run("list", "--review", "draft").stdout.split()[0] == "a"
    CliRunner().invoke(app, ["publish", str(tmp_path), "--company", "kopi"])
    assert run("diff", "--from", "1").stdout.splitlines() == words
    back = json.loads(run("rollback", "1", "--json").stdout)
    assert back["revision"] == 3
    assert run("diff", "--from", "1", "--to", "3").stderr == "Nothing differs.\n"
    run("diff", code=2)


@pytest.mark.usefixtures("used_database")
def test_pruning_archives_what_the_files_lack_and_never_what_is_active(tmp_path: Path) -> None:
    for promotion_id in ("a", "b"):
        (tmp_path / f"{promotion_id}.yaml").write_text(to_yaml(percent_off(promotion_id, 10)))
    run("apply", str(tmp_path))
    (tmp_path / "b.yaml").unlink()

    assert run("apply", str(tmp_path), "--prune").stdout == "promotion b is archived\n"
    assert run("list", "--state", "archived").stdout.split()[0] == "b"
    published = CliRunner().invoke(app, ["publish", str(tmp_path), "--company", "kopi"])
    assert published.exit_code == 0
    (tmp_path / "a.yaml").rename(tmp_path / "c.yaml")
    (tmp_path / "c.yaml").write_text(to_yaml(percent_off("c", 10)))
    refused = run("apply", str(tmp_path), "--prune", code=1)
    assert "a is active; to archive it, it has to be" in refused.stderr
    assert "c " not in run("list").stdout


@pytest.mark.usefixtures("used_database")
def test_import_takes_new_ones_in_and_replaces_only_when_told(
    tmp_path: Path, definitions: Definitions
) -> None:
    (tmp_path / "all.yaml").write_text(to_yaml([percent_off("a", 10), percent_off("b", 10)]))
    run("import", str(tmp_path / "all.yaml"))
    (tmp_path / "all.yaml").write_text(to_yaml([percent_off("a", 20), percent_off("c", 10)]))
    refused = run("import", str(tmp_path / "all.yaml"), code=1)
    assert "there is a promotion a already" in refused.stderr
    replaced = run("import", str(tmp_path / "all.yaml"), "--replace")
    assert replaced.stderr == "1 created, 1 updated, 0 unchanged\n"


@pytest.mark.usefixtures("used_database")
def test_findings_have_their_place_and_a_wrong_token_gets_nowhere(tmp_path: Path) -> None:
    bad = to_yaml(percent_off("a", 10)).replace("100000", "1000001")
    (tmp_path / "bad.yaml").write_text(bad)
    line = next(number for number, text in enumerate(bad.splitlines(), start=1) if "1000001" in text)
    for command in ("validate", "create", "apply", "import"):
        refused = run(command, str(tmp_path / "bad.yaml"), code=1)
        assert f"bad.yaml:{line}: percent_discount.percent_off_ppm" in refused.output
    (tmp_path / "torn.yaml").write_text("id: [")
    assert "torn.yaml" in run("apply", str(tmp_path / "torn.yaml"), code=1).stderr
    assert "unknown, expired or revoked" in run("list", code=1, token="dw_x_y").stderr
    assert "there is no promotion none" in run("show", "none", code=1).stderr
