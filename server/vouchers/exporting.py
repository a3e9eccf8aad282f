"""Codes as CSV and XLSX, written as they are made, so that ten million take no more memory than one."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TextIO

import xlsxwriter

from server.vouchers.batches import Code
from server.vouchers.store.batches import Batch

HEADER = ("code", "promotion_id", "customer_id", "max_uses", "start_time", "end_time")

SHEET_ROWS_MAX = 1_000_000
"""Rows of a sheet; programs refuse more than 1 048 576."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def plain(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def write_csv(batch: Batch, codes: Iterable[Code], file: TextIO) -> int:
    """Writes codes as CSV; returns how many."""
    return _write(batch, codes, csv.writer(file).writerow)


def write_xlsx(batch: Batch, codes: Iterable[Code], path: Path) -> int:
    """Writes codes as XLSX, a further sheet after each million; returns how many."""
    with xlsxwriter.Workbook(path, {"constant_memory": True, "strings_to_formulas": False}) as workbook:
        return _write(batch, codes, _Sheets(workbook).write_row)


class _Sheets:
    """Rows spread over as many sheets as they need, each with the header."""

    def __init__(self, workbook: xlsxwriter.Workbook) -> None:
        self._workbook = workbook
        self._place = SHEET_ROWS_MAX
        self._header: Iterable[str] | None = None

    def write_row(self, row: Iterable[str]) -> None:
        if self._header is None:
            self._header = row
            return
        if self._place == SHEET_ROWS_MAX:
            self._sheet = self._workbook.add_worksheet()
            self._sheet.write_row(0, 0, self._header)
            self._place = 0
        self._place += 1
        self._sheet.write_row(self._place, 0, row)


def _write(batch: Batch, codes: Iterable[Code], write: Callable[[tuple[str, ...]], object]) -> int:
    write(HEADER)
    count = 0
    for row in _rows(batch, codes):
        write(row)
        count += 1
    return count


def _rows(batch: Batch, codes: Iterable[Code]) -> Iterator[tuple[str, ...]]:
    times = [time.isoformat() if time else "" for time in (batch.start_time, batch.end_time)]
    terms = (str(batch.max_uses), *times)
    for code in codes:
        yield (plain(code.text), batch.promotion_id, plain(code.customer_id or ""), *terms)
