"""Moving promotions through their life, one or many at once; what is published makes one revision."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from server.actors import Actor
from server.audit import service as audit
from server.audit.service import Event
from server.definitions.approving import require_other_eyes, waiting
from server.definitions.checks.gate import Consent
from server.definitions.conflicts import require_fresh
from server.definitions.contents import read_promotion
from server.definitions.drafts import unknown_promotion
from server.definitions.lifecycle import Action, Review, Standing, Transition, check
from server.definitions.publishing import Revised, Revising, has_change, head_contents, revise
from server.definitions.rollouts import Plan
from server.definitions.store import promotions as store
from server.definitions.store.promotions import Head, Place
from server.definitions.store.revisions import StoredPromotion
from server.definitions.validation import require_valid
from server.runtime.errors import Invalid


@dataclass(frozen=True, slots=True)
class Target:
    """A promotion that something is done with, and what is known of it."""

    promotion_id: str
    etag: int | None = None
    """The etag of what the decision is about. None: whatever is there."""


def act(
    connection: Connection,
    actor: Actor,
    action: Action,
    targets: Sequence[Target],
    heads: Mapping[str, Head],
    comment: str,
    consent: Consent,
    rollout: Plan | None = None,
) -> Revised:
    """Does something with promotions in the caller's transaction: with all of them, or a refusal."""
    _require_different(targets)
    found = [_require_possible(connection, actor, action, target, heads) for target in targets]
    places = [_after(action, head, transition) for head, transition in found]
    ids: tuple[str, ...] = ()
    if action is Action.APPROVE:
        ids = waiting(connection, actor.company_id, [head for head, _ in found])
        places = [_approved(place, actor, waits=place.promotion_id in ids) for place in places]
    step = _step(connection, actor, Revising(action, comment, consent, rollout), places, heads)
    before = head_contents(connection, actor.company_id)
    revision = before.revision + 1 if step else None
    entries = audit.append(
        connection,
        actor,
        [
            Event(
                action,
                "promotion",
                place.promotion_id,
                place.version,
                revision,
                comment,
                _recorded(heads[place.promotion_id], place),
                _recorded(place, heads[place.promotion_id]),
            )
            for place in places
        ],
    )
    store.put_places(connection, actor.company_id, places, entries)
    if not has_change(step):
        return Revised(before.revision, waiting_ids=ids)
    return revise(connection, actor, before, step)


def _require_different(targets: Sequence[Target]) -> None:
    ids = [target.promotion_id for target in targets]
    twice = next((key for key in ids if ids.count(key) > 1), None)
    if twice is not None:
        raise Invalid("DUPLICATE", f"{twice} is named twice", field="promotions", promotion_id=twice)
    if not ids:
        raise Invalid("REQUIRED", "name at least one promotion", field="promotions")


def _require_possible(
    connection: Connection, actor: Actor, action: Action, target: Target, heads: Mapping[str, Head]
) -> tuple[Head, Transition]:
    head = heads.get(target.promotion_id)
    if head is None:
        raise unknown_promotion(target.promotion_id)
    require_fresh(connection, actor.company_id, "promotion", head.promotion_id, head, target.etag)
    transition = check(action, head.promotion_id, head.state, head.review)
    if action is Action.APPROVE:
        require_other_eyes(connection, actor, head)
    return head, transition


def _after(action: Action, head: Head, transition: Transition) -> Place:
    """Where a promotion stands afterwards."""
    review = transition.review or head.review
    standing = transition.standing or head.standing
    published = head.published_version
    if action is Action.PUBLISH:
        published = head.version
        standing = Standing.PAUSED if head.standing is Standing.PAUSED else standing
    elif standing in (Standing.ARCHIVED, Standing.UNPUBLISHED):
        published = None
    # What happens to the published version says nothing of the newest one.
    approvers = head.approvers if transition.review in (None, Review.APPROVED) else ()
    return Place(head.promotion_id, head.version, review, published, standing, approvers)


def _approved(place: Place, actor: Actor, *, waits: bool) -> Place:
    review = Review.IN_REVIEW if waits else Review.APPROVED
    return replace(place, review=review, approvers=(*place.approvers, actor.name))


def _step(
    connection: Connection,
    actor: Actor,
    step: Revising,
    places: Sequence[Place],
    heads: Mapping[str, Head],
) -> Revising:
    """Adds what the transitions change of what is in force."""
    action = Action(step.action)
    moved = [
        (place, change)
        for place in places
        if (change := _change(action, heads[place.promotion_id], place)) is not None
    ]
    wanted = ((place.promotion_id, place.published_version or place.version) for place, _ in moved)
    versions = store.versions(connection, actor.company_id, wanted)
    stored = {
        key: StoredPromotion(key, number, version.definition) for (key, number), version in versions.items()
    }
    if action is Action.PUBLISH:
        require_valid(read_promotion(one) for one in stored.values())
    for place, change in moved:
        step.put(change, stored[place.promotion_id])
    return step


def _change(action: Action, head: Head, place: Place) -> str | None:
    """The entry of the change log; None when nothing in force is touched."""
    if place.published_version is None and head.published_version is None:
        return None
    if action is Action.PUBLISH:
        return "pause" if place.standing is Standing.PAUSED else "publish"
    return action.value if action in (Action.PAUSE, Action.RESUME, Action.ARCHIVE) else None


def _recorded(place: Place, other: Place) -> dict[str, object]:
    """What differs from another place, for the audit log."""
    names = ("review", "standing", "published_version")
    return {name: getattr(place, name) for name in names if getattr(place, name) != getattr(other, name)}
