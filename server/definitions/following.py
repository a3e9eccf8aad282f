"""Following what is published: what is in force at a company, of which only what has changed is read."""

from dataclasses import dataclass, field

from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.ruleset_pb2 import Ruleset
from sqlalchemy import Connection

from server.definitions.contents import RULESET_FIELDS, Contents, read_promotion
from server.definitions.front import Front, Newest
from server.definitions.store import promotions as promotion_store
from server.definitions.store import references, revisions, rollouts
from server.definitions.store.revisions import IN_FORCE, StoredPromotion


@dataclass(frozen=True, slots=True)
class _Held:
    """What was read: a revision, apart into its promotions and everything else."""

    company_id: str
    revision: int = 0
    settings: Ruleset = field(default_factory=Ruleset)
    promotions: dict[str, Promotion] = field(default_factory=dict)

    def ruleset(self) -> Ruleset:
        ruleset = Ruleset()
        ruleset.CopyFrom(self.settings)
        ruleset.promotions.extend(promotion for _, promotion in sorted(self.promotions.items()))
        return ruleset


class Follower:
    """Reads revision after revision; the same bytes as reading each one whole. For one thread at a time."""

    def __init__(self) -> None:
        self._held = _Held("")
        """What is in force outside of a cohort: where the next reading begins."""
        self._general = Ruleset()
        """Its ruleset, the same object as long as it is the same."""

    def newer(self, connection: Connection, company_id: str, than: Front | None) -> Newest | None:
        """What is in force at a company; None when that is as given, or nothing was ever published."""
        front = rollouts.front(connection, company_id)
        if front is None or front.head == 0 or front == than:
            return None
        held = self._held
        # A database that was put back to an earlier state begins anew.
        if held.company_id != company_id or held.revision > front.general:
            held = _Held(company_id)
        general = _read(connection, held, front.general)
        if general is not self._held:
            self._held, self._general = general, general.ruleset()
        candidate = None if front.cohort is None else _read(connection, general, front.head).ruleset()
        return Newest(front, self._general, candidate)


def _read(connection: Connection, held: _Held, number: int) -> _Held:
    """What is in force at a revision, from what was before."""
    if held.revision == number:
        return held
    changes = revisions.changes_between(connection, held.company_id, held.revision, number)
    wanted = [
        (change.promotion_id, change.version)
        for change in changes
        if change.change in IN_FORCE and change.version is not None
    ]
    found = promotion_store.versions(connection, held.company_id, wanted)
    left = held.promotions.keys() - {change.promotion_id for change in changes}
    promotions = {key: held.promotions[key] for key in left} | {
        key: read_promotion(StoredPromotion(key, version, found[key, version].definition))
        for key, version in wanted
    }
    return _Held(held.company_id, number, _settings(connection, held, number), promotions)


def _settings(connection: Connection, held: _Held, number: int) -> Ruleset:
    """A revision without its promotions."""
    company_id, kinds = held.company_id, RULESET_FIELDS
    if held.revision and not revisions.settings_changed(connection, company_id, held.revision, number, kinds):
        settings = Ruleset()
        settings.CopyFrom(held.settings)
        settings.revision = number
        return settings
    policy = revisions.policy_at(connection, company_id, number)
    known = references.references_at(connection, company_id, number, kinds)
    return Contents(company_id, number, {}, policy, known).ruleset()
