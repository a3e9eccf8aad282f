"""Codes in files: imported line by line, exported for spreadsheets, and printed."""

import csv
import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from server.runtime.errors import Invalid
from server.vouchers import exporting
from server.vouchers.batches import BatchSpec, Code
from server.vouchers.exporting import plain, write_csv, write_xlsx
from server.vouchers.importing import ERRORS_MAX, GivenRow, rows_of_csv
from server.vouchers.printing import qr_png, qr_svg, write_sheet
from server.vouchers.service import Vouchers
from tests.vouchers.conftest import SPRING
from tests.vouchers.test_batches import BEN, make, texts


def rows(*lines: str) -> list[GivenRow]:
    return list(rows_of_csv(lines))


def test_codes_of_others_are_found_and_have_their_own_terms(vouchers: Vouchers) -> None:
    batch, report = vouchers.import_codes(
        BEN,
        BatchSpec(SPRING, max_uses=7),
        rows(
            "code,customer_id,max_uses,end_time",
            "HARVEST-0001,,,",
            "harvest-0002,ann,3,2027-05-01T00:00:00+07:00",
        ),
    )

    assert batch is not None
    assert (batch.origin, batch.made, report.imported, report.errors) == ("imported", 2, 2, [])
    (first,) = vouchers.look_up(BEN, code="harvest 0OO1")
    (second,) = vouchers.look_up(BEN, customer_id="ann", last_four="0002")
    assert (first.customer_id, first.max_uses, first.end_time) == (None, 7, None)
    assert (second.max_uses, second.end_time) == (3, datetime(2027, 4, 30, 17, tzinfo=UTC))


@pytest.mark.parametrize(
    ("line", "field", "reason"),
    [
        ("ABC12", "code", "CODE_LENGTH"),
        (",,", "code", "CODE_LENGTH"),
        ("A" * 65, "code", "CODE_LENGTH"),
        ("GOOD-CODE", "code", "CODE_TAKEN"),
        ("g00dc0de", "code", "CODE_TAKEN"),
        ("OTHER-CODE,,none", "max_uses", "NO_NUMBER"),
        ("OTHER-CODE,,-1", "max_uses", "OUT_OF_RANGE"),
        ("OTHER-CODE,,1,tomorrow", "end_time", "NO_TIME"),
        ("OTHER-CODE,,1,2027-05-01T00:00:00", "end_time", "NO_TIME"),
        ("OTHER-CODE," + "x" * 201, "customer_ids", "OUT_OF_RANGE"),
    ],
)
def test_what_is_wrong_with_a_line_is_named_and_nothing_is_imported(
    vouchers: Vouchers, database: Engine, line: str, field: str, reason: str
) -> None:
    given = rows("code,customer_id,max_uses,end_time", "GOOD-CODE", line)
    batch, report = vouchers.import_codes(BEN, BatchSpec(SPRING), given)

    assert batch is None
    assert (report.imported, report.refused) == (0, 1)
    assert [(error.line, error.field, error.reason) for error in report.errors] == [(3, field, reason)]
    with database.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM voucher")) == 0
        assert connection.scalar(text("SELECT count(*) FROM voucher_batch")) == 0


def test_the_right_lines_alone_can_be_imported(vouchers: Vouchers) -> None:
    given = rows("code", "GOOD-CODE", "BAD", "good code", "BETTER-CODE")
    batch, report = vouchers.import_codes(BEN, BatchSpec(SPRING), given, partial=True)

    assert batch is not None
    assert (batch.made, report.imported, report.refused) == (2, 2, 2)
    assert [error.line for error in report.errors] == [3, 4]


def test_a_code_that_is_there_already_is_not_imported(vouchers: Vouchers) -> None:
    (code,) = texts(vouchers, make(vouchers, quantity=1).id)
    _, report = vouchers.import_codes(BEN, BatchSpec(SPRING), [GivenRow(9, code.lower())])

    assert [(error.line, error.reason) for error in report.errors] == [(9, "CODE_TAKEN")]


def test_of_many_faults_the_first_are_told(vouchers: Vouchers) -> None:
    given = (GivenRow(line, "x") for line in range(ERRORS_MAX + 5))
    _, report = vouchers.import_codes(BEN, BatchSpec(SPRING), given)

    assert (len(report.errors), report.refused) == (ERRORS_MAX, ERRORS_MAX + 5)


@pytest.mark.parametrize("lines", [["voucher", "GOOD-CODE"], ["code,uses", "GOOD-CODE,1"], []])
def test_a_file_names_its_columns(lines: list[str]) -> None:
    with pytest.raises(Invalid) as refused:
        rows(*lines)
    assert refused.value.reason == "HEADER_INVALID"


def test_a_batch_is_exported_as_csv(vouchers: Vouchers) -> None:
    batch = make(vouchers, customer_ids=("ann", "=cmd()"), prefix="MAY")
    written = io.StringIO()
    count = write_csv(*vouchers.export(BEN, batch.id), written)
    first, second = csv.DictReader(io.StringIO(written.getvalue()))

    assert count == 2
    assert first["code"].startswith("MAY-")
    assert (first["customer_id"], second["customer_id"]) == ("ann", "'=cmd()")
    assert (first["promotion_id"], first["max_uses"], first["end_time"]) == (SPRING, "1", "")


@pytest.mark.parametrize("formula", ["=1", "+1", "-1", "@a", "\ta", "\ra"])
def test_no_cell_is_a_formula(formula: str) -> None:
    assert plain(formula) == f"'{formula}"
    assert plain("A-1") == "A-1"


def test_a_batch_is_exported_as_xlsx_over_several_sheets(
    vouchers: Vouchers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "SHEET_ROWS_MAX", 2)
    batch = make(vouchers, quantity=5)
    file = tmp_path / "codes.xlsx"
    count = write_xlsx(*vouchers.export(BEN, batch.id), file)

    assert count == 5
    with zipfile.ZipFile(file) as workbook:
        sheets = [name for name in workbook.namelist() if name.startswith("xl/worksheets/sheet")]
        content = "".join(workbook.read(name).decode() for name in sheets)
    assert len(sheets) == 3
    assert all(content.count(code) == 1 for code in texts(vouchers, batch.id))
    assert content.count(">promotion_id<") == 3
    assert "<f>" not in content


def test_a_symbol_is_drawn_as_svg_and_png() -> None:
    assert qr_svg("MAY-K7RM2QX9TB4H-8F").lstrip().startswith(b"<?xml")
    assert qr_png("MAY-K7RM2QX9TB4H-8F").startswith(b"\x89PNG")


def test_a_sheet_has_a_card_for_each_code_and_nothing_that_runs() -> None:
    sheet: Any = io.StringIO()
    codes = [Code("MAY-K7RM2QX9TB4H-8F", None), Code("MAY-22RM2QX9TB4H-9G", None)]
    count = write_sheet("<script>Spring</script>", codes, sheet, "https://kopi.example/v?c={code}")
    page = sheet.getvalue()

    assert count == 2
    assert page.count("<svg") == 2
    assert all(f"<code>{code.text}</code>" in page for code in codes)
    assert "<script>" not in page
