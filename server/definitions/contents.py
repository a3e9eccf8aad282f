"""What a revision holds, and the ruleset that it is."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import structlog
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.reference_pb2 import Brand, Product
from dealwright.v1.ruleset_pb2 import Category, HolidayCalendar, Ruleset, Store
from google.protobuf.message import Message
from sqlalchemy import Connection

from server.definitions.envelope import envelope
from server.definitions.store import references, revisions
from server.definitions.store.references import References
from server.definitions.store.revisions import StoredPromotion
from server.documents import DocumentError, Source, parse_message, parse_value

log = structlog.get_logger()

KINDS: dict[str, type[Message]] = {
    "brand": Brand,
    "store": Store,
    "product": Product,
    "category": Category,
    "holiday_calendar": HolidayCalendar,
}
"""The kinds of reference data and the messages that describe them."""

RULESET_FIELDS = {"store": "stores", "category": "categories", "holiday_calendar": "holiday_calendars"}
"""The kinds that an evaluation needs, and the fields of a ruleset that hold them."""

Json = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in force at a revision of a company, as it is stored."""

    company_id: str
    revision: int
    promotions: Mapping[str, StoredPromotion]
    policy: Json | None
    references: References

    def changed(
        self,
        promotions: Mapping[str, StoredPromotion | None],
        policy: Json | None,
        reference_changes: Mapping[str, Mapping[str, Json | None]],
    ) -> "Contents":
        """What the next revision holds. None takes a promotion or a piece of reference data out."""
        merged = {**self.promotions, **promotions}
        kinds = {
            kind: {**by_id, **reference_changes.get(kind, {})} for kind, by_id in self.references.items()
        }
        return replace(
            self,
            revision=self.revision + 1,
            promotions=_present(merged),
            policy=self.policy if policy is None else policy,
            references={kind: _present(by_id) for kind, by_id in kinds.items()},
        )

    def ruleset(self, read: Mapping[tuple[str, int], Promotion] | None = None) -> Ruleset:
        """The ruleset of the revision: the same bytes each time.

        `read` has promotions that were read before, by id and version, since reading is what takes long.
        """
        fields: dict[str, Any] = {
            field: list(self.references[kind].values())
            for kind, field in RULESET_FIELDS.items()
            if self.references.get(kind)
        }
        if self.policy is not None:
            fields["policy"] = self.policy
        ruleset = parse_message(Source(f"the settings of {self.company_id}", fields), Ruleset)
        ruleset.company_id = self.company_id
        ruleset.revision = self.revision
        known = read or {}
        ruleset.promotions.extend(
            known.get((stored.promotion_id, stored.version)) or read_promotion(stored)
            for stored in self.promotions.values()
        )
        return ruleset


def rulesets(before: Contents, after: Contents) -> tuple[Ruleset, Ruleset]:
    """The rulesets of two revisions of a company; what both hold is read once."""
    newer = after.ruleset()
    versions = ((stored.promotion_id, stored.version) for stored in after.promotions.values())
    return before.ruleset(dict(zip(versions, newer.promotions, strict=True))), newer


def _present(by_id: Mapping[str, T | None]) -> dict[str, T]:
    """What is left when the tombstones are taken away, by id."""
    return {key: value for key, value in sorted(by_id.items()) if value is not None}


def contents_at(
    connection: Connection, company_id: str, revision: int, kinds: Mapping[str, object] = KINDS
) -> Contents:
    """What is in force at a revision, with the kinds of reference data that are asked for."""
    found = revisions.promotions_at(connection, company_id, revision)
    return Contents(
        company_id,
        revision,
        {stored.promotion_id: stored for stored in found},
        revisions.policy_at(connection, company_id, revision),
        references.references_at(connection, company_id, revision, kinds),
    )


def read_promotion(stored: StoredPromotion) -> Promotion:
    """A stored definition as a message. Of one that only a newer program can read it is the envelope."""
    name = f"{stored.promotion_id}, version {stored.version}"
    try:
        return parse_message(Source(name, stored.definition), Promotion)
    except DocumentError as error:
        log.warning(
            "promotion_unreadable", promotion=stored.promotion_id, version=stored.version, error=str(error)
        )
        return envelope(stored)


def read_reference(kind: str, definition: Json) -> Message:
    """A piece of reference data as a message."""
    return parse_value(Source(kind, definition), definition, KINDS[kind], "")
