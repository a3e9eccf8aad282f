"""The command as a whole: help, versions, doctor, demo, and what is written where."""

import json
import os
import subprocess
import sys
from pathlib import Path

import dealwright_engine
import pytest
from typer.testing import CliRunner

from admin.cli.main import COMMANDS, app
from server.documents.money import amount

pytestmark = pytest.mark.process

CARTS = Path(__file__).parents[2] / "examples" / "demo" / "carts"
DEALWRIGHT = Path(sys.executable).with_name("dealwright")


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The installed command, as a process of its own with pipes."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DEALWRIGHT_")}
    return subprocess.run(
        [DEALWRIGHT, *arguments],
        env={**kept, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("command", [[], *([command] for command in COMMANDS)])
def test_every_help_documents_the_exit_codes(command: list[str]) -> None:
    done = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "200"})

    assert done.exit_code == 0
    assert (
        "0 fine; 1 the input has findings; 2 wrong usage or settings; 3 something else failed" in done.stdout
    )


def test_help_lists_every_command() -> None:
    done = CliRunner().invoke(app, ["--help"])

    assert all(command in done.stdout for command in COMMANDS)


@pytest.mark.parametrize("arguments", [["invented"], ["version", "--invented"], []])
def test_wrong_usage_ends_with_two(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, arguments).exit_code == 2


def test_version_names_the_engine() -> None:
    done = run("version", "--json")

    assert json.loads(done.stdout)["engine"] == dealwright_engine.VERSION
    assert json.loads(done.stdout)["rule_language"] == dealwright_engine.RULE_LANGUAGE
    assert done.stderr == ""


def test_doctor_is_satisfied_with_this_machine(tmp_path: Path) -> None:
    done = run("doctor", "--json", DEALWRIGHT_DATA_DIR=str(tmp_path / "data"))

    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    assert set(checks) == {"python", "engine", "settings", "database", "grpc port", "metrics port", "disk"}
    assert not (tmp_path / "data").exists()


def test_doctor_names_what_is_broken() -> None:
    done = run("doctor", DEALWRIGHT_DATABASE_URL="postgresql://kopi:hunter2@127.0.0.1:1/dealwright")

    assert done.returncode == 3
    assert "BROKEN database: " in done.stdout
    assert "hunter2" not in done.stdout + done.stderr


def test_doctor_notices_wrong_and_unknown_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEALWRIGHT_DATABASE_URL", "garbage")
    monkeypatch.setenv("DEALWRIGHT_COMPANI", "kopi")

    done = CliRunner().invoke(app, ["doctor"])

    assert done.exit_code == 3
    assert "BROKEN database: DEALWRIGHT_DATABASE_URL: it is no URL" in done.stdout
    assert "note   settings: DEALWRIGHT_COMPANI is no setting; did you mean" in done.stdout


def test_the_receipt_has_no_colours_in_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "cart.json").write_text(
        '{"currency_code": "JPY", "lines": [{"id": "a", "quantity": 1, "unit_price_minor": 5}]}'
    )
    (tmp_path / "none.json").write_text("[]")
    done = run(
        "evaluate", "-p", str(tmp_path / "none.json"), "-c", str(tmp_path / "cart.json"), FORCE_COLOR="1"
    )

    assert done.returncode == 0
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (2_500_000, "IDR", "25,000.00"),
        (-5, "USD", "-0.05"),
        (0, "USD", "0.00"),
        (1_234_567, "JPY", "1,234,567"),
        (1_234, "KWD", "1.234"),
        (-(2**63), "IDR", "-92,233,720,368,547,758.08"),
    ],
)
def test_amounts_are_written_with_the_currencys_decimals(minor: int, currency: str, text: str) -> None:
    assert amount(minor, currency) == text


@pytest.mark.database
def test_demo_prices_its_carts_and_ends_by_itself(data_dir: Path) -> None:
    listening = ("GRPC", "METRICS", "ADMIN")
    ports = {f"DEALWRIGHT_{name}_ADDRESS": "127.0.0.1:0" for name in listening}
    done = run("demo", "--json", DEALWRIGHT_DATA_DIR=str(data_dir), **ports)

    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert [result["cart_id"] for result in results] == sorted(path.stem for path in CARTS.iterdir())
    assert sum("applications" in result for result in results) >= 10
    assert all(result["revision"] == "1" for result in results)
    assert "The server ends now. With `dealwright demo --stay` it goes on" in done.stderr
    assert "grpcurl -plaintext 127.0.0.1:" in done.stderr
    assert not (data_dir / "postgres" / "postmaster.pid").exists()
