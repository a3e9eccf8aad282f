"""dealwright validate and publish: findings at their place, and one revision for all files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner

from admin.cli.main import app
from server.definitions.service import Definitions
from server.documents import to_json
from tests.definitions.samples import percent_off

BROKEN = """\
id: broken
rule_language: 1
name: [{language: en, text: Too much}]
percent_discount:
  phase: PHASE_ITEM
  percent_off_ppm: 1000001
"""


ODD = """\
id: odd
rule_language: 1
name: [{language: en, text: Ten percent}]
targeting:
  store_ids: {include: [sudriman]}
percent_discount:
  phase: PHASE_ITEM
  percent_off_ppm: 10
"""
SETTINGS = "company_id: kopi\nstores: [{id: sudirman, time_zone: Asia/Jakarta}]"


def test_a_good_file_has_nothing_to_say(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(to_json(percent_off("good", 10)))

    done = CliRunner().invoke(app, ["validate", str(tmp_path)])

    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "1 promotions, 0 errors, 0 warnings\n"


def test_findings_name_file_line_field_and_code(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text(BROKEN)

    text = CliRunner().invoke(app, ["validate", str(tmp_path)])
    value = CliRunner().invoke(app, ["validate", str(tmp_path), "--json"])

    assert text.exit_code == value.exit_code == 1
    assert "broken.yaml:6: percent_discount.percent_off_ppm: " in text.stdout
    (finding,) = json.loads(value.stdout)["findings"]
    assert finding["field"] == "percent_discount.percent_off_ppm"
    assert (finding["line"], finding["severity"], finding["promotion_id"]) == (6, "error", "broken")
    assert f"[error {finding['code']}]" in text.stdout


def test_every_file_is_read_even_after_a_bad_one(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("id: a\ncolour: red")
    (tmp_path / "b.yaml").write_text("id: [")

    done = CliRunner().invoke(app, ["validate", str(tmp_path), "--json"])

    files = [Path(finding["file"]).name for finding in json.loads(done.stdout)["findings"]]
    assert (done.exit_code, files) == (1, ["a.yaml", "b.yaml"])


@pytest.mark.parametrize("folder", [False, True])
def test_a_named_pipe_is_refused_instead_of_waited_for(tmp_path: Path, folder: bool) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")

    done = CliRunner().invoke(app, ["validate", str(tmp_path if folder else tmp_path / "pipe.yaml")])

    assert done.exit_code == 1
    assert "pipe.yaml: is a named pipe" in done.stdout


@pytest.mark.process
@pytest.mark.parametrize("place", ["-", "/dev/stdin"])
def test_standard_input_is_read_by_either_name(place: str) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("dealwright"), "validate", place],
        input=to_json(percent_off("good", 10)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "1 promotions, 0 errors, 0 warnings\n")


def test_a_ruleset_fault_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "company.yaml").write_text("company_id: kopi\npolicy: {time_zone: Mars/Base}")

    done = CliRunner().invoke(app, ["validate", str(tmp_path), "--json"])

    assert done.exit_code == 1
    assert [finding["field"] for finding in json.loads(done.stdout)["findings"]] == ["policy.time_zone"]


def test_warnings_are_told_and_stop_nothing(tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").write_text(ODD)

    done = CliRunner().invoke(app, ["validate", str(tmp_path)])

    assert done.exit_code == 0
    assert "odd.yaml:8: percent_discount.percent_off_ppm: " in done.stdout
    assert "[warning share_tiny]" in done.stdout
    assert done.stderr == "1 promotions, 0 errors, 1 warnings\n"


def test_with_the_settings_promotions_are_seen_beside_the_company(tmp_path: Path) -> None:
    (tmp_path / "company.yaml").write_text(SETTINGS)
    (tmp_path / "odd.yaml").write_text(ODD)
    (tmp_path / "broken.yaml").write_text(BROKEN)

    done = CliRunner().invoke(app, ["validate", str(tmp_path), "--json"])

    found = [(finding["promotion_id"], finding["code"]) for finding in json.loads(done.stdout)["findings"]]
    assert done.exit_code == 1
    assert found == [("broken", "out_of_range"), ("odd", "share_tiny"), ("odd", "store_unknown")]


@pytest.fixture
def used_database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands use the test's database."""
    monkeypatch.setenv("DEALWRIGHT_DATABASE_URL", database_url)


