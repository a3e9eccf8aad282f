"""Making revisions: what every publication does, whoever asks for it, and publishing straight from files."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dealwright.v1.diagnostic_pb2 import Diagnostic
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.ruleset_pb2 import Ruleset
from sqlalchemy import Connection

from server.actors import Actor
from server.audit import service as audit
from server.audit.service import Event
from server.definitions.contents import RULESET_FIELDS, Contents, contents_at
from server.definitions.differences import Difference, between
from server.definitions.lifecycle import Review, Standing
from server.definitions.store import promotions as promotion_store
from server.definitions.store import references as reference_store
from server.definitions.store import revisions as revision_store
from server.definitions.store.promotions import Head, Place
from server.definitions.store.revisions import Change, StoredPromotion
from server.definitions.validation import fault, require_compiling
from server.documents import to_value
from server.runtime.errors import DefinitionsRefused

Json = dict[str, Any]

ReferenceChanges = Mapping[str, Mapping[str, Json | None]]
"""Protojson by kind and id; None is gone."""


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

    @property
    def changed(self) -> bool:
        return bool(self.written or self.deleted or self.settings_changed)


@dataclass(slots=True)
class Revising:
    """The next revision, as it is put together."""

    action: str
    comment: str
    changes: list[Change] = field(default_factory=list)
    promotions: dict[str, StoredPromotion | None] = field(default_factory=dict)
    policy: Json | None = None
    references: ReferenceChanges = field(default_factory=dict)

    def put(self, change: str, stored: StoredPromotion) -> None:
        """Changes a promotion; whether it is in force afterwards follows from the change."""
        version = None if change == "archive" else stored.version
        self.changes.append(Change(stored.promotion_id, change, version))
        self.promotions[stored.promotion_id] = stored if change in revision_store.IN_FORCE else None

    def __bool__(self) -> bool:
        return bool(self.changes or self.policy is not None or any(self.references.values()))


@dataclass(frozen=True, slots=True)
class Revised:
    """A revision that was made."""

    revision: int
    warnings: tuple[Diagnostic, ...]
    differences: tuple[Difference, ...]


def head_contents(connection: Connection, company_id: str) -> Contents:
    """What is in force now. Under the company's lock it stays so."""
    return contents_at(connection, company_id, revision_store.head_revision(connection, company_id) or 0)


def revise(connection: Connection, actor: Actor, before: Contents, step: Revising) -> Revised:
    """Makes the next revision, the last thing that a transaction does: the head is taken here.

    The caller holds the company's lock, has written the versions and recorded what happens.
    """
    after = before.changed(step.promotions, step.policy, step.references)
    if step.policy is not None:
        _require_time_zone(connection, step.policy.get("time_zone", ""))
    warnings = require_compiling(after.ruleset())
    number = revision_store.take_revision(connection, actor.company_id, step.action, actor.name, step.comment)
    revision_store.append_changes(connection, actor.company_id, number, step.changes)
    if step.policy is not None:
        revision_store.insert_policy(connection, actor.company_id, number, step.policy)
    reference_store.append_references(connection, actor.company_id, number, step.references)
    revision_store.notify(connection, actor.company_id, number)
    return Revised(number, tuple(warnings), tuple(between(before, after)))


