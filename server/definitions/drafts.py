"""Saving promotions as drafts: each save is a new version, and a stale one is a conflict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dealwright.v1.diagnostic_pb2 import Diagnostic
from dealwright.v1.promotion_pb2 import Promotion
from sqlalchemy import Connection

from server.actors import Actor
from server.audit import service as audit
from server.audit.service import Event
from server.definitions.conflicts import require_fresh
from server.definitions.differences import Difference, of_one
from server.definitions.lifecycle import Action, Review, Standing, check
from server.definitions.store import promotions as store
from server.definitions.store.promotions import Head, Place
from server.documents import to_value
from server.runtime.errors import AlreadyThere, Unknown

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Draft:
    """A promotion to be saved, and what it was based on."""

    promotion: Promotion
    new: bool | None = None
    """True: it has to be new. False: it has to exist. None: either, as when files are applied."""
    etag: int | None = None
    """The etag of what was read before it was edited. None: whatever is there is replaced."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What saving did, by promotion id."""

    created: tuple[str, ...]
    updated: tuple[str, ...]
    unchanged: tuple[str, ...]
    warnings: tuple[Diagnostic, ...]
    differences: tuple[Difference, ...]


def save(
    connection: Connection,
    actor: Actor,
    heads: Mapping[str, Head],
    drafts: Sequence[Draft],
    comment: str,
    warnings: Sequence[Diagnostic],
) -> Saved:
    """Saves drafts in the caller's transaction. What says the same as the newest version makes no version."""
    for draft in drafts:
        _require_possible(connection, actor, draft, heads.get(draft.promotion.id))
    wanted = {draft.promotion.id: to_value(draft.promotion) for draft in drafts}
    newest = store.versions(
        connection, actor.company_id, ((key, heads[key].version) for key in wanted if key in heads)
    )
    known = {version.promotion_id: version.definition for version in newest.values()}
    written = {key: value for key, value in wanted.items() if _differs(value, known.get(key), heads.get(key))}

    numbers = store.insert_versions(
        connection, actor.company_id, written.values(), heads, actor.name, comment
    )
    entries = audit.append(
        connection,
        actor,
        [
            Event(
                Action.UPDATE if key in heads else "create",
                "promotion",
                key,
                numbers[key],
                None,
                comment,
                known.get(key),
                definition,
            )
            for key, definition in written.items()
        ],
    )
    places = [_place(key, numbers[key], heads.get(key)) for key in written]
    store.put_places(connection, actor.company_id, places, entries)
    differences = (of_one("promotion", key, known.get(key), value) for key, value in written.items())
    return Saved(
        tuple(key for key in written if key not in heads),
        tuple(key for key in written if key in heads),
        tuple(key for key in wanted if key not in written),
        tuple(warnings),
        tuple(difference for difference in differences if difference is not None),
    )


def _require_possible(connection: Connection, actor: Actor, draft: Draft, head: Head | None) -> None:
    key = draft.promotion.id
    if head is None:
        if draft.new is False:
            raise unknown_promotion(key)
        return
    if draft.new:
        archived = "; restore it first" if head.standing is Standing.ARCHIVED else ""
        raise AlreadyThere(
            "PROMOTION_EXISTS",
            f"there is a promotion {key} already{archived}",
            field="promotion.id",
            promotion_id=key,
        )
    require_fresh(connection, actor.company_id, "promotion", key, head, draft.etag)
    if draft.new is False:
        check(Action.UPDATE, key, head.state, head.review)


def unknown_promotion(promotion_id: str) -> Unknown:
    """The refusal for an id that the company doesn't have."""
    return Unknown("PROMOTION_UNKNOWN", f"there is no promotion {promotion_id}", promotion_id=promotion_id)


def _differs(definition: Json, known: Json | None, head: Head | None) -> bool:
    return definition != known or (head is not None and head.standing is Standing.ARCHIVED)


def _place(key: str, version: int, head: Head | None) -> Place:
    """Where a promotion stands after a save. What is published stays so; what was archived is taken up."""
    if head is None or head.standing is Standing.ARCHIVED:
        return Place(key, version, Review.DRAFT, None, Standing.UNPUBLISHED, ())
    return Place(key, version, Review.DRAFT, head.published_version, head.standing, ())
