"""A case as a vector document, so that a counter-example becomes a file of tests/vectors."""

from collections.abc import Iterator
from typing import Any

import yaml
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest
from dealwright.v1.ruleset_pb2 import Ruleset
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from server.documents import to_value
from tests.differential.cases import Case


def _integer_fields(descriptor: Descriptor, seen: set[str]) -> Iterator[str]:
    """Names of the 64-bit fields of a message and of all inside it."""
    seen.add(descriptor.full_name)
    for field in descriptor.fields:
        if field.type == FieldDescriptor.TYPE_INT64:
            yield field.name
        elif field.message_type is not None and field.message_type.full_name not in seen:
            yield from _integer_fields(field.message_type, seen)


_INTEGERS = frozenset(
    name for message in (Ruleset, EvaluateRequest) for name in _integer_fields(message.DESCRIPTOR, set())
)


def as_vector(case: Case) -> str:
    """YAML with the ruleset and the request; what is expected is for a person to add."""
    ruleset = to_value(case.ruleset)
    for promotion in ruleset.get("promotions", []):
        del promotion["rule_language"], promotion["name"]
    for field in ("company_id", "revision"):
        ruleset.pop(field, None)
    document = {
        "rule": "S-?",
        "ruleset": _numbers(ruleset),
        "request": _numbers(to_value(case.request)),
        "expect": {},
    }
    text: str = yaml.safe_dump(
        document, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110
    )
    return text


def _numbers(value: Any) -> Any:
    """Protojson writes 64-bit integers as texts; in vectors they are numbers."""
    if isinstance(value, dict):
        return {name: _number(each) if name in _INTEGERS else _numbers(each) for name, each in value.items()}
    return [_numbers(each) for each in value] if isinstance(value, list) else value


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, str) else _numbers(value)
