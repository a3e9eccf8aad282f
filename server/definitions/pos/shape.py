"""The shape of a document: its JSON Schema, and what of a document isn't in it."""

import json
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

Json = dict[str, Any]

SCHEMA_PATH = Path(__file__).with_name("promotion.schema.json")
SCHEMA: Json = json.loads(SCHEMA_PATH.read_text())
"""The published schema, in the dialect 2020-12."""


def faults(document: Any) -> list[str]:
    """The places where a document isn't as the schema says, or has a number that readers of JSON change."""
    found = [_path(error.absolute_path) for error in _validator().iter_errors(document)]
    return found or list(_inexact(document, ""))


def complaints(document: Any) -> list[tuple[str, str]]:
    """The places where a document isn't as the schema says, and why, in words."""
    return [(_path(error.absolute_path), error.message) for error in _validator().iter_errors(document)]


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(SCHEMA)


def _inexact(value: Any, path: str) -> list[str]:
    """Numbers that a double, which most readers of JSON have alone, can't carry."""
    if isinstance(value, dict):
        items = [(f"{path}.{key}" if path else key, item) for key, item in value.items()]
    elif isinstance(value, list):
        items = [(f"{path}[{number}]", item) for number, item in enumerate(value)]
    else:
        numeric = isinstance(value, Decimal | int) and not isinstance(value, bool)
        return [path] if numeric and Decimal(repr(float(value))) != value else []
    return [found for where, item in items for found in _inexact(item, where)]


def _path(steps: Any) -> str:
    path = ""
    for step in steps:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else str(step)
    return path
