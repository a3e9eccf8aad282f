"""Makes a case on which engine and reference differ as small as it gets, so that a person can decide."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any, TypeAlias

from google.protobuf.message import Message

from tests.differential.cases import Case
from tests.differential.comparison import Difference, difference, refused_definitions

Edit: TypeAlias = Callable[[], object]
Differs: TypeAlias = Callable[[Case], Difference | None]

KEPT = {"id", "company_id", "rule_language", "name", "currency_code"}
"""Fields that say nothing about a difference, and without which a case is none."""

SECONDS = 20.0
"""After this time a case is small enough."""


def shrunk(case: Case, differs: Differs = difference) -> Case:
    """The case without everything that the difference doesn't need, with small numbers."""
    part = _what_differs(case, differs)
    end = time.monotonic() + SECONDS
    smaller = True
    while smaller:
        smaller = False
        # What is left out is gone from the list of edits, so that the next one has its number.
        number = 0
        while time.monotonic() < end:
            attempt = _copy(case)
            edit = next(islice(_edits(attempt), number, None), None)
            if edit is None:
                break
            edit()
            if _what_differs(attempt, differs) == part:
                case, smaller = attempt, True
            else:
                number += 1
    return case


def _what_differs(case: Case, differs: Differs) -> str | None:
    """The field that differs, when the case is one that a caller could send."""
    if refused_definitions(case):
        return None
    try:
        found = differs(case)
    except Exception:  # noqa: BLE001 - whatever an edit has broken, it made no smaller case
        return None
    return re.sub(r"\[\d+\]", "", found.path) if found else None


def _copy(case: Case) -> Case:
    ruleset, request = type(case.ruleset)(), type(case.request)()
    ruleset.CopyFrom(case.ruleset)
    request.CopyFrom(case.request)
    return replace(case, ruleset=ruleset, request=request)


def _edits(case: Case) -> Iterator[Edit]:
    for message in (case.ruleset, case.request):
        yield from _edits_of(message)


def _edits_of(message: Message) -> Iterator[Edit]:
    """Whole branches first."""
    fields = [(field, value) for field, value in message.ListFields() if field.name not in KEPT]
    for field, value in fields:
        if field.is_repeated:
            yield from (partial(value.__delitem__, index) for index in range(len(value)))
        else:
            yield partial(message.ClearField, field.name)
            yield from _smaller_numbers(message, field.name, value)
    for field, value in fields:
        if field.message_type is not None:
            for each in value if field.is_repeated else [value]:
                yield from _edits_of(each)


def _smaller_numbers(message: Message, name: str, value: Any) -> Iterator[Edit]:
    if isinstance(value, int) and not isinstance(value, bool):
        for smaller in (1, value // 2, 100, 1000):
            if 0 < smaller < value:
                yield partial(setattr, message, name, smaller)
