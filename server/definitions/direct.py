"""Publishing straight from files, without a review: for administrators, and the audit log says so."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dealwright.v1.diagnostic_pb2 import Diagnostic
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.ruleset_pb2 import Ruleset
from sqlalchemy import Connection

from server.actors import Actor
from server.audit import service as audit
from server.audit.service import Event
from server.definitions.checks.gate import Consent
from server.definitions.checks.test_carts import Outcome
from server.definitions.contents import RULESET_FIELDS, Contents
from server.definitions.differences import Difference
from server.definitions.lifecycle import Action, Review, Standing
from server.definitions.publishing import (
    ReferenceChanges,
    Revised,
    Revising,
    has_change,
    head_contents,
    reference_changes,
    revise,
    settings_events,
)
from server.definitions.rollouts import Plan
from server.definitions.store import promotions as store
from server.definitions.store import revisions as revision_store
from server.definitions.store.promotions import Head, Place
from server.definitions.store.revisions import StoredPromotion
from server.definitions.validation import fault
from server.documents import to_value
from server.runtime.errors import DefinitionsRefused

Json = dict[str, Any]

DIRECTLY = "publish_directly"
"""The action, as revisions and the audit log name it."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What is published straight from files, without a review."""

    promotions: Sequence[Promotion] = ()
    deleted_ids: Collection[str] = ()
    settings: Ruleset | None = None
    """Policy, stores, categories and calendars. What it doesn't have stays as it is."""
    complete: bool = False
    """The promotions given are all that the company has: others are archived."""
    actor: Actor | None = None
    """Who publishes. None: whoever runs this process on the machine that has the database."""
    comment: str = ""
    dry_run: bool = False
    """Find out what would come of it, and change nothing."""
    accept_deviations: str = ""
    """Why deviations of test carts are accepted. Empty: they aren't."""
    accept_sizes: str = ""
    """Why it is accepted what stores receive. Empty: it isn't."""
    rollout: Plan | None = None
    """Which stores have it first. None: all have it at once."""


@dataclass(frozen=True, slots=True)
class Published:
    """What a publication did. Without any change `revision` is the one that already was."""

    company_id: str
    revision: int
    written: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    paused: tuple[str, ...] = ()
    """Those of `written` that stay out of force, since somebody paused them."""
    settings_changed: bool = False
    warnings: tuple[Diagnostic, ...] = ()
    differences: tuple[Difference, ...] = ()
    test_carts: tuple[Outcome, ...] = ()

    @property
    def changed(self) -> bool:
        return bool(self.written or self.deleted or self.settings_changed)


def publish_directly(connection: Connection, actor: Actor, publication: Publication) -> Published:
    """Publishes what files say. Versions and entries are written first, the head is taken last."""
    before = head_contents(connection, actor.company_id)
    wanted = {promotion.id: to_value(promotion) for promotion in publication.promotions}
    heads = _heads(connection, actor, publication, wanted)
    known = _published_definitions(connection, actor, heads)
    written = {key: definition for key, definition in wanted.items() if known.get(key) != definition}
    gone = _gone(publication, wanted, heads)
    consent = Consent(publication.accept_deviations, publication.dry_run, publication.accept_sizes)
    step = Revising(DIRECTLY, publication.comment, consent, publication.rollout, publication.deleted_ids)
    step.policy, step.references = _settings(publication.settings, before)

    numbers = store.insert_versions(
        connection, actor.company_id, written.values(), heads, actor.name, publication.comment
    )
    places = [_published(key, number, heads.get(key)) for key, number in numbers.items()]
    places += [_archived(heads[key]) for key in gone]
    events = [_event(place, before.revision + 1, publication.comment, known, written) for place in places]
    entries = audit.append(connection, actor, [*events, *settings_events(before, step)])
    store.put_places(connection, actor.company_id, places, entries)
    for place in places:
        _add(step, place, heads.get(place.promotion_id), written)

    revised = revise(connection, actor, before, step) if has_change(step) else Revised(before.revision)
    return Published(
        actor.company_id,
        revised.revision,
        written=tuple(sorted(written)),
        unchanged=tuple(sorted(wanted.keys() - written.keys())),
        deleted=tuple(gone),
        paused=tuple(sorted(place.promotion_id for place in places if place.standing is Standing.PAUSED)),
        settings_changed=step.policy is not None or any(step.references.values()),
        warnings=revised.warnings,
        differences=revised.differences,
        test_carts=revised.test_carts,
    )


