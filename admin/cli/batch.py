"""JSON lines in, JSON lines out: each line a small ruleset and a cart of its own."""

import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import typer
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest, EvaluateResponse
from dealwright.v1.ruleset_pb2 import Ruleset as RulesetMessage
from dealwright_engine import EngineError, Ruleset
from google.protobuf.timestamp_pb2 import Timestamp

from admin.cli.findings import Finding, of_document, of_engine
from admin.cli.offline import instant
from admin.cli.output import ExitCode, emit_json
from server.documents import DocumentError, Problem, Source, Value, parse_json, parse_value, to_value
from server.documents.files import UNPUBLISHED_COMPANY

_RULESET_FIELDS = ("company_id", "promotions", "policy", "stores", "categories", "holiday_calendars")
_REQUEST_FIELDS = ("cart", "limit_state", "options")


def run(files: Iterable[Path], at: str | None) -> None:
    """Prices every line; a bad one gives an error object, and exit code 1 at the end."""
    moment = instant(at)
    pricer = _Pricer(moment)
    bad = 0
    for name, number, line in _lines(files):
        try:
            answer = pricer.price(parse_json(line, name))
        except DocumentError as error:
            findings = [of_document(problem) for problem in error.problems]
        except EngineError as error:
            findings = of_engine(error.diagnostics)
        else:
            emit_json(answer, indent=None)
            continue
        bad += 1
        place = {"file": name, "line": number}
        emit_json({"error": {**place, "findings": [_value(finding) for finding in findings]}}, indent=None)
    if bad:
        raise typer.Exit(ExitCode.FINDINGS)


class _Pricer:
    """Remembers the last ruleset, since lines often share one."""

    def __init__(self, at: Timestamp | None) -> None:
        self._at = at
        self._encoded: bytes | None = None
        self._compiled: Ruleset | None = None

    def price(self, source: Source) -> dict[str, Any]:
        value = source.value
        if not isinstance(value, dict):
            raise DocumentError([Problem("expected an object with promotions and a cart", source.name)])
        unknown = value.keys() - {*_RULESET_FIELDS, *_REQUEST_FIELDS, "at"}
        if unknown or "cart" not in value:
            message = f"no such field: {', '.join(sorted(unknown))}" if unknown else "the cart is missing"
            raise DocumentError([Problem(message, source.name)])
        ruleset = self._ruleset(source, value)
        request = parse_value(source, _part(value, _REQUEST_FIELDS), EvaluateRequest, "")
        if self._at is not None:
            request.evaluate_time.CopyFrom(self._at)
        elif value.get("at") is not None:
            asked = parse_value(source, {"evaluate_time": value["at"]}, EvaluateRequest, "")
            request.evaluate_time.CopyFrom(asked.evaluate_time)
        response = EvaluateResponse.FromString(ruleset.evaluate(request.SerializeToString(), time.time_ns()))
        return to_value(response.result)

    def _ruleset(self, source: Source, value: dict[str, Value]) -> Ruleset:
        message = parse_value(source, _part(value, _RULESET_FIELDS), RulesetMessage, "")
        message.company_id = message.company_id or UNPUBLISHED_COMPANY
        encoded = message.SerializeToString(deterministic=True)
        if self._compiled is None or encoded != self._encoded:
            self._compiled = Ruleset.compile(encoded)
            self._encoded = encoded
        return self._compiled


def _part(value: dict[str, Value], names: tuple[str, ...]) -> dict[str, Value]:
    return {name: value[name] for name in names if name in value}


def _lines(files: Iterable[Path]) -> Iterator[tuple[str, int, bytes]]:
    paths = list(files)
    if not paths:
        yield from _numbered("standard input", sys.stdin.buffer)
    for path in paths:
        try:
            with path.open("rb") as file:
                yield from _numbered(str(path), file)
        except OSError as error:
            raise DocumentError([Problem(f"can't be read: {error.strerror}", str(path))]) from error


def _numbered(name: str, lines: Iterable[bytes]) -> Iterator[tuple[str, int, bytes]]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield name, number, line


def _value(finding: Finding) -> dict[str, Any]:
    return {key: part for key, part in finding.value().items() if key not in ("file", "line")}
