"""Importing codes that were made elsewhere: checked line by line, written in one transaction."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from sqlalchemy import Connection

from server.runtime.errors import Invalid
from server.vouchers.batches import CHUNK, require_customers, require_uses
from server.vouchers.code import CODE_CHARS_MAX, Codes, last_four, skeleton
from server.vouchers.store import vouchers as store
from server.vouchers.store.batches import Batch
from server.vouchers.store.vouchers import NewVoucher

CODE_CHARS_MIN = 6
"""Shorter codes are found by anybody who tries a while."""

ERRORS_MAX = 1_000
"""How many faults are told; further ones are counted."""

COLUMNS = ("code", "customer_id", "max_uses", "end_time")
"""The columns of a file; all but the first may be missing."""


@dataclass(frozen=True, slots=True)
class GivenRow:
    """A line of what is to be imported, as it was given."""

    line: int
    code: str
    customer_id: str = ""
    max_uses: int | str | None = None
    """None or empty: as the batch says."""
    end_time: datetime | str | None = None
    """None or empty: as the batch says."""


@dataclass(frozen=True, slots=True)
class RowError:
    """What is wrong with a line."""

    line: int
    field: str
    reason: str
    message: str


@dataclass(slots=True)
class Report:
    """What became of an import."""

    imported: int = 0
    refused: int = 0
    errors: list[RowError] = field(default_factory=list)
    """The first of them."""

    def refuse(self, error: RowError) -> None:
        self.refused += 1
        if len(self.errors) < ERRORS_MAX:
            self.errors.append(error)


def rows_of_csv(lines: Iterable[str]) -> Iterator[GivenRow]:
    """The rows of a CSV file with a header."""
    reader = csv.DictReader(lines, strict=True)
    names = reader.fieldnames or ()
    if "code" not in names:
        raise Invalid(
            "HEADER_INVALID", "the first line names the columns, and one of them is code", field="code"
        )
    unknown = sorted(set(names) - set(COLUMNS))
    if unknown:
        raise Invalid(
            "HEADER_INVALID", f"columns are {', '.join(COLUMNS)}, not {unknown[0]}", field=unknown[0]
        )
    try:
        for row in reader:
            yield GivenRow(reader.line_num, **{name: row.get(name) or "" for name in COLUMNS})
    except csv.Error as error:
        raise Invalid("CSV_INVALID", f"line {reader.line_num} is no CSV: {error}") from error


def import_rows(connection: Connection, codes: Codes, batch: Batch, given: Iterable[GivenRow]) -> Report:
    """Writes the rows that are right into a batch that is locked, and says what is wrong with the others."""
    report = Report()
    rows = iter(given)
    while chunk := list(islice(rows, CHUNK)):
        _import_chunk(connection, codes, batch, chunk, report)
    return report


def _import_chunk(
    connection: Connection, codes: Codes, batch: Batch, chunk: list[GivenRow], report: Report
) -> None:
    right: dict[bytes, tuple[int, NewVoucher]] = {}
    for row in chunk:
        try:
            voucher = _voucher(codes, batch, row)
        except Invalid as error:
            report.refuse(RowError(row.line, error.field, error.reason, str(error)))
            continue
        if voucher.id in right:
            report.refuse(_twice(row.line))
        else:
            right[voucher.id] = (row.line, voucher)
    for voucher_id in store.known(connection, batch.company_id, list(right)):
        report.refuse(_twice(right.pop(voucher_id)[0]))
    store.copy_in(connection, (voucher for _, voucher in right.values()))
    report.imported += len(right)


def _twice(line: int) -> RowError:
    return RowError(line, "code", "CODE_TAKEN", "the code is there already, or one that reads like it")


def _voucher(codes: Codes, batch: Batch, row: GivenRow) -> NewVoucher:
    letters = skeleton(row.code)
    if not CODE_CHARS_MIN <= len(letters) <= CODE_CHARS_MAX:
        raise Invalid(
            "CODE_LENGTH",
            f"a code has {CODE_CHARS_MIN} to {CODE_CHARS_MAX} letters and digits",
            field="code",
        )
    if row.customer_id:
        require_customers([row.customer_id])
    return NewVoucher(
        batch.company_id,
        codes.voucher_id(letters),
        batch.id,
        last_four(letters),
        row.customer_id or None,
        _time(row.end_time),
        _uses(row.max_uses, batch.max_uses),
        tag=None,
    )


def _uses(given: int | str | None, default: int) -> int:
    if given is None or given == "":
        return default
    try:
        uses = int(given)
    except ValueError as error:
        raise Invalid("NO_NUMBER", "max_uses is a whole number", field="max_uses") from error
    require_uses(uses)
    return uses


def _time(given: datetime | str | None) -> datetime | None:
    if not isinstance(given, str):
        return given
    if not given:
        return None
    try:
        time = datetime.fromisoformat(given)
    except ValueError as error:
        raise Invalid(
            "NO_TIME", "end_time is a time such as 2027-01-31T00:00:00+07:00", field="end_time"
        ) from error
    if time.tzinfo is None:
        raise Invalid("NO_TIME", "end_time needs its offset from UTC, such as +07:00 or Z", field="end_time")
    return time
