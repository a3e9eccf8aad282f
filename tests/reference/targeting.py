"""Where and for whom a promotion holds (S-8.3)."""

from dealwright.v1.cart_pb2 import Customer
from dealwright.v1.result_pb2 import Reason
from dealwright.v1.targeting_pb2 import CustomerType, NameFilter, Targeting

from tests.reference.facts import Facts, any_name
from tests.reference.why import Why


def refused_by_place(targeting: Targeting, facts: Facts) -> Why | None:
    """Step 3 of S-8.5: store, brand, channel, region."""
    places = [
        (targeting.store_ids, facts.cart.store_id, Reason.REASON_STORE, "store"),
        (targeting.brand_ids, facts.brand_id, Reason.REASON_BRAND, "brand"),
        (targeting.channels, facts.cart.channel, Reason.REASON_CHANNEL, "channel"),
        (targeting.regions, facts.region, Reason.REASON_REGION, "region"),
    ]
    for names, fact, reason, parameter in places:
        if not _accepts(names, [fact] if fact else []):
            return Why(reason, {parameter: fact})
    return None


def refused_by_people(targeting: Targeting, members_trigger: bool, facts: Facts) -> Why | None:
    """Step 4 of S-8.5: membership, tier, segments, type of customer."""
    customer = facts.cart.customer
    if (targeting.members_only or members_trigger) and not customer.member:
        return Why(Reason.REASON_MEMBERS_ONLY)
    if not _accepts(targeting.member_tiers, [customer.tier] if customer.tier else []):
        return Why(Reason.REASON_MEMBER_TIER, {"tier": customer.tier})
    if not _accepts(targeting.segment_ids, list(customer.segment_ids)):
        return Why(Reason.REASON_SEGMENT)
    if targeting.customer_type and targeting.customer_type != _customer_type(customer):
        needed = CustomerType.Name(targeting.customer_type).removeprefix("CUSTOMER_TYPE_").lower()
        return Why(Reason.REASON_CUSTOMER_TYPE, {"needed": needed})
    return None


def _accepts(names: NameFilter, facts: list[str]) -> bool:
    """Excludes win; a fact that isn't given fails includes alone."""
    if any(any_name(names.exclude, fact) for fact in facts):
        return False
    return not names.include or any(any_name(names.include, fact) for fact in facts)


def _customer_type(customer: Customer) -> CustomerType.ValueType:
    """As given, else from completed orders, else unknown."""
    if customer.type or not customer.HasField("completed_orders"):
        return customer.type
    returning = customer.completed_orders > 0
    return CustomerType.CUSTOMER_TYPE_RETURNING if returning else CustomerType.CUSTOMER_TYPE_NEW
