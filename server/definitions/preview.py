"""Previews: the production engine prices a cart with drafts, and nothing is changed."""

import time
from collections.abc import Sequence

import dealwright_engine
from dealwright.v1.evaluation_service_pb2 import ExplainRequest, ExplainResponse
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.ruleset_pb2 import Ruleset
from sqlalchemy import Connection

from server.definitions.contents import RULESET_FIELDS, contents_at, read_promotion
from server.definitions.store import revisions
from server.definitions.store.promotions import Version
from server.definitions.store.revisions import StoredPromotion
from server.definitions.validation import require_compiling


def ruleset(
    connection: Connection,
    company_id: str,
    drafts: Sequence[Version],
    promotions: Sequence[Promotion],
    *,
    alone: bool,
) -> Ruleset:
    """The ruleset in force with drafts in the place of what they replace, or with the drafts alone."""
    head = revisions.head_revision(connection, company_id) or 0
    in_force = contents_at(connection, company_id, head, RULESET_FIELDS).ruleset()
    tried = {
        draft.promotion_id: read_promotion(
            StoredPromotion(draft.promotion_id, draft.version, draft.definition)
        )
        for draft in drafts
    }
    tried |= {promotion.id: promotion for promotion in promotions}
    others = [] if alone else [promotion for promotion in in_force.promotions if promotion.id not in tried]
    found = Ruleset()
    found.CopyFrom(in_force)
    del found.promotions[:]
    found.promotions.extend([*others, *tried.values()])
    require_compiling(found, in_force)
    return found


def explain(message: Ruleset, request: ExplainRequest) -> ExplainResponse:
    """Explains a cart with a ruleset that is used once."""
    compiled = dealwright_engine.Ruleset.compile(message.SerializeToString(deterministic=True))
    return ExplainResponse.FromString(compiled.explain(request.SerializeToString(), time.time_ns()))
