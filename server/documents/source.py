"""Text to plain values, strictly: YAML in the spirit of its 1.2 core schema, or JSON, with line numbers.

What surprises people in YAML 1.1 doesn't exist here: `no`, `22:00`, `2026-11-21` and `012` are texts, and a
number with a fraction is a Decimal, never a float. Keys that stand twice, aliases, tags and a second document
are errors.
"""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

Value = None | bool | int | Decimal | str | list["Value"] | dict[str, "Value"]

FILE_BYTES_MAX = 16 * 1024 * 1024
"""Largest file that is read, in bytes."""

DEPTH_MAX = 100
"""Deepest nesting of lists and mappings that is read; a message of the schema needs about half of it."""

_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_FRACTION = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUTHS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_DIGITS_MAX = 40


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a document, and where."""

    message: str
    source: str = ""
    line: int | None = None
    field: str = ""

    def __str__(self) -> str:
        place = f"{self.source}:{self.line}" if self.line else self.source
        return ": ".join(part for part in (place, self.field, self.message) if part)


class DocumentError(ValueError):
    """A document that can't be read; says everything that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Source:
    """A document as plain values. `lines` maps paths such as `cart.lines[3].quantity` to line numbers."""

    name: str
    value: Value
    lines: dict[str, int] = field(default_factory=dict)

    def line_of(self, path: str) -> int | None:
        """The line of a field, or of the nearest field around it that the document has."""
        while path not in self.lines and path:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines.get(path)

    def problem(self, path: str, message: str) -> Problem:
        return Problem(message, self.name, self.line_of(path), path)


def read_source(path: Path | str) -> Source:
    """Reads a file: JSON by its ending, else YAML. `-` is standard input."""
    name, text = read_text(path)
    return parse_json(text, name) if name.endswith(".json") else parse_yaml(text, name)


def read_text(path: Path | str) -> tuple[str, str]:
    """The name of a file and its text. `-` is standard input."""
    name = "standard input" if str(path) == "-" else str(path)
    try:
        text = (sys.stdin.buffer.read() if str(path) == "-" else _file_bytes(Path(path))).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentError([Problem("is no UTF-8 text", name)]) from error
    except OSError as error:
        raise DocumentError([Problem(f"can't be read: {error.strerror}", name)]) from error
    return name, text


def _file_bytes(path: Path) -> bytes:
    # One that a shell makes is among the devices; one with a name may never have a writer.
    if path.is_fifo() and path.absolute().parts[1] not in ("dev", "proc"):
        raise DocumentError([Problem("is a named pipe; use - for standard input", str(path))])
    with path.open("rb") as file:
        content = file.read(FILE_BYTES_MAX + 1)
    if len(content) > FILE_BYTES_MAX:
        raise DocumentError([Problem(f"is larger than {FILE_BYTES_MAX} bytes", str(path))])
    return content


def parse_json(text: str | bytes, name: str) -> Source:
    """Reads JSON. Line numbers are known for syntax errors only."""

    def mapping(pairs: list[tuple[str, Value]]) -> Value:
        result: dict[str, Value] = {}
        for key, item in pairs:
            if key in result:
                raise DocumentError([Problem(f'the key "{key}" stands twice', name)])
            result[key] = item
        return result

    def constant(word: str) -> Value:
        raise DocumentError([Problem(f"{word} is no JSON value", name)])

    try:
        value = json.loads(text, object_pairs_hook=mapping, parse_float=Decimal, parse_constant=constant)
    except json.JSONDecodeError as error:
        raise DocumentError([Problem(f"is no JSON: {error.msg}", name, error.lineno)]) from error
    except DocumentError:
        raise
    except UnicodeDecodeError as error:
        raise DocumentError([Problem("is no UTF-8 text", name)]) from error
    except (RecursionError, ValueError) as error:
        raise DocumentError(
            [Problem("is no JSON that can be read: nested too deeply or a number too long", name)]
        ) from error
    return Source(name, value)


def parse_yaml(text: str, name: str) -> Source:
    """Reads one YAML document."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _YamlReader(name, yaml.parse(text, Loader=loader)).read()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise DocumentError([Problem(f"is no YAML: {error.problem or error.context}", name, line)]) from error
    except yaml.YAMLError as error:
        raise DocumentError([Problem("is no YAML: a character that isn't allowed", name)]) from error


class _YamlReader:
    """Builds values from the parser's events, so that no implicit YAML 1.1 rule applies."""

    def __init__(self, name: str, events: Iterator[Any]) -> None:
        self.name = name
        self.events = events
        self.lines: dict[str, int] = {}

    def read(self) -> Source:
        value: Value = None
        documents = 0
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._error(event, "a second document starts here; give one per file, or a list")
            elif isinstance(event, yaml.NodeEvent):
                value = self._value(event, "", 0)
        return Source(self.name, value, self.lines)

    def _value(self, event: Any, path: str, depth: int) -> Value:
        if isinstance(event, yaml.AliasEvent):
            raise self._error(event, "aliases aren't used here; write the value out")
        if event.tag is not None and event.tag != "!":
            raise self._error(event, "tags aren't used here")
        if depth > DEPTH_MAX:
            raise self._error(event, f"nested deeper than {DEPTH_MAX} levels")
        self.lines[path] = event.start_mark.line + 1
        if isinstance(event, yaml.ScalarEvent):
            plain = not event.style and event.tag is None
            return _scalar(event.value) if plain else str(event.value)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(path, depth)
        return self._mapping(path, depth)

    def _list(self, path: str, depth: int) -> Value:
        items: list[Value] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self._value(event, f"{path}[{len(items)}]", depth + 1))
        return items

    def _mapping(self, path: str, depth: int) -> Value:
        items: dict[str, Value] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise self._error(event, "a key must be a text")
            key = str(event.value)
            if key in items:
                raise self._error(event, f'the key "{key}" stands twice')
            items[key] = self._value(next(self.events), f"{path}.{key}" if path else key, depth + 1)
        return items

    def _error(self, event: Any, message: str) -> DocumentError:
        return DocumentError([Problem(message, self.name, event.start_mark.line + 1)])


def reads_as_text(text: str) -> bool:
    """Whether a scalar without quotes is read as the text that it is."""
    return isinstance(_scalar(text), str)


def _scalar(text: str) -> Value:
    if text in _NULLS:
        return None
    if text in _TRUTHS:
        return _TRUTHS[text]
    if len(text) > _DIGITS_MAX:
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FRACTION.fullmatch(text) and not _LEADING_ZERO.fullmatch(text):
        return Decimal(text)
    return text
