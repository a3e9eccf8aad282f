"""Tables of reference data: CSV with a header, or a list in JSON or YAML, read into one message a row."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from server.documents.protojson import parse_value
from server.documents.source import DocumentError, Problem, Source, Value, read_source, read_text

LIST_SEPARATOR = "|"
"""What stands between the items of a list in one cell."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row as a message. Its number is that of its line in a file, or its place in a list, from 1."""

    number: int
    message: Message
    source: str

    def problem(self, field: str, text: str) -> Problem:
        """A problem of one of the row's fields."""
        return Problem(text, self.source, self.number, field)


def read_rows(path: Path | str, message_type: type[Message]) -> list[Row]:
    """Reads a file, CSV by its ending, and says all that is wrong with its rows."""
    if str(path).lower().endswith(".csv"):
        name, text = read_text(path)
        numbered = _csv_rows(name, text, message_type.DESCRIPTOR)
    else:
        source = read_source(path)
        name, numbered = source.name, _list_rows(source)
    rows: list[Row] = []
    problems: list[Problem] = []
    for number, value in numbered:
        try:
            rows.append(Row(number, parse_value(Source(name, value), value, message_type, ""), name))
        except DocumentError as error:
            problems += [Problem(problem.message, name, number, problem.field) for problem in error.problems]
    if problems:
        raise DocumentError(problems)
    return _merged(rows) if _is_a_list(message_type.DESCRIPTOR) else rows


def write_csv(messages: list[Message], message_type: type[Message]) -> str:
    """Messages as CSV with a header, as `read_rows` reads it."""
    fields = message_type.DESCRIPTOR.fields
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields])
    for message in messages:
        writer.writerow([_cell(message, field) for field in fields])
    return text.getvalue()


def _cell(message: Message, field: Any) -> str:
    """A field as text: nothing for what isn't set."""
    value = getattr(message, field.name)
    if field.is_repeated:
        return LIST_SEPARATOR.join(value)
    return "" if field.has_presence and not message.HasField(field.name) else str(value)


def _list_rows(source: Source) -> Iterator[tuple[int, Value]]:
    if not isinstance(source.value, list):
        raise DocumentError([Problem("expected a list, one item for each row", source.name)])
    yield from enumerate(source.value, start=1)


def _csv_rows(name: str, text: str, message: Any) -> Iterator[tuple[int, Value]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [column.strip() for column in next(reader, [])]
        _check_header(header, name, message)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, _cells(header, cells, name, reader.line_num, message)
    except csv.Error as error:
        raise DocumentError([Problem(f"is no CSV: {error}", name, reader.line_num)]) from error


def _check_header(header: list[str], name: str, message: Any) -> None:
    known = [field.name for field in message.fields]
    problems = [
        Problem(f"there is no column {column or 'without a name'}; known are {', '.join(known)}", name, 1)
        for column in header
        if column not in known
    ]
    problems += [
        Problem(f"the column {column} stands twice", name, 1)
        for column in dict.fromkeys(header)
        if column in known and header.count(column) > 1
    ]
    if "id" not in header:
        problems.append(Problem("the column id is missing", name, 1))
    if problems:
        raise DocumentError(problems)


def _cells(header: list[str], cells: list[str], name: str, number: int, message: Any) -> Value:
    if len(cells) != len(header):
        raise DocumentError(
            [Problem(f"has {len(cells)} cells instead of {len(header)} as the header", name, number)]
        )
    row: dict[str, Value] = {}
    for column, cell in zip(header, map(str.strip, cells), strict=True):
        if cell and message.fields_by_name[column].is_repeated:
            row[column] = [item.strip() for item in cell.split(LIST_SEPARATOR)]
        elif cell:
            row[column] = cell
    return row


def _is_a_list(message: Any) -> bool:
    """Whether it is nothing but an id with a list, which may then have a row for each item."""
    return [field.is_repeated for field in message.fields] == [False, True]


def _merged(rows: list[Row]) -> list[Row]:
    """Rows of one id put together, at the place of the first."""
    merged: dict[str, Row] = {}
    for row in rows:
        name = row.message.DESCRIPTOR.fields[1].name
        first = merged.setdefault(getattr(row.message, "id", ""), row)
        if first is not row:
            getattr(first.message, name).extend(getattr(row.message, name))
    return list(merged.values())
