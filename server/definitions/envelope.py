"""What is read of a definition that only a newer program can read: the envelope, as `Promotion` names it."""

from typing import Any

from dealwright.v1.promotion_pb2 import Promotion
from google.protobuf.json_format import ParseDict, ParseError

from server.definitions.store.revisions import StoredPromotion

UNREADABLE_RULE_LANGUAGE = 2**31 - 1
"""No engine ever speaks this version, so a promotion that carries it is reported as unsupported."""

PARTS = ("priority", "trigger", "schedule", "targeting", "stacking", "on_unsupported")
"""The fields that the envelope lies in."""


def envelope(stored: StoredPromotion) -> Promotion:
    """The envelope of a stored definition, as a promotion that no engine applies."""
    promotion = Promotion(id=stored.promotion_id, rule_language=UNREADABLE_RULE_LANGUAGE)
    for part in PARTS:
        if part in stored.definition:
            promotion.MergeFrom(_read(part, stored.definition[part]))
    return promotion


def is_envelope(promotion: Promotion) -> bool:
    """Whether nothing but the envelope of a definition could be read."""
    return promotion.rule_language == UNREADABLE_RULE_LANGUAGE


def _read(part: str, value: Any) -> Promotion:
    """A part without what isn't known of it; nothing where even that can't be read."""
    try:
        return ParseDict({part: value}, Promotion(), ignore_unknown_fields=True)
    except ParseError:
        return Promotion()
