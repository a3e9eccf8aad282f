"""Plain values to messages and back, by the rules of protojson with the schema's snake_case names.

Stricter than the library's reader where money is at stake: an integer field takes no fraction, not
even one of zero, and no text with a leading zero. Every problem is reported, each with its path.
"""

import base64
import binascii
import difflib
import json
import re
from decimal import Decimal
from typing import Any, TypeVar, cast

from google.protobuf import json_format
from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from server.documents.source import DocumentError, Problem, Source, Value

M = TypeVar("M", bound=Message)

MESSAGE_DEPTH_MAX = 64
"""Deepest nesting of messages; the decoders stop at 100."""

_DIGITS = re.compile(r"-?(0|[1-9][0-9]{0,18})")
_RANGES = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
}


_AS_TEXT = {
    Timestamp: "an instant such as 2026-11-21T09:00:00Z",
    Duration: "a duration in seconds such as 3600s",
}
"""Messages that are written as a text."""


def to_value(message: Message) -> dict[str, Any]:
    """A message as protojson values: snake_case names, 64-bit integers as texts, enums by name."""
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


def to_json(message: Message, indent: int | None = None) -> str:
    """A message as protojson text; keys stand in the schema's order."""
    return json.dumps(to_value(message), indent=indent, ensure_ascii=False)


def parse_message(source: Source, message_type: type[M], path: str = "") -> M:
    """Reads the value that stands at `path` of a source (its root by default) as a message."""
    return parse_value(source, _at(source.value, path), message_type, path)


def parse_value(source: Source, value: Value, message_type: type[M], path: str) -> M:
    """Reads a value of a source that stands at `path` as a message."""
    reader = _Reader(source)
    message = message_type()
    reader.fill(message, value, path, 0)
    if reader.problems:
        raise DocumentError(reader.problems)
    return message


def _at(value: Value, path: str) -> Value:
    for step in filter(None, path.replace("[", ".").replace("]", "").split(".")):
        if isinstance(value, list):
            value = value[int(step)]
        elif isinstance(value, dict):
            value = value[step]
    return value


class _Refused(Exception):
    """A value that its field can't take."""


class _Reader:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[Problem] = []

    def fill(self, message: Message, value: Value, path: str, depth: int) -> None:
        name = message.DESCRIPTOR.name
        if not isinstance(value, dict):
            self._refuse(path, f"expected the fields of {name}, got {_described(value)}")
            return
        if depth > MESSAGE_DEPTH_MAX:
            self._refuse(path, f"nested deeper than {MESSAGE_DEPTH_MAX} messages")
            return
        chosen: dict[str, str] = {}
        for key, item in value.items():
            field = _field(message, key)
            if field is None:
                self._refuse(
                    f"{path}.{key}" if path else key, f"{name} has no such field{_hint(message, key)}"
                )
                continue
            if item is None:
                continue
            where = f"{path}.{field.name}" if path else field.name
            choice = field.containing_oneof.name if field.containing_oneof else field.name
            if choice in chosen:
                other = chosen[choice]
                self._refuse(
                    where,
                    "given twice"
                    if other == field.name
                    else f"only one of {other} and {field.name} may be given",
                )
                continue
            chosen[choice] = field.name
            self._set(message, field, item, where, depth)

    def _set(self, message: Message, field: FieldDescriptor, value: Value, path: str, depth: int) -> None:
        if not field.is_repeated:
            self._set_one(message, field, value, path, depth)
        elif not isinstance(value, list):
            self._refuse(path, f"expected a list, got {_described(value)}")
        else:
            items = getattr(message, field.name)
            for index, item in enumerate(value):
                self._append(items, field, item, f"{path}[{index}]", depth)

    def _set_one(self, message: Message, field: FieldDescriptor, value: Value, path: str, depth: int) -> None:
        if field.message_type is None:
            try:
                setattr(message, field.name, _scalar(field, value))
            except _Refused as refused:
                self._refuse(path, str(refused))
        else:
            part = getattr(message, field.name)
            part.SetInParent()
            self._fill_part(part, value, path, depth)

    def _append(self, items: Any, field: FieldDescriptor, value: Value, path: str, depth: int) -> None:
        if field.message_type is None:
            try:
                items.append(_scalar(field, value))
            except _Refused as refused:
                self._refuse(path, str(refused))
        else:
            self._fill_part(items.add(), value, path, depth)

    def _fill_part(self, part: Message, value: Value, path: str, depth: int) -> None:
        if isinstance(part, (Timestamp, Duration)):
            try:
                part.FromJsonString(value if isinstance(value, str) else "")
            except ValueError:
                self._refuse(path, f"expected {_AS_TEXT[type(part)]}, got {_described(value)}")
        else:
            self.fill(part, value, path, depth + 1)

    def _refuse(self, path: str, message: str) -> None:
        self.problems.append(self.source.problem(path, message))


def _field(message: Message, key: str) -> FieldDescriptor | None:
    descriptor = message.DESCRIPTOR
    found: Any = descriptor.fields_by_name.get(key) or descriptor.fields_by_camelcase_name.get(key)
    return cast(FieldDescriptor | None, found)


def _hint(message: Message, key: str) -> str:
    near = difflib.get_close_matches(key, list(message.DESCRIPTOR.fields_by_name), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _scalar(field: FieldDescriptor, value: Value) -> bool | int | str | bytes:
    if field.type == FieldDescriptor.TYPE_STRING:
        return _text(value)
    if field.type == FieldDescriptor.TYPE_BOOL:
        if isinstance(value, bool):
            return value
        raise _Refused(f"expected true or false, got {_described(value)}")
    if field.enum_type is not None:
        return _enum(field.enum_type, value)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _bytes(value)
    return _integer(value, *_RANGES[field.type])


def _text(value: Value) -> str:
    if not isinstance(value, str):
        hint = "; write it in quotes" if isinstance(value, bool | int | Decimal) else ""
        raise _Refused(f"expected a text, got {_described(value)}{hint}")
    if "\0" in value:
        raise _Refused("is a text with the character U+0000")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise _Refused("is a text with half a character (a lone surrogate)") from error
    return value


def _integer(value: Value, minimum: int, maximum: int) -> int:
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _Refused(f"expected a whole number, got {_described(value)}")
    if not minimum <= value <= maximum:
        raise _Refused(f"must lie between {minimum} and {maximum}")
    return value


def _enum(enum: EnumDescriptor, value: Value) -> int:
    if isinstance(value, str) and value in enum.values_by_name:
        return int(enum.values_by_name[value].number)
    if isinstance(value, int) and not isinstance(value, bool) and value in enum.values_by_number:
        return value
    names = ", ".join(known.name for known in enum.values if known.number)
    raise _Refused(f"expected one of {names}, got {_described(value)}")


def _bytes(value: Value) -> bytes:
    try:
        return base64.b64decode(value if isinstance(value, str) else "?", validate=True)
    except (binascii.Error, ValueError) as error:
        raise _Refused(f"expected bytes in base64, got {_described(value)}") from error


def _described(value: Value) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    text = str(value)
    return f"`{text[:40]}{'...' if len(text) > 40 else ''}`"
