"""Making revisions: what every publication does, whoever asks for it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from dealwright.v1.diagnostic_pb2 import Diagnostic
from sqlalchemy import Connection

from server.actors import Actor
from server.audit import service as audit
from server.audit.service import Event
from server.definitions import rollouts
from server.definitions.checks.gate import Consent, pass_analysis, pass_sizes, pass_test_carts
from server.definitions.checks.guardrails import guardrails_of
from server.definitions.checks.test_carts import Outcome
from server.definitions.compiling import compiled
from server.definitions.contents import Contents, contents_at, rulesets
from server.definitions.differences import Difference, between
from server.definitions.rollouts import Plan
from server.definitions.store import pos as pos_store
from server.definitions.store import references as reference_store
from server.definitions.store import revisions as revision_store
from server.definitions.store.revisions import Change, StoredPromotion
from server.definitions.validation import fault, require_compiling
from server.events import service as events
from server.events.types import EventType
from server.runtime.errors import DefinitionsRefused, Refusal

Json = dict[str, Any]

TOLD_MAX = 100
"""How many promotions an event names; who needs all reads the difference of the revisions."""

ReferenceChanges = Mapping[str, Mapping[str, Json | None]]
"""Protojson by kind and id; None is gone."""


@dataclass(slots=True)
class Revising:
    """The next revision, as it is put together."""

    action: str
    comment: str
    consent: Consent
    rollout: Plan | None = None
    """Which stores have it first. None: all have it at once."""
    deleted_ids: Collection[str] = ()
    """Promotions that whoever makes it has named to be gone."""
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
    """What came of making a revision. `revision` is the last one, a new one if what is in force changed."""

    revision: int
    warnings: tuple[Diagnostic, ...] = ()
    differences: tuple[Difference, ...] = ()
    test_carts: tuple[Outcome, ...] = ()
    waiting_ids: tuple[str, ...] = ()
    """Promotions that stay in review until somebody else approves them too."""


def head_contents(connection: Connection, company_id: str) -> Contents:
    """What is in force now. Under the company's lock it stays so."""
    return contents_at(connection, company_id, revision_store.head_revision(connection, company_id) or 0)


def has_change(step: Revising) -> bool:
    """Whether a step makes a revision. Nothing isn't rolled out."""
    if not step and step.rollout is not None:
        raise Refusal("NOTHING_CHANGES", "it would change nothing, so there is nothing to roll out")
    return bool(step)


def revise(connection: Connection, actor: Actor, before: Contents, step: Revising) -> Revised:
    """Makes the next revision, the last thing that a transaction does: the head is taken here.

    The caller holds the company's lock, has written the versions and recorded what happens.
    """
    rollouts.require_settled(connection, actor.company_id, step.action, step.rollout)
    after = before.changed(step.promotions, step.policy, step.references)
    if step.policy is not None:
        _require_time_zone(connection, step.policy.get("time_zone", ""))
    ruleset_before, ruleset_after = rulesets(before, after)
    warnings = require_compiling(ruleset_after, ruleset_before)
    in_force = [key for key, stored in step.promotions.items() if stored is not None]
    rails = guardrails_of(connection, actor.company_id)
    products = after.references.get("product", {})
    found = pass_analysis(rails, step.action, step.consent, ruleset_after, products, in_force)
    repeated = {warning.promotion_id for warning in warnings if warning.code == "promotion_repeated"}
    # That they are applied together needn't be said of promotions that are known to be the same.
    warnings += [each for each in found if each.code != "given_twice" or each.promotion_id not in repeated]
    warnings += pass_sizes(
        connection,
        actor,
        rails,
        step.action,
        step.consent,
        ruleset_before,
        ruleset_after,
        step.deleted_ids,
    )
    outcomes = pass_test_carts(connection, actor, step.action, step.consent, ruleset_before, ruleset_after)
    by_id = {promotion.id: promotion for promotion in ruleset_after.promotions}
    now = revision_store.database_time(connection)
    documents = compiled(connection, before, after, by_id, step.promotions, now)
    cohort = _rolled_out(connection, actor, step, after)
    number = revision_store.take_revision(connection, actor.company_id, step.action, actor.name, step.comment)
    if step.rollout is not None:
        rollouts.begin(connection, actor.company_id, number, step.rollout, cohort)
    revision_store.append_changes(connection, actor.company_id, number, step.changes)
    if step.policy is not None:
        revision_store.insert_policy(connection, actor.company_id, number, step.policy)
    reference_store.append_references(connection, actor.company_id, number, step.references)
    pos_store.insert_documents(connection, actor.company_id, documents)
    changed = [change.promotion_id for change in step.changes]
    events.record(connection, actor.company_id, [_published(number, step.action, changed)])
    revision_store.notify(connection, actor.company_id, number)
    return Revised(number, tuple(warnings), tuple(between(before, after)), outcomes)


def _rolled_out(connection: Connection, actor: Actor, step: Revising, after: Contents) -> list[str]:
    """The stores that have the revision first, as it is recorded; none when all have it at once."""
    plan = step.rollout
    if plan is None:
        return []
    stores = rollouts.cohort(plan, actor.company_id, after.revision, after.references.get("store", {}))
    told: Json = {
        "store_ids": stores,
        "bake_seconds": plan.bake_seconds,
        "failures_max": plan.failures_max,
        "tills_min": plan.tills_min,
    }
    subject = str(after.revision)
    event = Event("start_rollout", "rollout", subject, None, after.revision, step.comment, after=told)
    audit.append(connection, actor, [event])
    return stores


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


def _published(revision: int, action: str, promotion_ids: list[str]) -> events.Event:
    """What is told of a new revision."""
    data = {"revision": revision, "action": action, "promotion_ids": promotion_ids[:TOLD_MAX]}
    return events.Event(EventType.RULESET_PUBLISHED, str(revision), data)


def _require_time_zone(connection: Connection, zone: str) -> None:
    if zone and not revision_store.knows_time_zone(connection, zone):
        raise DefinitionsRefused(
            [fault("time_zone_unknown", "policy.time_zone", f"the database doesn't know the zone {zone}")]
        )
