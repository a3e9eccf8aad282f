"""dealwright voucher, as publishers use it."""

import csv
import io
import json
from pathlib import Path

import pytest

from tests.operations.processes import finished

SPRING = """
id: spring
rule_language: 1
name: [{language: en, text: "20 % off"}]
trigger: {voucher: {}}
percent_discount: {phase: PHASE_ITEM, percent_off_ppm: 200000}
"""


@pytest.mark.process
def test_codes_are_made_exported_printed_found_and_disabled(database_url: str, tmp_path: Path) -> None:
    def run(*arguments: str, code: int = 0) -> str:
        done = finished(*arguments, DEALWRIGHT_DATABASE_URL=database_url, DEALWRIGHT_DATA_DIR=str(tmp_path))
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout if code == 0 else done.stderr

    definition, sheet = tmp_path / "spring.yaml", tmp_path / "sheet.html"
    definition.write_text(SPRING)
    run("publish", str(definition), "--company", "kopi")
    batch = json.loads(run("voucher", "generate", "spring", "3", "--prefix", "may", "--json"))
    codes = [row["code"] for row in csv.DictReader(io.StringIO(run("voucher", "export", batch["id"])))]
    run("voucher", "sheet", batch["id"], "-o", str(sheet), "--skip", "1")
    run("voucher", "disable", codes[0].lower())
    found = run("voucher", "show", codes[0])
    run("voucher", "seal", batch["id"])

    assert len(codes) == 3
    assert codes[0] not in sheet.read_text()
    assert codes[2] in sheet.read_text()
    assert "disabled" in found
    assert codes[0][:-3] not in found
    assert "is sealed" in run("voucher", "export", batch["id"], code=1)
    assert "1 to 10000000 codes" in run("voucher", "generate", "spring", code=1)


@pytest.mark.process
def test_the_length_of_codes_is_told() -> None:
    done = finished("voucher", "length", "1000000")

    assert "12 letters" in done.stdout
    assert done.stdout.count("enough") == 1
