"""Taking documents in: strictly, so that what a document says is what comes of it, or it is refused."""

from datetime import UTC, datetime
from typing import Any

from dealwright.v1.promotion_pb2 import Promotion

from server.definitions.pos.edition import Edition, Inexact
from server.definitions.pos.projection import project
from server.definitions.pos.reading import read
from server.definitions.pos.shape import complaints
from server.documents import DocumentError, Problem, Source

Json = dict[str, Any]

NO_MEANING = ("is_active", "compiled_at", "compiler_version", "version", "limits.current_uses")
"""What a document says of the moment it was written, and a definition doesn't have."""


def read_documents(source: Source, edition: Edition) -> list[Promotion]:
    """The definitions of a document, of a list of them, or of what a sync gave (`promotions`)."""
    value: Any = source.value
    if isinstance(value, dict) and "promotions" in value:
        value = value["promotions"]
    documents = value if isinstance(value, list) else [value]
    found, problems = [], []
    for number, document in enumerate(documents):
        place = f"[{number}]" if isinstance(value, list) else ""
        try:
            found.append(_read(document, edition))
        except Misread as error:
            name = document.get("id", place) if isinstance(document, dict) else place
            for path, why in error.reasons:
                where = ": ".join(part for part in (name, path) if part)
                problems.append(Problem(why, source.name, None, where))
    if problems:
        raise DocumentError(problems)
    return found


class Misread(Exception):
    """A document that can't be read as it is meant: places and why."""

    def __init__(self, reasons: list[tuple[str, str]]) -> None:
        super().__init__(reasons)
        self.reasons = reasons


def _read(document: Any, edition: Edition) -> Promotion:
    misshapen = complaints(document)
    if misshapen:
        raise Misread(misshapen)
    try:
        promotion = read(document, edition)
    except Inexact as error:
        raise Misread([("rules", str(error))]) from error
    again = project(promotion, edition, document["version"], datetime.now(UTC))
    if again.document is None:
        raise Misread([(path, "doesn't say what it has to") for path in again.unsaid])
    differing = _differing(document, again.document, "")
    if differing:
        raise Misread([(path, "contradicts the rest, or has no meaning here") for path in differing])
    return promotion


def _differing(given: Any, read_as: Any, path: str) -> list[str]:
    if path in NO_MEANING or given == read_as:
        return []
    if isinstance(given, dict) and isinstance(read_as, dict):
        return [
            found
            for key in given.keys() | read_as.keys()
            for found in _differing(given.get(key), read_as.get(key), f"{path}.{key}" if path else key)
        ]
    if isinstance(given, list) and isinstance(read_as, list) and len(given) == len(read_as):
        return [
            found
            for number, pair in enumerate(zip(given, read_as, strict=True))
            for found in _differing(*pair, f"{path}[{number}]")
        ]
    return [path]
