"""Who may approve a promotion, and whether one is enough."""

from collections.abc import Sequence

from sqlalchemy import Connection

from server.actors import Actor
from server.definitions.checks.guardrails import exceeds_one_approval, guardrails_of
from server.definitions.contents import read_promotion
from server.definitions.store import promotions as store
from server.definitions.store import revisions as revision_store
from server.definitions.store.promotions import Head
from server.definitions.store.revisions import StoredPromotion
from server.runtime.errors import Denied, Refusal


def require_other_eyes(connection: Connection, actor: Actor, head: Head) -> None:
    """Nobody approves what they wrote, unless the company allows it, and nobody twice."""
    if actor.name in head.approvers:
        raise Refusal(
            "APPROVED_ALREADY",
            f"{actor.name} has approved {head.promotion_id}; the second approver has to be somebody else",
            promotion_id=head.promotion_id,
            actor=actor.name,
        )
    authors = store.authors_since(
        connection, actor.company_id, head.promotion_id, head.published_version or 0
    )
    if actor.name in authors and not revision_store.self_approval(connection, actor.company_id):
        raise Denied(
            "OWN_WORK",
            f"{actor.name} wrote {head.promotion_id} and can't approve it; somebody else has to",
            promotion_id=head.promotion_id,
            actor=actor.name,
        )


def waiting(connection: Connection, company_id: str, heads: Sequence[Head]) -> tuple[str, ...]:
    """Those of some promotions that need somebody else besides whoever approves them first, now."""
    first = [(head.promotion_id, head.version) for head in heads if not head.approvers]
    rails = guardrails_of(connection, company_id)
    if not rails.second_approver_above or not first:
        return ()
    versions = store.versions(connection, company_id, first).values()
    stored = (StoredPromotion(one.promotion_id, one.version, one.definition) for one in versions)
    return tuple(one.promotion_id for one in stored if exceeds_one_approval(rails, read_promotion(one)))
