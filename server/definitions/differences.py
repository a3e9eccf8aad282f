"""What differs between two definitions: in fields, and in words for people."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.ruleset_pb2 import Policy
from dealwright.v1.test_cart_pb2 import TestCart
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from server.definitions.contents import KINDS, Contents
from server.documents.money import amount

KEYS = ("id", "language", "currency_code", "name")
"""The fields that tell the items of a list apart, the first that all of them have."""

SHOWN_LENGTH_MAX = 80
"""Values longer than this are cut in sentences; the fields have them whole."""

MESSAGES: dict[str, Any] = {
    "promotion": Promotion.DESCRIPTOR,
    "policy": Policy.DESCRIPTOR,
    "test_cart": TestCart.DESCRIPTOR,
    **{kind: message.DESCRIPTOR for kind, message in KINDS.items()},
}
"""What differences are about, and the messages that describe it."""

Json = dict[str, Any]


class Kind(StrEnum):
    """What became of something."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """One field that differs; None on a side where it isn't set."""

    path: str
    before: Any
    after: Any
    text: str


@dataclass(frozen=True, slots=True)
class Difference:
    """What became of a promotion, the policy, or a piece of reference data."""

    subject: str
    subject_id: str
    kind: Kind
    fields: tuple[FieldDifference, ...] = ()

    def sentences(self) -> list[str]:
        """The difference in words, one line for each thing that changed."""
        subject = self.subject.replace("_", " ")
        named = f"{subject} {self.subject_id}" if self.subject_id else subject
        if self.kind is Kind.CHANGED:
            return [f"{named}: {field.text}" for field in self.fields]
        return [f"{named} is {self.kind}"]


def between(before: Contents, after: Contents) -> list[Difference]:
    """What differs between two revisions, promotions first."""
    differences = [
        *_of_each("promotion", _definitions(before), _definitions(after)),
        *_of_each("policy", {"": before.policy or {}}, {"": after.policy or {}}),
    ]
    for kind in KINDS:
        differences += _of_each(kind, before.references.get(kind, {}), after.references.get(kind, {}))
    return differences


def of_one(subject: str, subject_id: str, before: Json | None, after: Json | None) -> Difference | None:
    """What became of one thing; None when nothing did."""
    if before == after:
        return None
    if before is None or after is None:
        return Difference(subject, subject_id, Kind.ADDED if before is None else Kind.REMOVED)
    fields = tuple(_fields(before, after, MESSAGES[subject], ""))
    return Difference(subject, subject_id, Kind.CHANGED, fields)


def _definitions(contents: Contents) -> dict[str, Json]:
    return {key: stored.definition for key, stored in contents.promotions.items()}


def _of_each(subject: str, before: Mapping[str, Json], after: Mapping[str, Json]) -> Iterator[Difference]:
    for key in sorted(before.keys() | after.keys()):
        difference = of_one(subject, key, before.get(key), after.get(key))
        if difference is not None:
            yield difference


def _fields(before: Json, after: Json, message: Descriptor | None, path: str) -> Iterator[FieldDifference]:
    known = message.fields_by_name if message else {}
    names = before.keys() | after.keys()
    for name in [*(name for name in known if name in names), *sorted(names - set(known))]:
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        yield from _values(old, new, known.get(name), f"{path}.{name}" if path else name, before | after)


def _values(
    old: Any, new: Any, field: FieldDescriptor | None, path: str, around: Json
) -> Iterator[FieldDifference]:
    part = field.message_type if field else None
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _fields(old, new, part, path)
        return
    key = _key(old, new)
    if key is None:
        yield FieldDifference(path, old, new, _sentence(path, old, new, field, around))
        return
    olds, news = {item[key]: item for item in old or ()}, {item[key]: item for item in new or ()}
    found = False
    for name in dict.fromkeys([*olds, *news]):
        if olds.get(name) != news.get(name):
            found = True
            yield from (
                _values(olds.get(name), news.get(name), None, f"{path}[{name}]", {})
                if (name not in olds or name not in news)
                else _fields(olds[name], news[name], part, f"{path}[{name}]")
            )
    if not found:
        yield FieldDifference(path, old, new, f"{_words(path)}: the order changes")


def _key(old: Any, new: Any) -> str | None:
    """The field that tells the items of two lists apart; None when they are no such lists."""
    lists = [side for side in (old, new) if side is not None]
    items = [item for side in lists if isinstance(side, list) for item in side]
    if not items or not all(isinstance(side, list) for side in lists):
        return None
    if not all(isinstance(item, dict) for item in items):
        return None
    for key in KEYS:
        names = [[item.get(key) for item in side] for side in lists]
        if all(isinstance(name, str) for side in names for name in side) and all(
            len(set(side)) == len(side) for side in names
        ):
            return key
    return None


def _sentence(path: str, old: Any, new: Any, field: FieldDescriptor | None, around: Json) -> str:
    subject = _words(path)
    if old is None:
        return f"{subject} is now {_shown(new, path, field, around)}"
    if new is None:
        return f"{subject} is no longer {_shown(old, path, field, around)}"
    return f"{subject}: {_shown(old, path, field, around)} becomes {_shown(new, path, field, around)}"


def _words(path: str) -> str:
    """percent_discount.percent_off_ppm becomes "percent discount, percent off"."""
    steps = [step.removesuffix("_ppm").removesuffix("_minor") for step in path.split(".")]
    named = [step for step in steps if step not in ("text", "minor")] or steps
    return ", ".join(named).replace("_", " ").replace("[", " (").replace("]", ")")


def _shown(value: Any, path: str, field: FieldDescriptor | None, around: Json) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return _cut(", ".join(_shown(item, path, field, around) for item in value) or "empty")
    if isinstance(value, dict):
        return _cut(
            ", ".join(f"{_words(name)} {_shown(item, name, None, value)}" for name, item in value.items())
        )
    name = path.rpartition(".")[2]
    if name.endswith("_ppm"):
        return f"{Decimal(value) / 10_000:f} %"
    if name == "minor" and "currency_code" in around:
        return f"{around['currency_code']} {amount(int(value), around['currency_code'])}"
    enum = field.enum_type if field else None
    return _enum_words(enum, value) if enum and isinstance(value, str) else _cut(str(value))


def _enum_words(enum: EnumDescriptor, value: str) -> str:
    known = [name.split("_") for name in enum.values_by_name]
    prefix = 0
    while all(len(name) > prefix + 1 and name[prefix] == known[0][prefix] for name in known):
        prefix += 1
    return " ".join(value.split("_")[prefix:]).lower() or value


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_LENGTH_MAX else f"{text[: SHOWN_LENGTH_MAX - 3]}..."


def sentences(differences: Sequence[Difference]) -> list[str]:
    """All differences in words."""
    return [sentence for difference in differences for sentence in difference.sentences()]
