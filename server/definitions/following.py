"""Following what is published: the newest ruleset of a company, of which only what has changed is read."""

from dataclasses import dataclass, field

from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.ruleset_pb2 import Ruleset
from sqlalchemy import Connection

from server.definitions.contents import RULESET_FIELDS, Contents, read_promotion
from server.definitions.store import promotions as promotion_store
from server.definitions.store import references, revisions
from server.definitions.store.revisions import IN_FORCE, StoredPromotion


@dataclass(frozen=True, slots=True)
class _Held:
    """What was read last: a revision, apart into its promotions and everything else."""

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

    def newer(self, connection: Connection, company_id: str, than: int) -> Ruleset | None:
        """The last revision of a company; None when it is the one given, or nothing was ever published."""
        head = revisions.head_revision(connection, company_id) or 0
        if head in (0, than):
            return None
        held = self._held
        # A database that was put back to an earlier state begins anew.
        if held.company_id != company_id or held.revision > head:
            held = _Held(company_id)
        if held.revision < head:
            self._held = held = _read(connection, held, head)
        return held.ruleset()


def _read(connection: Connection, held: _Held, head: int) -> _Held:
    """What is in force at a revision, from what was before."""
    changes = revisions.changes_between(connection, held.company_id, held.revision, head)
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
    return _Held(held.company_id, head, _settings(connection, held, head), promotions)


def _settings(connection: Connection, held: _Held, head: int) -> Ruleset:
    """A revision without its promotions."""
    company_id, kinds = held.company_id, RULESET_FIELDS
    if held.revision and not revisions.settings_changed(connection, company_id, held.revision, head, kinds):
        settings = Ruleset()
        settings.CopyFrom(held.settings)
        settings.revision = head
        return settings
    policy = revisions.policy_at(connection, company_id, head)
    known = references.references_at(connection, company_id, head, kinds)
    return Contents(company_id, head, {}, policy, known).ruleset()