def publish_directly(connection: Connection, actor: Actor, publication: Publication) -> Published:
    """Publishes what files say. The head is taken last."""
    before = head_contents(connection, actor.company_id)
    wanted = {promotion.id: to_value(promotion) for promotion in publication.promotions}
    ids = [*wanted, *publication.deleted_ids]
    heads = promotion_store.heads(
        connection, actor.company_id, _now(connection), None if publication.complete else ids
    )
    written = _written(connection, actor.company_id, wanted, heads)
    gone = _gone(publication, wanted, heads)
    step = Revising("publish_directly", publication.comment)
    step.policy, step.references = _settings(publication.settings, before)

    numbers = promotion_store.insert_versions(
        connection, actor.company_id, written.values(), heads, actor.name, publication.comment
    )
    events = [
        Event(
            "publish_directly",
            "promotion",
            key,
            numbers[key],
            before.revision + 1,
            publication.comment,
            _in_force(before, key),
            written[key],
        )
        for key in written
    ]
    events += [
        Event(
            "archive",
            "promotion",
            key,
            None,
            before.revision + 1,
            publication.comment,
            before={"standing": heads[key].standing},
            after={"standing": Standing.ARCHIVED},
        )
        for key in gone
    ]
    events += settings_events(before, step)
    entries = audit.append(connection, actor, events)
    places = [
        _published(key, numbers[key], heads.get(key), entry)
        for key, entry in zip(written, entries, strict=False)
    ]
    archived = [
        Place(key, heads[key].version, heads[key].review, None, Standing.ARCHIVED, entry)
        for key, entry in zip(gone, entries[len(written) :], strict=False)
    ]
    promotion_store.put_places(connection, actor.company_id, [*places, *archived])
    for place in places:
        change = "pause" if place.standing is Standing.PAUSED else "publish"
        step.put(change, StoredPromotion(place.promotion_id, place.version, written[place.promotion_id]))
    for key in gone:
        if heads[key].published_version is not None:
            step.put("archive", StoredPromotion(key, heads[key].version, {}))

    unchanged = tuple(sorted(wanted.keys() - written.keys()))
    revised = revise(connection, actor, before, step) if step else Revised(before.revision, (), ())
    return Published(
        actor.company_id,
        revised.revision,
        tuple(sorted(written)),
        unchanged,
        tuple(sorted(gone)),
        tuple(sorted(place.promotion_id for place in places if place.standing is Standing.PAUSED)),
        settings_changed=step.policy is not None or any(step.references.values()),
        warnings=revised.warnings,
        differences=revised.differences,
    )


def settings_events(before: Contents, step: Revising) -> list[Event]:
    """What is recorded of a change of the policy and of reference data."""
    revision = before.revision + 1
    events = []
    if step.policy is not None:
        events.append(Event("change", "policy", "", None, revision, step.comment, before.policy, step.policy))
    for kind, by_id in step.references.items():
        known = before.references.get(kind, {})
        events += [
            Event("change", kind, key, None, revision, step.comment, known.get(key), definition)
            for key, definition in by_id.items()
        ]
    return events


def reference_changes(
    known: Mapping[str, Json], wanted: Mapping[str, Json], *, complete: bool
) -> dict[str, Json | None]:
    """What has to change so that reference data is as wanted; those not given go when it is complete."""
    changes: dict[str, Json | None] = {
        key: definition for key, definition in wanted.items() if known.get(key) != definition
    }
    if complete:
        changes |= dict.fromkeys(sorted(known.keys() - wanted.keys()))
    return changes


def _now(connection: Connection) -> Any:
    return revision_store.database_time(connection)


def _written(
    connection: Connection, company_id: str, wanted: Mapping[str, Json], heads: Mapping[str, Head]
) -> dict[str, Json]:
    """What isn't already published as it is wanted."""
    published = {
        key: head.published_version for key, head in heads.items() if head.published_version is not None
    }
    there = promotion_store.versions(connection, company_id, published.items())
    known = {version.promotion_id: version.definition for version in there.values()}
    return {key: definition for key, definition in wanted.items() if known.get(key) != definition}


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


def _published(key: str, version: int, head: Head | None, entry: int) -> Place:
    """A promotion after its publication. A pause holds until somebody resumes it."""
    paused = head is not None and head.standing is Standing.PAUSED
    return Place(
        key, version, Review.PUBLISHED, version, Standing.PAUSED if paused else Standing.PUBLISHED, entry
    )


def _in_force(contents: Contents, key: str) -> Json | None:
    stored = contents.promotions.get(key)
    return stored.definition if stored else None


def _settings(settings: Ruleset | None, before: Contents) -> tuple[Json | None, ReferenceChanges]:
    """What a settings document changes. A list that it has is complete; one that it lacks stays."""
    if settings is None:
        return None, {}
    value = to_value(settings)
    policy = value.get("policy")
    references = {
        kind: reference_changes(
            before.references[kind], {item.get("id", ""): item for item in value[name]}, complete=True
        )
        for kind, name in RULESET_FIELDS.items()
        if name in value
    }
    return (policy if policy != before.policy else None), references


def _require_time_zone(connection: Connection, zone: str) -> None:
    if zone and not revision_store.knows_time_zone(connection, zone):
        raise DefinitionsRefused(
            [fault("time_zone_unknown", "policy.time_zone", f"the database doesn't know the zone {zone}")]
        )
