"""JSON Schemas of messages as protojson writes and reads them, with the comments as descriptions."""

import importlib.resources
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

Json = dict[str, Any]

PLACE = "#/components/schemas/"

_FILE_MESSAGES, _FILE_ENUMS, _FILE_SERVICES = 4, 5, 6
_MESSAGE_FIELDS, _MESSAGE_MESSAGES, _MESSAGE_ENUMS = 2, 3, 4
_ENUM_VALUES = _SERVICE_METHODS = 2

_INTEGERS: dict[int, Json] = {
    FieldDescriptor.TYPE_INT32: {
        "type": "integer",
        "format": "int32",
        "minimum": -(2**31),
        "maximum": 2**31 - 1,
    },
    FieldDescriptor.TYPE_UINT32: {"type": "integer", "format": "uint32", "minimum": 0, "maximum": 2**32 - 1},
    FieldDescriptor.TYPE_INT64: {
        "type": ["string", "integer"],
        "format": "int64",
        "pattern": "^-?(0|[1-9][0-9]{0,18})$",
        "minimum": -(2**63),
        "maximum": 2**63 - 1,
    },
    FieldDescriptor.TYPE_UINT64: {
        "type": ["string", "integer"],
        "format": "uint64",
        "pattern": "^(0|[1-9][0-9]{0,19})$",
        "minimum": 0,
        "maximum": 2**64 - 1,
    },
}
"""64-bit integers are written as texts, since many a reader of JSON rounds them; either is read."""

_KNOWN: dict[str, Json] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": "^-?[0-9]+(\\.[0-9]{1,9})?s$"},
}
"""Messages that protojson writes in a way of their own."""


@cache
def comments() -> dict[str, str]:
    """What the schema says of each message, field, enum, value, service and method, by full name."""
    files = FileDescriptorSet.FromString(
        (importlib.resources.files("dealwright") / "descriptors.binpb").read_bytes()
    )
    return {name: comment for file in files.file for name, comment in _comments_of(file)}


def messages(roots: Iterable[Descriptor]) -> dict[str, Json]:
    """The schemas of messages and of everything that they hold, by name."""
    found: dict[str, Json] = {}
    waiting: list[Descriptor | EnumDescriptor] = list(roots)
    while waiting:
        one = waiting.pop()
        if one.name in found or one.full_name in _KNOWN:
            continue
        if isinstance(one, EnumDescriptor):
            found[one.name] = _enum(one)
            continue
        found[one.name] = message(one)
        for field in one.fields:
            waiting += [part for part in (field.message_type, field.enum_type) if part is not None]
    return dict(sorted(found.items()))


def message(descriptor: Descriptor, left_out: Iterable[str] = ()) -> Json:
    """The schema of a message, without some of its fields."""
    choices = [
        f"At most one of {', '.join(field.name for field in choice.fields)} is given."
        for choice in descriptor.oneofs
        if len(choice.fields) > 1
    ]
    return {
        "type": "object",
        "description": " ".join([comments()[descriptor.full_name], *choices]),
        "properties": {
            field.name: described(field) for field in descriptor.fields if field.name not in left_out
        },
        "additionalProperties": False,
    }


def described(field: FieldDescriptor) -> Json:
    """The schema of a field, with what the schema says of it."""
    one = value(field)
    schema = {"type": "array", "items": one} if field.is_repeated else one
    return {**schema, "description": comments()[field.full_name]}


def value(field: FieldDescriptor) -> Json:
    """The schema of one value of a field."""
    if field.message_type is not None:
        known = _KNOWN.get(field.message_type.full_name)
        return known if known is not None else {"$ref": PLACE + field.message_type.name}
    if field.enum_type is not None:
        return {"$ref": PLACE + field.enum_type.name}
    if field.type == FieldDescriptor.TYPE_BOOL:
        return {"type": "boolean"}
    if field.type == FieldDescriptor.TYPE_BYTES:
        return {"type": "string", "contentEncoding": "base64"}
    return _INTEGERS.get(field.type, {"type": "string"})


def _enum(enum: EnumDescriptor) -> Json:
    scope = enum.full_name.removesuffix(enum.name)
    values = "\n".join(f"- {one.name}: {comments()[scope + one.name]}" for one in enum.values)
    return {
        "type": "string",
        "enum": [one.name for one in enum.values],
        "description": f"{comments()[enum.full_name]}\n\n{values}",
    }


def _comments_of(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    """The comments of a file by full name."""
    places = file.source_code_info.location
    by_path = {tuple(place.path): " ".join(place.leading_comments.split()) for place in places}
    for name, path in _places(file):
        yield name, by_path.get(path, "")


def _places(file: FileDescriptorProto) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The full name of each thing in a file, and its path as source information has it."""
    for number, one in enumerate(file.message_type):
        yield from _places_in(one, f"{file.package}.{one.name}", (_FILE_MESSAGES, number))
    for number, enum in enumerate(file.enum_type):
        yield from _values_of(enum, file.package, (_FILE_ENUMS, number))
    for number, service in enumerate(file.service):
        name, path = f"{file.package}.{service.name}", (_FILE_SERVICES, number)
        yield name, path
        for index, method in enumerate(service.method):
            yield f"{name}.{method.name}", (*path, _SERVICE_METHODS, index)


def _places_in(one: Any, name: str, path: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield name, path
    for number, field in enumerate(one.field):
        yield f"{name}.{field.name}", (*path, _MESSAGE_FIELDS, number)
    for number, enum in enumerate(one.enum_type):
        yield from _values_of(enum, name, (*path, _MESSAGE_ENUMS, number))
    for number, inner in enumerate(one.nested_type):
        yield from _places_in(inner, f"{name}.{inner.name}", (*path, _MESSAGE_MESSAGES, number))


def _values_of(enum: Any, scope: str, path: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """An enum and its values, which stand beside it in the naming of protobuf."""
    yield f"{scope}.{enum.name}", path
    for number, one in enumerate(enum.value):
        yield f"{scope}.{one.name}", (*path, _ENUM_VALUES, number)
