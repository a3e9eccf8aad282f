"""dealwright keys and dealwright bundle: from a root key on a stick to a bundle that a till takes."""

import json
from pathlib import Path

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from admin.cli.main import app
from server.definitions.service import Definitions, Publication
from tests.definitions.samples import percent_off


@pytest.fixture(autouse=True)
def folder(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Commands use the test's database, and keys of their own."""
    monkeypatch.setenv("DEALWRIGHT_DATABASE_URL", database_url)
    monkeypatch.setenv("DEALWRIGHT_KEYS_DIR", str(tmp_path / "online"))
    return tmp_path


def run(*arguments: object, code: int = 0) -> Result:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output
    return done


def test_keys_are_made_shown_and_rotated_with_the_root_key_elsewhere(folder: Path) -> None:
    stick = folder / "stick"
    made = run("keys", "create", "--root", stick)
    assert run("keys", "show").stdout == made.stdout
    assert len(bytes.fromhex(made.stdout)) == 32
    assert sorted(path.name for path in (folder / "online").iterdir()) == [
        "keys.list",
        "online.key",
        "root.pub",
    ]
    assert "exists" in run("keys", "create", "--root", stick, code=2).stderr
    assert "root.key is missing" in run("keys", "rotate", code=2).stderr
    version, listed = run("keys", "rotate", "--root", stick).stdout.strip().split(": ")
    assert (version, len(listed.split(", "))) == ("version 2", 2)
    version, listed = run("keys", "rotate", "--root", stick, "--stolen").stdout.strip().split(": ")
    assert (version, len(listed.split(", "))) == ("version 3", 1)


def test_a_bundle_is_written_and_checked_as_a_till_does(
    database: Engine, definitions: Definitions, folder: Path
) -> None:
    there = percent_off("there", 10)
    there.targeting.store_ids.include.append("ubud")
    definitions.publish("kopi", Publication([percent_off("ten", 10), there]))
    run("keys", "create")
    file = folder / "menteng.bundle"
    assert run("bundle", "export", file, "--store", "menteng").stderr.endswith(" bytes\n")
    told = json.loads(run("bundle", "verify", file, "--store", "menteng", "--json").stdout)
    assert {name: told[name] for name in ("company", "scope", "revision", "promotions")} == {
        "company": "kopi",
        "scope": "menteng",
        "revision": 1,
        "promotions": 1,
    }
    assert "revision    1" in run("bundle", "verify", file).stdout
    assert "FOREIGN" in run("bundle", "verify", file, "--store", "ubud", code=1).stderr
    assert "SIGNATURE" in run("bundle", "verify", file, "--root-key", "00" * 32, code=1).stderr
    assert "64 hexadecimal digits" in run("bundle", "verify", file, "--root-key", "zz", code=2).stderr
    file.write_bytes(file.read_bytes()[:-1])
    assert "is refused: " in run("bundle", "verify", file, code=1).stderr


def test_what_is_missing_is_said_in_a_sentence(
    database: Engine, definitions: Definitions, folder: Path
) -> None:
    export = ("bundle", "export", folder / "file", "--company", "kopi")
    assert "root.pub is missing" in run(*export, code=2).stderr
    run("keys", "create")
    assert run(*export, code=1).stderr == "nothing is published for kopi\n"
    assert not (folder / "file").exists()
    assert "can't be read: No such file" in run("bundle", "verify", folder / "nothing", code=3).stderr
    definitions.publish("kopi", Publication([percent_off("ten", 10)]))
    lost = folder / "no" / "file"
    assert "can't be written: No such file" in run("bundle", "export", lost, code=3).stderr
