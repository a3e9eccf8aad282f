"""People of a company, and promotions brought to every state."""

from dealwright.v1.promotion_pb2 import Promotion

from server.actors import Actor, Role
from server.definitions.drafts import Draft
from server.definitions.lifecycle import Action, State
from server.definitions.promotions import Promotions
from server.definitions.transitions import Target
from tests.definitions.samples import percent_off


def person(name: str, *roles: Role, company_id: str = "kopi") -> Actor:
    return Actor(name, company_id, frozenset(roles), "127.0.0.1:1", f"token-of-{name}")


ANN = person("ann", Role.AUTHOR)
BEN = person("ben", Role.APPROVER)
CARA = person("cara", Role.PUBLISHER)
OTTO = person("otto", Role.OPERATOR)

SCHEDULES = {State.SCHEDULED: ("start_time", "2100-01-01"), State.ENDED: ("end_time", "2001-01-01")}

WAY: dict[State, tuple[Action, ...]] = {
    State.DRAFT: (),
    State.IN_REVIEW: (Action.SUBMIT,),
    State.REJECTED: (Action.SUBMIT, Action.REJECT),
    State.APPROVED: (Action.SUBMIT, Action.APPROVE),
    State.SCHEDULED: (Action.SUBMIT, Action.APPROVE, Action.PUBLISH),
    State.ACTIVE: (Action.SUBMIT, Action.APPROVE, Action.PUBLISH),
    State.ENDED: (Action.SUBMIT, Action.APPROVE, Action.PUBLISH),
    State.PAUSED: (Action.SUBMIT, Action.APPROVE, Action.PUBLISH, Action.PAUSE),
    State.ARCHIVED: (Action.ARCHIVE,),
}
"""What brings a new draft to each state."""

WHO = {
    Action.SUBMIT: ANN,
    Action.APPROVE: BEN,
    Action.REJECT: BEN,
    Action.REQUEST_CHANGES: BEN,
    Action.PUBLISH: CARA,
    Action.PAUSE: OTTO,
    Action.RESUME: OTTO,
    Action.ARCHIVE: CARA,
    Action.RESTORE: ANN,
}
"""Who usually does what."""


def write(promotions: Promotions, promotion: Promotion, **how: object) -> None:
    """Ann saves a promotion."""
    promotions.save(ANN, [Draft(promotion)], comment=str(how.get("comment", "")))


def do(promotions: Promotions, *actions: Action, promotion_id: str = "a") -> None:
    """People do these in turn, each what is theirs."""
    for action in actions:
        promotions.act(WHO[action], action, [Target(promotion_id)])


def bring_to(promotions: Promotions, state: State, promotion_id: str = "a") -> None:
    """A new promotion in a state."""
    promotion = percent_off(promotion_id, 10)
    if state in SCHEDULES:
        field, day = SCHEDULES[state]
        getattr(promotion.schedule, field).FromJsonString(f"{day}T00:00:00Z")
    write(promotions, promotion)
    do(promotions, *WAY[state], promotion_id=promotion_id)
