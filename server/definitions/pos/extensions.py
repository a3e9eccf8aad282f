"""The section `extensions`: parts of a definition that no other section can say, as the schema has them."""

from typing import Any

from dealwright.v1.promotion_pb2 import Promotion
from google.protobuf.json_format import ParseDict, ParseError

from server.definitions.pos.edition import Inexact
from server.definitions.pos.normal import UNPRICED
from server.documents import to_value

Json = dict[str, Any]

HEAD = ("id", "code", "priority")
"""The fields that every document says exactly."""

PARTS = tuple(field.name for field in Promotion.DESCRIPTOR.fields if field.name not in (*HEAD, *UNPRICED))
"""The parts of a definition that an extension may say, each as a whole."""

PLAIN_VERSION = "1.0"
EXTENDED_VERSION = "1.1"
"""The `compiler_version` of documents with extensions, which are for tills that say they understand them."""

ELSEWHERE = "see extensions"
"""What `rules` says in place of the rule when that is an extension: who reads on gets no half of it."""


def extended(plain: Json, promotion: Promotion, wanted: Promotion, said: Promotion) -> Json:
    """The document with the parts of the wanted definition that aren't as they are said."""
    parts = Promotion()
    for part in PARTS:
        if _of(wanted, part) != _of(said, part):
            _put(parts, part, wanted)
    if parts.HasField("upsell"):
        # A normal definition has no texts, and `rules` has no message then.
        parts.upsell.message.extend(promotion.upsell.message)
    written = to_value(parts)
    if not written:
        return plain
    rules = (
        {"type": plain["rules"]["type"], "error": ELSEWHERE}
        if plain["promo_type"] in written
        else plain["rules"]
    )
    return {**plain, "rules": rules, "compiler_version": EXTENDED_VERSION, "extensions": written}


def superseded(promotion: Promotion, document: Json) -> None:
    """Puts the parts that a document says as extensions in place of what its other sections say of them."""
    extensions = document.get("extensions", {})
    for part in extensions:
        promotion.ClearField(part)
    try:
        ParseDict(extensions, promotion)
    except ParseError as error:
        raise Inexact(str(error)) from error


def understood(document: Json, extensions: frozenset[str] | None) -> bool:
    """Whether a till that knows some extensions, or all of them, reads the whole document."""
    return extensions is None or extensions.issuperset(document.get("extensions", ()))


def _of(promotion: Promotion, part: str) -> tuple[bool, object]:
    present = not Promotion.DESCRIPTOR.fields_by_name[part].has_presence or promotion.HasField(part)  # type: ignore[arg-type]
    return present, getattr(promotion, part)


def _put(parts: Promotion, part: str, source: Promotion) -> None:
    if Promotion.DESCRIPTOR.fields_by_name[part].message_type is None:
        setattr(parts, part, getattr(source, part))
    elif source.HasField(part):  # type: ignore[arg-type]
        getattr(parts, part).CopyFrom(getattr(source, part))
