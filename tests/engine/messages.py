"""Random messages, shaped as the schema's descriptors say, with values that mean little."""

from typing import Any, TypeVar, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import strategies as st

M = TypeVar("M", bound=Message)

DEPTH_MAX = 6
"""Deepest nesting of a random message."""

ITEMS_MAX = 3

# Texts that mean something somewhere, so that random messages get past the first check.
NAMES = ["a", "b", "en", "dine_in", "GOLD", "coffee", "kopi-tepi", "dapur-laras", "id-public", "GAJIAN"]
CURRENCIES = ["IDR", "JPY", "BHD", "idr", "XXX"]
TIMES = [
    "22:00",
    "24:00",
    "02:00:30",
    "25:00",
    "2026-11-29",
    "2026-02-30",
    "02-29",
    "Asia/Jakarta",
    "Mars/Base",
]
STRANGE = ["", " gajian", "\ufb01", "\u0000", "x" * 300]
TEXTS = [*NAMES, *CURRENCIES, *TIMES, *STRANGE]
INTEGERS = [0, 1, 2, 3, 6, 100, 110_000, 150_000, 1_000_000, 1_000_001, 10_001, 10**15, 10**15 + 1, -1]


def messages(message_type: type[M]) -> st.SearchStrategy[M]:
    """Any message of a type: each field is left out, or set to a plausible or an absurd value."""
    return st.composite(_draw_message)(message_type, 0)


def changed(original: M) -> st.SearchStrategy[M]:
    """A message with one to four of its fields, at any depth, set to something else or left out."""
    return st.composite(_draw_changed)(original)


def _draw_message(draw: st.DrawFn, message_type: type[M], depth: int) -> M:
    message = message_type()
    fields = {
        field.number: field for field in _fields(message) if depth < DEPTH_MAX or not field.message_type
    }
    numbers = st.lists(st.sampled_from(sorted(fields)), max_size=6, unique=True) if fields else st.just([])
    for number in draw(numbers):
        _set(draw, message, fields[number], depth)
    return message


def _draw_changed(draw: st.DrawFn, original: M) -> M:
    message = type(original)()
    message.CopyFrom(original)
    for _ in range(draw(st.integers(1, 4))):
        places = [(part, field) for part in _parts(message) for field in _fields(part)]
        part, field = draw(st.sampled_from(places))
        part.ClearField(field.name)
        if draw(st.integers(0, 3)):
            _set(draw, part, field, DEPTH_MAX - 2)
    return message


def _fields(message: Message) -> list[FieldDescriptor]:
    return list(cast(Descriptor, message.DESCRIPTOR).fields)


def _parts(message: Message) -> list[Message]:
    """The message and all messages inside it."""
    parts = [message]
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in value if field.is_repeated else [value]:
                parts += _parts(inner)
    return parts


def _set(draw: st.DrawFn, message: Message, field: FieldDescriptor, depth: int) -> None:
    if field.is_repeated:
        values = [_value(draw, field, depth) for _ in range(draw(st.integers(0, ITEMS_MAX)))]
        getattr(message, field.name).extend(values)
    elif field.message_type is not None:
        getattr(message, field.name).CopyFrom(_value(draw, field, depth))
    else:
        setattr(message, field.name, _value(draw, field, depth))


def _value(draw: st.DrawFn, field: FieldDescriptor, depth: int) -> Any:
    if field.message_type is not None:
        return _inner(draw, field.message_type, depth)
    if field.enum_type is not None:
        return draw(st.sampled_from([*field.enum_type.values_by_number, 99, -1]))
    match field.type:
        case FieldDescriptor.TYPE_BOOL:
            return draw(st.booleans())
        case FieldDescriptor.TYPE_STRING:
            return draw(st.sampled_from(TEXTS) | st.text(max_size=8))
        case FieldDescriptor.TYPE_BYTES:
            return draw(st.binary(max_size=8))
        case FieldDescriptor.TYPE_INT32:
            return draw(
                st.sampled_from([n for n in INTEGERS if n < 2**31]) | st.integers(-(2**31), 2**31 - 1)
            )
        case FieldDescriptor.TYPE_INT64:
            return draw(st.sampled_from(INTEGERS) | st.integers(-(2**63), 2**63 - 1))
    raise AssertionError(f"the schema has no fields of type {field.type}")


def _inner(draw: st.DrawFn, descriptor: Descriptor, depth: int) -> Message:
    message_type = GetMessageClass(descriptor)
    if message_type is Timestamp:
        seconds = draw(st.sampled_from([0, 1_796_000_000]) | st.integers(-(2**40), 2**40))
        return Timestamp(seconds=seconds, nanos=draw(st.sampled_from([0, 999_999_999, -1])))
    return _draw_message(draw, message_type, depth + 1)
