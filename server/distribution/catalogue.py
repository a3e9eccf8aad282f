"""One revision of a company as the items that its scopes are made of. What didn't change is shared."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import dealwright_engine
from dealwright.rule_stream.holding import field
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.ruleset_pb2 import Category, HolidayCalendar, Ruleset, Store
from google.protobuf.message import Message

from server.definitions.places import Places, Where, folded

POLICY = Ruleset.POLICY_FIELD_NUMBER
PROMOTIONS = Ruleset.PROMOTIONS_FIELD_NUMBER
STORES = Ruleset.STORES_FIELD_NUMBER
CATEGORIES = Ruleset.CATEGORIES_FIELD_NUMBER
CALENDARS = Ruleset.HOLIDAY_CALENDARS_FIELD_NUMBER

KINDS = (POLICY, PROMOTIONS, STORES, CATEGORIES, CALENDARS)
"""The kinds of items, by the fields of a ruleset that hold them, in the order of the root."""


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """A part of a ruleset. The same item in two revisions is the same object."""

    id: str
    body: bytes
    """The bytes of its message."""
    field: bytes
    """The bytes of the field of a ruleset that holds it."""
    digest: bytes
    """SHA-256 of its body."""
    rule_language: int
    """What an engine has to understand for it."""

    @classmethod
    def of(cls, kind: int, item_id: str, body: bytes, rule_language: int) -> Item:
        return cls(item_id, body, field(kind, body), hashlib.sha256(body).digest(), rule_language)


@dataclass(frozen=True, eq=False)
class Part:
    """The items of one kind in a scope, by id. Scopes and revisions that have the same share the object."""

    items: tuple[Item, ...]

    @cached_property
    def digest(self) -> bytes:
        return hashlib.sha256(b"".join(sorted(item.digest for item in self.items))).digest()

    @cached_property
    def fields(self) -> bytes:
        """The bytes of the fields of a ruleset with all items."""
        return b"".join(item.field for item in self.items)

    @cached_property
    def rule_language(self) -> int:
        return max((item.rule_language for item in self.items), default=0)


class Catalogue:
    """The items of one revision, and the parts of each scope that somebody asked for."""

    def __init__(self, ruleset: Ruleset, before: Catalogue | None = None) -> None:
        self.company_id = ruleset.company_id
        self.revision = ruleset.revision
        self._known_parts = before.forgotten_parts() if before else {}
        known = before.items if before else {}
        self.items: dict[tuple[int, str], Item] = {}
        by_kind: dict[int, list[Item]] = {kind: [] for kind in KINDS}
        for kind, item_id, message in _messages(ruleset):
            item = known.get((kind, item_id))
            body = message.SerializeToString(deterministic=True)
            if item is None or item.body != body:
                item = Item.of(kind, item_id, body, getattr(message, "rule_language", 0))
            self.items[kind, item_id] = item
            by_kind[kind].append(item)
        self._by_kind = {
            kind: tuple(sorted(items, key=lambda item: item.id)) for kind, items in by_kind.items()
        }
        self._where = {promotion.id: Where.of(promotion) for promotion in ruleset.promotions}
        self._filters = tuple(set(self._where.values()))
        self._parts: dict[tuple[int, object], Part] = {}
        self._of_places: dict[Places, tuple[Part, ...]] = {}
        """What was asked for: every stream asks again, at each revision."""
        self._whole = {kind: self._part(kind, "all", self._by_kind[kind]) for kind in KINDS}

    def forgotten_parts(self) -> dict[tuple[int, object], Part]:
        """Its parts, for the next revision to share; of those before it, it lets go."""
        self._known_parts = {}
        return self._parts

    def parts(self, store_ids: Iterable[str]) -> tuple[Part, ...]:
        """What the scope of some stores is made of, by kind; of all stores when there are none."""
        places = folded(store_ids)
        if not places:
            return tuple(self._whole.values())
        if places not in self._of_places:
            own = {PROMOTIONS: self._promotions(places), STORES: self._stores(places)}
            self._of_places[places] = tuple(own.get(kind, whole) for kind, whole in self._whole.items())
        return self._of_places[places]

    def _promotions(self, places: Places) -> Part:
        # Stores of which all promotions think alike share one part.
        alike = frozenset(where for where in self._filters if where.concerns(places))
        if (PROMOTIONS, alike) in self._parts:
            return self._parts[PROMOTIONS, alike]
        chosen = tuple(item for item in self._by_kind[PROMOTIONS] if self._where[item.id] in alike)
        return self._part(PROMOTIONS, alike, chosen)

    def _stores(self, places: Places) -> Part:
        if (STORES, places) in self._parts:
            return self._parts[STORES, places]
        chosen = (item for item in self._by_kind[STORES] if dealwright_engine.fold(item.id) in places)
        return self._part(STORES, places, tuple(chosen))

    def _part(self, kind: int, key: object, items: tuple[Item, ...]) -> Part:
        """A part under a key; the last revision's where it holds the same."""
        last = self._known_parts.get((kind, key))
        part = last if last and last.items == items else Part(items)
        self._parts[kind, key] = part
        return part


@dataclass(frozen=True, slots=True)
class Change:
    """How one part becomes another."""

    fields: bytes
    """The fields of a ruleset with what is new or changed."""
    removed: tuple[str, ...]


def change(before: Part, after: Part) -> Change:
    """What a till has to do that has one part, to have the other."""
    if before is after:
        return Change(b"", ())
    had: Mapping[str, Item] = {item.id: item for item in before.items}
    has = {item.id for item in after.items}
    fields = b"".join(item.field for item in after.items if had.get(item.id) is not item)
    return Change(fields, tuple(item.id for item in before.items if item.id not in has))


def root(parts: Iterable[Part]) -> bytes:
    """The root of a ruleset that consists of these parts; the engine computes the same from its bytes."""
    return hashlib.sha256(b"".join(part.digest for part in parts)).digest()


def _messages(ruleset: Ruleset) -> Iterable[tuple[int, str, Message]]:
    """What a ruleset consists of, with kinds and ids."""
    if ruleset.HasField("policy"):
        yield POLICY, "", ruleset.policy
    kinds: dict[int, Iterable[Promotion | Store | Category | HolidayCalendar]] = {
        PROMOTIONS: ruleset.promotions,
        STORES: ruleset.stores,
        CATEGORIES: ruleset.categories,
        CALENDARS: ruleset.holiday_calendars,
    }
    for kind, messages in kinds.items():
        for message in messages:
            yield kind, message.id, message
