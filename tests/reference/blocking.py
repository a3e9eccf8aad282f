"""What an unsupported promotion keeps from being applied (S-12.5)."""

from collections.abc import Iterable
from datetime import date, timedelta

from dealwright.v1.promotion_pb2 import OnUnsupported, Promotion
from dealwright.v1.result_pb2 import Reason
from dealwright.v1.schedule_pb2 import Schedule
from dealwright.v1.stacking_pb2 import Exclusivity
from dealwright.v1.targeting_pb2 import Targeting

from tests.reference.eligibility import unsupported, was_given
from tests.reference.facts import Facts
from tests.reference.schedules import refused_by_time
from tests.reference.steps import Offer
from tests.reference.targeting import refused_by_place
from tests.reference.why import Why


def blocking(promotions: Iterable[Promotion], facts: Facts) -> list[Promotion]:
    """The unsupported promotions that could hold, and don't ask to be skipped."""
    skip = OnUnsupported.ON_UNSUPPORTED_SKIP
    return [
        each
        for each in promotions
        if unsupported(each) and each.on_unsupported != skip and _could_hold(each, facts)
    ]


def blocked(offer: Offer, by: Iterable[Promotion]) -> Why | None:
    """Why an offer may not be applied beside one of these."""
    not_exclusive = (Exclusivity.EXCLUSIVITY_UNSPECIFIED, Exclusivity.EXCLUSIVITY_NO)
    own = [group.name for group in offer.promotion.stacking.groups]
    for each in by:
        if each.stacking.exclusive not in not_exclusive and not offer.only_rewards:
            return Why(Reason.REASON_BLOCKED, {"unsupported": each.id})
        shared = [group.name for group in each.stacking.groups if group.name in own]
        if shared:
            return Why(Reason.REASON_BLOCKED, {"unsupported": each.id, "group": shared[0]})
    return None


def _could_hold(promotion: Promotion, facts: Facts) -> bool:
    """By its envelope alone."""
    written = promotion.schedule
    season = Schedule(
        start_date=written.start_date,
        end_date=written.end_date and str(date.fromisoformat(written.end_date) + timedelta(days=1)),
        time_zone=written.time_zone,
    )
    for instant in ("start_time", "end_time"):
        if written.HasField(instant):
            getattr(season, instant).CopyFrom(getattr(written, instant))
    stores = Targeting(store_ids=promotion.targeting.store_ids)
    needs_code = promotion.trigger.WhichOneof("trigger") in ("code", "voucher")
    return (
        refused_by_time(season, facts) is None
        and refused_by_place(stores, facts) is None
        and (not needs_code or was_given(promotion, facts))
    )
