"""What a till holds: the items of a ruleset, to which deltas are applied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import dealwright_engine

from dealwright.v1.rule_stream_service_pb2 import Delta
from dealwright.v1.ruleset_pb2 import Ruleset

PROMOTION = Ruleset.PROMOTIONS_FIELD_NUMBER

_REMOVED = {
    Ruleset.PROMOTIONS_FIELD_NUMBER: "removed_promotion_ids",
    Ruleset.STORES_FIELD_NUMBER: "removed_store_ids",
    Ruleset.CATEGORIES_FIELD_NUMBER: "removed_category_ids",
    Ruleset.HOLIDAY_CALENDARS_FIELD_NUMBER: "removed_holiday_calendar_ids",
}
"""The fields of a delta with ids that are gone, by the field of a ruleset that they are gone from."""

ItemKey = tuple[int, str]
"""The number of the field of a ruleset, and the id inside; the policy has no id."""


class Holding:
    """The items of a ruleset by key, each as the bytes of a field of a `Ruleset`. Never changed."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[ItemKey, bytes]) -> None:
        self._fields = dict(sorted(fields.items()))

    @classmethod
    def of(cls, ruleset: bytes) -> Holding:
        """Cuts the bytes of a ruleset; raises dealwright_engine.InvalidRuleset."""
        return cls(_cut(ruleset))

    def after(self, delta: Delta) -> Holding:
        """What is held once a delta is applied; raises dealwright_engine.InvalidRuleset."""
        fields = dict(self._fields)
        for number, removed in _REMOVED.items():
            for key in getattr(delta, removed):
                fields.pop((number, key), None)
        fields.update(_cut(delta.changes))
        return Holding(fields)

    def ruleset(self, company_id: str, revision: int, without: Iterable[str] = ()) -> bytes:
        """The bytes of a ruleset with all that is held, but for some promotions."""
        left_out = {(PROMOTION, promotion_id) for promotion_id in without}
        head = Ruleset(company_id=company_id, revision=revision).SerializeToString()
        return head + b"".join(field for key, field in self._fields.items() if key not in left_out)

    def root(self) -> bytes:
        return dealwright_engine.ruleset_root(b"".join(self._fields.values()))

    @property
    def promotion_ids(self) -> list[str]:
        return [key for number, key in self._fields if number == PROMOTION]


def field(number: int, body: bytes) -> bytes:
    """The bytes of a field that holds a message."""
    length = len(body)
    varint = bytearray()
    while length > 0x7F:
        varint.append(length & 0x7F | 0x80)
        length >>= 7
    varint.append(length)
    return bytes((number << 3 | 2,)) + bytes(varint) + body


def _cut(ruleset: bytes) -> dict[ItemKey, bytes]:
    return {
        (number, key): field(number, body) for number, key, body in dealwright_engine.ruleset_items(ruleset)
    }
