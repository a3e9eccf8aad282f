"""Going back: a new revision that holds exactly what an earlier one held."""

from collections.abc import Mapping

from sqlalchemy import Connection

from server.actors import Actor
from server.audit import service as audit
from server.audit.service import Event
from server.definitions.checks.gate import Consent
from server.definitions.contents import Contents, contents_at
from server.definitions.lifecycle import Review, Standing
from server.definitions.publishing import (
    Revised,
    Revising,
    head_contents,
    reference_changes,
    revise,
    settings_events,
)
from server.definitions.rollouts import ROLL_BACK
from server.definitions.store import promotions as promotion_store
from server.definitions.store import revisions as revision_store
from server.definitions.store.promotions import Head, Place
from server.definitions.store.revisions import StoredPromotion


def roll_back(
    connection: Connection,
    actor: Actor,
    revision: int,
    comment: str,
    consent: Consent,
    action: str = ROLL_BACK,
) -> Revised:
    """Restores promotions, policy and reference data of a revision in the caller's transaction.

    Versions are used again, none is made; what was edited since stays as a draft.
    """
    before = head_contents(connection, actor.company_id)
    target = contents_at(connection, actor.company_id, revision)
    paused = revision_store.paused_at(connection, actor.company_id, revision)
    now = revision_store.database_time(connection)
    heads = promotion_store.heads(connection, actor.company_id, now)
    places = _places(target, paused, heads)

    step = _settings(before, target, Revising(action, comment, consent))
    entries = audit.append(
        connection,
        actor,
        [
            *(
                Event(
                    action,
                    "promotion",
                    place.promotion_id,
                    place.published_version,
                    before.revision + 1,
                    comment,
                    _recorded(heads[place.promotion_id]),
                    _recorded(place),
                )
                for place in places
            ),
            *settings_events(before, step),
        ],
    )
    promotion_store.put_places(connection, actor.company_id, places, entries)
    for place in places:
        stored = target.promotions.get(place.promotion_id) or paused.get(place.promotion_id)
        if place.standing is Standing.PUBLISHED and stored is not None:
            step.put("publish", stored)
        elif place.standing is Standing.PAUSED and stored is not None:
            step.put("pause", stored)
        else:
            step.put("archive", StoredPromotion(place.promotion_id, place.version, {}))
    if not step:
        return Revised(before.revision)
    return revise(connection, actor, before, step)


def _settings(before: Contents, target: Contents, step: Revising) -> Revising:
    """Adds what has to change of the policy and of reference data."""
    if (target.policy or {}) != (before.policy or {}):
        step.policy = target.policy or {}
    changes = {
        kind: reference_changes(before.references[kind], target.references[kind], complete=True)
        for kind in target.references
    }
    step.references = {kind: by_id for kind, by_id in changes.items() if by_id}
    return step


def _places(
    target: Contents, paused: Mapping[str, StoredPromotion], heads: Mapping[str, Head]
) -> list[Place]:
    """Where the promotions stand afterwards that stand elsewhere now."""
    places = []
    for key, head in heads.items():
        stored = target.promotions.get(key) or paused.get(key)
        standing = Standing.PUBLISHED if key in target.promotions else Standing.PAUSED
        if stored is None:
            standing = Standing.ARCHIVED
        version = stored.version if stored else None
        if (version, standing) == (head.published_version, head.standing):
            continue
        if stored is None and head.published_version is None:
            continue
        review = _review(head, version)
        approvers = () if review is Review.PUBLISHED else head.approvers
        places.append(Place(key, head.version, review, version, standing, approvers))
    return places


def _review(head: Head, version: int | None) -> Review:
    """What was published and no longer is becomes a draft again."""
    if head.version == version:
        return Review.PUBLISHED
    return Review.DRAFT if head.review is Review.PUBLISHED else head.review


def _recorded(place: Place) -> dict[str, object]:
    return {"published_version": place.published_version, "standing": place.standing}
