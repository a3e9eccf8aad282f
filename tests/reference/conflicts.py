"""Which promotions can't stand beside each other (S-7.1, S-7.5, S-7.6)."""

from collections.abc import Iterable

from dealwright.v1.result_pb2 import Reason
from dealwright.v1.stacking_pb2 import Exclusivity, GroupScope

from tests.reference.steps import Offer
from tests.reference.why import Why


def conflict(offer: Offer, others: Iterable[Offer]) -> Why | None:
    """Why an offer can't stand beside others; exclusivity is asked first (S-8.5), then groups."""
    ranked = sorted(others, key=lambda other: other.rank)
    for other in ranked:
        if _excludes(offer, other) or _excludes(other, offer):
            return Why(Reason.REASON_EXCLUSIVE, {"winner": other.id})
    for other in ranked:
        shared = [name for name in _groups(offer) if name in _groups(other)]
        if shared:
            return Why(Reason.REASON_GROUP, {"group": shared[0], "winner": other.id})
    return None


def compatible(offers: list[Offer]) -> bool:
    """Whether all of them may be applied in one order."""
    return all(conflict(offer, offers[:index]) is None for index, offer in enumerate(offers))


def _excludes(exclusive: Offer, other: Offer) -> bool:
    """S-7.5: beside an exclusive promotion nothing else lowers a price or gives a gift in its scope.

    Rewards live with everything, whatever they say of themselves (S-7.1).
    """
    if exclusive.only_rewards:
        return False
    match exclusive.promotion.stacking.exclusive:
        case Exclusivity.EXCLUSIVITY_ORDER:
            return bool(other.lowering_phases)
        case Exclusivity.EXCLUSIVITY_PHASE:
            return bool(exclusive.lowering_phases & other.lowering_phases)
    return False


def _groups(offer: Offer) -> list[str]:
    return [
        group.name for group in offer.promotion.stacking.groups if group.scope != GroupScope.GROUP_SCOPE_UNIT
    ]
