"""Reference data: imported whole or not at all, with the row of each fault, and kept for every revision."""

from pathlib import Path

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner

from admin.cli.main import app
from server.audit.service import Audit
from server.definitions.service import Definitions, Publication
from tests.definitions.samples import jakarta_settings, percent_off

STORES = """\
id,name,time_zone,currency_code,region
menteng,Menteng,Asia/Jakarta,IDR,dki-jakarta
ubud,"Ubud, Bali",Asia/Makassar,IDR,bali
"""


@pytest.fixture(autouse=True)
def used_database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands use the test's database."""
    monkeypatch.setenv("DEALWRIGHT_DATABASE_URL", database_url)


def run(*arguments: str, code: int = 0) -> tuple[str, str]:
    done = CliRunner().invoke(app, ["reference", *arguments, "--company", "kopi"])
    assert done.exit_code == code, done.output
    return done.stdout, done.stderr


def write(folder: Path, name: str, content: str) -> str:
    (folder / name).write_text(content)
    return str(folder / name)


def test_stores_come_from_csv_and_are_part_of_the_ruleset(tmp_path: Path, definitions: Definitions) -> None:
    out, _ = run("import", "stores", write(tmp_path, "stores.csv", STORES))

    assert out == "kopi: revision 1, stores 2 written, 0 unchanged, 0 deleted\n"
    stores = {store.id: store for store in definitions.ruleset("kopi").stores}
    assert stores["ubud"].name == "Ubud, Bali"
    assert (stores["ubud"].time_zone, stores["ubud"].region) == ("Asia/Makassar", "bali")


@pytest.mark.parametrize(
    ("kind", "name", "content"),
    [
        ("stores", "stores.csv", STORES),
        ("brands", "brands.json", '[{"id": "kopi-tepi", "name": "Kopi Tepi"}]'),
        ("products", "products.csv", "id,name,category_ids\nlatte,Latte,coffee|hot\ntea,Tea,\n"),
        ("categories", "categories.yaml", "[{id: coffee, parent_id: drinks}, {id: drinks}]"),
        (
            "holiday-calendars",
            "holidays.csv",
            "id,dates\npublic,2026-12-25\npublic,2027-01-01\nschool,2026-12-20|2026-12-21\n",
        ),
    ],
)
def test_what_is_exported_imports_to_the_same(tmp_path: Path, kind: str, name: str, content: str) -> None:
    run("import", kind, write(tmp_path, name, content))
    for suffix, option in ((".csv", []), (".json", ["--json"])):
        exported, _ = run("export", kind, *option)
        out, _ = run("import", kind, write(tmp_path, f"again{suffix}", exported), "--complete")
        assert "revision 1, " in out
        assert " 0 written, " in out
        assert out.endswith(" 0 deleted\n")


@pytest.mark.parametrize(
    ("kind", "content", "finding"),
    [
        (
            "stores",
            "id,time_zone\na,Asia/Jakarta\nb,Mars/Base\n",
            "rows.csv:3: time_zone: Mars/Base is no",
        ),
        (
            "stores",
            "id,time_zone,currency_code\na,UTC,XXZ\n",
            "rows.csv:2: currency_code: XXZ is no",
        ),
        ("stores", "id,time_zone\na,UTC\na,UTC\n", "rows.csv:3: id: a stands in row 1 already"),
        ("stores", "id,zone\na,UTC\n", "rows.csv:1: there is no column zone; known are id, name"),
        ("stores", "id,id\na,b\n", "rows.csv:1: the column id stands twice"),
        ("stores", "name\na\n", "rows.csv:1: the column id is missing"),
        ("brands", "id,name\na\n", "rows.csv:2: has 1 cells instead of 2"),
        ("brands", 'id\n"a\n', "rows.csv:2: is no CSV"),
        ("brands", "id\n../a\n", "rows.csv:2: id: it needs 1 to 64 letters"),
        ("categories", "id,parent_id\na,b\nb,c\n", "there is no category c"),
        ("categories", "id,parent_id\na,b\nb,a\n", "is its own ancestor"),
        ("holiday-calendars", "id,dates\na,2026-02-30\n", "rows.csv:2: dates[0]: 2026-02-30 is no date"),
    ],
)
def test_a_fault_names_its_row_and_nothing_is_imported(
    tmp_path: Path, definitions: Definitions, kind: str, content: str, finding: str
) -> None:
    run("import", "categories", write(tmp_path, "known.csv", "id\ndrinks\n"))

    out, err = run("import", kind, write(tmp_path, "rows.csv", content), code=1)

    assert (out, definitions.head_revision("kopi")) == ("", 1)
    assert finding in err


def test_every_faulty_row_is_named(tmp_path: Path) -> None:
    rows = "id,time_zone\n" + "".join(f"s{number},Mars/{number}\n" for number in range(5))
    _, err = run("import", "stores", write(tmp_path, "rows.csv", rows), code=1)
    assert [line.split(":")[1] for line in err.splitlines()] == ["2", "3", "4", "5", "6"]


def test_rows_that_are_not_given_stay_unless_the_rows_are_complete(
    tmp_path: Path, definitions: Definitions
) -> None:
    run("import", "brands", write(tmp_path, "a.csv", "id\na\nb\n"))
    run("import", "brands", write(tmp_path, "b.csv", "id\nc\n"))
    run("import", "brands", write(tmp_path, "c.csv", "id,name\nc,Sea\n"), "--complete")

    brands = [list(definitions.contents("kopi", revision).references["brand"]) for revision in (1, 2, 3)]
    assert brands == [["a", "b"], ["a", "b", "c"], ["c"]]
    assert definitions.contents("kopi").references["brand"]["c"] == {"id": "c", "name": "Sea"}


def test_a_dry_run_tells_and_changes_nothing(tmp_path: Path, definitions: Definitions) -> None:
    out, _ = run("import", "stores", write(tmp_path, "stores.csv", STORES), "--dry-run")

    assert out.splitlines()[:2] == ["store menteng is added", "store ubud is added"]
    assert definitions.companies() == []


def test_an_import_keeps_the_past_and_stands_in_the_audit_log(
    tmp_path: Path, definitions: Definitions, database: Engine
) -> None:
    definitions.publish("kopi", Publication([percent_off("a", 10)], settings=jakarta_settings()))
    run("import", "stores", write(tmp_path, "stores.csv", STORES), "--comment", "Bali opens")

    assert [store.id for store in definitions.ruleset("kopi", 1).stores] == ["menteng"]
    assert [store.id for store in definitions.ruleset("kopi", 2).stores] == ["menteng", "ubud"]
    assert definitions.ruleset("kopi").promotions == definitions.ruleset("kopi", 1).promotions
    newest = Audit(database).entries("kopi", 1)[0]
    assert (newest.subject, newest.subject_id, newest.comment) == ("store", "ubud", "Bali opens")
    assert definitions.revisions("kopi")[0].action == "import"