@pytest.mark.usefixtures("used_database")
def test_publish_makes_one_revision_of_all_files(tmp_path: Path, database: Engine) -> None:
    (tmp_path / "company.yaml").write_text("company_id: kopi")
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(to_json(percent_off(name, 10)))

    first = CliRunner().invoke(app, ["publish", str(tmp_path), "--json"])
    again = CliRunner().invoke(app, ["publish", str(tmp_path)])
    (tmp_path / "b.yaml").unlink()
    complete = CliRunner().invoke(app, ["publish", str(tmp_path), "--complete", "--json"])

    assert json.loads(first.stdout) == {
        "company_id": "kopi",
        "revision": 1,
        "changed": True,
        "written": ["a", "b"],
        "unchanged": [],
        "deleted": [],
        "paused": [],
        "settings_changed": True,
        "test_carts": [],
    }
    assert again.stdout == "kopi: nothing changed, revision 1 stays\n"
    assert json.loads(complete.stdout)["deleted"] == ["b"]
    assert Definitions(database).head_revision("kopi") == 2


@pytest.mark.usefixtures("used_database")
def test_publish_refuses_everything_when_one_is_broken(tmp_path: Path, database: Engine) -> None:
    (tmp_path / "a.yaml").write_text(to_json(percent_off("a", 10)))
    (tmp_path / "broken.yaml").write_text(BROKEN)

    done = CliRunner().invoke(app, ["publish", str(tmp_path), "--company", "kopi"])

    assert (done.exit_code, done.stdout) == (1, "")
    assert "broken.yaml:6: percent_discount.percent_off_ppm" in done.stderr
    assert Definitions(database).companies() == []


@pytest.mark.usefixtures("used_database")
@pytest.mark.parametrize("company", ["k" * 65, "kopi kita", "kopi\x1b[31m"])
def test_publish_refuses_what_no_company_is_called(
    tmp_path: Path, company: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "a.yaml").write_text(to_json(percent_off("a", 10)))
    option = CliRunner().invoke(app, ["publish", str(tmp_path), "--company", company])
    (tmp_path / "company.json").write_text(json.dumps({"company_id": company}))
    file = CliRunner().invoke(app, ["publish", str(tmp_path)])

    assert (option.exit_code, file.exit_code) == (2, 1)
    assert "--company" in option.stderr
    assert "company_id: " in file.stderr
    assert "1 to 64 letters" in option.stderr
    assert "1 to 64 letters" in file.stderr


@pytest.mark.usefixtures("used_database")
def test_publish_needs_a_company(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(to_json(percent_off("a", 10)))

    assert CliRunner().invoke(app, ["publish", str(tmp_path)]).exit_code == 2


@pytest.mark.usefixtures("used_database")
def test_deleting_needs_no_file(tmp_path: Path, database: Engine) -> None:
    (tmp_path / "a.yaml").write_text(to_json(percent_off("a", 10)))
    CliRunner().invoke(app, ["publish", str(tmp_path), "--company", "kopi"])

    unknown = CliRunner().invoke(app, ["publish", "--delete", "b", "--company", "kopi"])
    dry = CliRunner().invoke(app, ["publish", "--delete", "a", "--company", "kopi", "--dry-run"])
    done = CliRunner().invoke(app, ["publish", "--delete", "a", "--company", "kopi"])

    assert (unknown.exit_code, unknown.stdout) == (1, "")
    assert "there is no promotion b [error promotion_unknown]" in unknown.stderr
    assert dry.stdout.splitlines()[0] == "promotion a is removed"
    assert done.stdout.startswith("kopi: revision 2, promotions 0 written, 0 unchanged, 1 deleted")
    assert Definitions(database).head_revision("kopi") == 2


@pytest.mark.usefixtures("used_database")
def test_publish_refuses_the_document_of_another_company(tmp_path: Path, database: Engine) -> None:
    (tmp_path / "company.yaml").write_text("company_id: roti")

    done = CliRunner().invoke(app, ["publish", str(tmp_path), "--company", "kopi"])

    assert (done.exit_code, done.stdout) == (1, "")
    assert "the document is that of roti, and is to be published for kopi" in done.stderr
    assert Definitions(database).companies() == []


def test_publish_needs_something_to_do() -> None:
    assert CliRunner().invoke(app, ["publish", "--company", "kopi"]).exit_code == 2


@pytest.mark.usefixtures("used_database")
def test_what_is_published_in_spite_of_warnings_is_told(tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").write_text(ODD)

    done = CliRunner().invoke(app, ["publish", "--company", "kopi", str(tmp_path)])

    assert (done.exit_code, done.stdout.startswith("kopi: revision 1")) == (0, True)
    assert "odd.yaml:8: percent_discount.percent_off_ppm: " in done.stderr
    assert "[warning share_tiny]" in done.stderr