def _heads(
    connection: Connection, actor: Actor, publication: Publication, wanted: Mapping[str, Json]
) -> dict[str, Head]:
    ids = None if publication.complete else [*wanted, *publication.deleted_ids]
    return store.heads(connection, actor.company_id, revision_store.database_time(connection), ids)


def _published_definitions(
    connection: Connection, actor: Actor, heads: Mapping[str, Head]
) -> dict[str, Json]:
    """What is published now, paused or not, by id."""
    numbers = ((key, head.published_version) for key, head in heads.items())
    wanted = [(key, number) for key, number in numbers if number is not None]
    versions = store.versions(connection, actor.company_id, wanted)
    return {version.promotion_id: version.definition for version in versions.values()}


def _gone(publication: Publication, wanted: Mapping[str, Json], heads: Mapping[str, Head]) -> list[str]:
    """What is to be archived: the ids given, which have to exist, or everything that isn't wanted."""
    there = {key for key, head in heads.items() if head.standing is not Standing.ARCHIVED}
    unknown = [key for key in publication.deleted_ids if key not in there]
    both = [key for key in publication.deleted_ids if key in wanted]
    if unknown or both:
        raise DefinitionsRefused(
            [
                *(
                    fault("promotion_unknown", "delete", f"there is no promotion {key}", key)
                    for key in unknown
                ),
                *(
                    fault("duplicate_id", "delete", f"{key} is to be deleted and published at once", key)
                    for key in both
                ),
            ]
        )
    published = {key for key in there if heads[key].published_version is not None}
    complete = published - wanted.keys() if publication.complete else set()
    return sorted(complete | set(publication.deleted_ids))


def _published(key: str, version: int, head: Head | None) -> Place:
    """A promotion after its publication. A pause holds until somebody resumes it."""
    paused = head is not None and head.standing is Standing.PAUSED
    standing = Standing.PAUSED if paused else Standing.PUBLISHED
    return Place(key, version, Review.PUBLISHED, version, standing, ())


def _archived(head: Head) -> Place:
    return Place(head.promotion_id, head.version, head.review, None, Standing.ARCHIVED, head.approvers)


def _event(
    place: Place, revision: int, comment: str, known: Mapping[str, Json], written: Mapping[str, Json]
) -> Event:
    """What is recorded of a promotion. Putting away a mere draft is no part of a revision."""
    key = place.promotion_id
    if place.standing is not Standing.ARCHIVED:
        before, after = known.get(key), written[key]
        return Event(DIRECTLY, "promotion", key, place.version, revision, comment, before, after)
    made = revision if key in known else None
    return Event(
        Action.ARCHIVE,
        "promotion",
        key,
        place.version,
        made,
        comment,
        before=known.get(key),
        after={"standing": place.standing},
    )


def _add(step: Revising, place: Place, head: Head | None, written: Mapping[str, Json]) -> None:
    """Adds a promotion to the revision, unless nothing of it was or is in force."""
    key = place.promotion_id
    if place.standing is Standing.ARCHIVED:
        if head is not None and head.published_version is not None:
            step.put("archive", StoredPromotion(key, place.version, {}))
        return
    change = "pause" if place.standing is Standing.PAUSED else "publish"
    step.put(change, StoredPromotion(key, place.version, written[key]))


def _settings(settings: Ruleset | None, before: Contents) -> tuple[Json | None, ReferenceChanges]:
    """What a settings document changes. A list that it has is complete; one that it lacks stays."""
    if settings is None:
        return None, {}
    value = to_value(settings)
    # The first document gives a company its policy, be it that of every default.
    policy = value.get("policy", {} if before.policy is None else None)
    references = {
        kind: reference_changes(
            before.references[kind], {item.get("id", ""): item for item in value[name]}, complete=True
        )
        for kind, name in RULESET_FIELDS.items()
        if name in value
    }
    return (policy if policy != before.policy else None), references
