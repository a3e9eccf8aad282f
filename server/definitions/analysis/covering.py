"""Whether one promotion holds wherever another does, and gives at least as much: claims that are certain.

Each says yes only where it follows from the definitions. What can't be decided is a no.
"""

from collections.abc import Iterable, Sequence

from dealwright.v1.condition_pb2 import Basis
from dealwright.v1.money_pb2 import Money
from dealwright.v1.primitives_pb2 import Phase
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.schedule_pb2 import Schedule
from dealwright.v1.selector_pb2 import LineFilter, Selector
from dealwright.v1.stacking_pb2 import Exclusivity, GroupScope
from dealwright.v1.targeting_pb2 import NameFilter
from google.protobuf.message import Message

from server.definitions.analysis.demands import currencies_of

LOWERING = ("percent_discount", "amount_discount", "happy_hour")
"""The types of which it can be said that one gives at least as much as another."""

NAMED = ("store_ids", "brand_ids", "channels", "regions", "member_tiers")


def covers(wide: Promotion, narrow: Promotion) -> bool:
    """Whether `wide` holds wherever `narrow` does and gives at least as much there."""
    return holds_wherever(wide, narrow) and gives_at_least(wide, narrow)


def excludes(one: Promotion, other: Promotion) -> bool:
    """Whether two promotions that lower prices are never applied to one order together."""
    groups = _order_groups(one) & _order_groups(other)
    alone = {one.stacking.exclusive, other.stacking.exclusive}
    if groups or Exclusivity.EXCLUSIVITY_ORDER in alone:
        return True
    phases = {_phase(one), _phase(other)}
    return Exclusivity.EXCLUSIVITY_PHASE in alone and len(phases) == 1 and 0 not in phases


def accompanies(other: Promotion, promotion: Promotion) -> bool:
    """Whether `other` holds on each cart on which `promotion` does, and nothing keeps the two apart.

    What it asks of prices is asked at list, since the promotion may lower all others.
    """
    kind, own = other.WhichOneof("rule"), promotion.WhichOneof("rule")
    if kind not in LOWERING or own not in LOWERING or _kept_apart(other, promotion):
        return False
    one, narrow = getattr(other, kind), getattr(promotion, own)
    minimum = one.min_purchase if one.HasField("min_purchase") else None
    return (
        not (other.HasField("condition") or other.HasField("cross_brand"))
        and (_phase(other) == Phase.PHASE_DELIVERY) == (_phase(promotion) == Phase.PHASE_DELIVERY)
        and (minimum is None or (minimum.basis == Basis.BASIS_LIST and _minimum(one, narrow)))
        and all(
            any(own_codes <= codes for own_codes in currencies_of(promotion))
            for codes in currencies_of(other)
        )
        and _scope(one, narrow)
        and holds_wherever(other, promotion)
    )


def _kept_apart(one: Promotion, other: Promotion) -> bool:
    """Whether stacking may keep one of two off an order, or off units that the other has lowered."""
    groups = {group.name for group in one.stacking.groups} & {group.name for group in other.stacking.groups}
    apart = (Exclusivity.EXCLUSIVITY_PHASE, Exclusivity.EXCLUSIVITY_ORDER)
    return bool(groups) or any(
        each.exclusive in apart
        or each.closes_units
        or (each.HasField("on_discounted") and not each.on_discounted)
        for each in (one.stacking, other.stacking)
    )


def holds_wherever(wide: Promotion, narrow: Promotion) -> bool:
    """Whether `wide` is eligible on each cart on which `narrow` is."""
    return (
        not wide.HasField("limits")
        and _schedule(wide.schedule, narrow.schedule)
        and _targeting(wide, narrow)
        and _trigger(wide, narrow)
        and (
            not wide.HasField("condition")
            or (_same(wide, narrow, "condition") and _same_rule_scope(wide, narrow))
        )
        and (not wide.HasField("cross_brand") or _same(wide, narrow, "cross_brand"))
    )


def gives_at_least(wide: Promotion, narrow: Promotion) -> bool:
    """Whether `wide`, where both hold, lowers prices at least as much."""
    kind = wide.WhichOneof("rule")
    if kind is None or kind != narrow.WhichOneof("rule") or kind not in LOWERING:
        return False
    # A tie narrows what is lowered, and fewer units may be other ones.
    if not _same(wide, narrow, "cross_brand"):
        return False
    one, other = getattr(wide, kind), getattr(narrow, kind)
    if one == other:
        return True
    return (
        getattr(one, "phase", 0) == getattr(other, "phase", 0)
        and _scope(one, other)
        and _amount(one, other)
        and _cap(one.max_discount, other.max_discount)
        and _minimum(one, other)
        and (not one.HasField("units") or (one.units == other.units and one.scope == other.scope))
    )


def _amount(one: Message, other: Message) -> bool:
    """Whether the share, or the amount in each currency, is at least as large."""
    if one.DESCRIPTOR.name == "AmountDiscount":
        return one.per == other.per and _each_at_least(one.amount_off, other.amount_off)  # type: ignore[attr-defined]
    if one.DESCRIPTOR.name == "HappyHour":
        one, other = one.reduction, other.reduction  # type: ignore[attr-defined]
        if (
            one.WhichOneof("reduction") != "percent_off_ppm"
            or other.WhichOneof("reduction") != "percent_off_ppm"
        ):
            return False
    same_base: bool = one.percent_base == other.percent_base  # type: ignore[attr-defined]
    return same_base and one.percent_off_ppm >= other.percent_off_ppm  # type: ignore[attr-defined]


def _cap(one: Sequence[Money], other: Sequence[Money]) -> bool:
    """No cap, or one that is no lower in the same currencies."""
    if not one:
        return True
    return bool(other) and _each_at_least(one, other)


def _minimum(one: Message, other: Message) -> bool:
    if not one.HasField("min_purchase"):
        return True
    if not other.HasField("min_purchase"):
        return False
    asked, also = one.min_purchase, other.min_purchase  # type: ignore[attr-defined]
    same = (asked.basis, asked.extent, asked.selector) == (also.basis, also.extent, also.selector)
    same_lines = one.scope == other.scope or asked.HasField("selector")  # type: ignore[attr-defined]
    return (
        same
        and same_lines
        and _each_at_least(also.minimum, asked.minimum)
        and _codes(also.minimum) <= _codes(asked.minimum)
    )


def _each_at_least(large: Iterable[Money], small: Iterable[Money]) -> bool:
    """Whether each amount of `small` has one in its currency in `large` that is no less."""
    known = {money.currency_code: money.minor for money in large}
    return all(known.get(money.currency_code, -1) >= money.minor for money in small)


def _codes(amounts: Iterable[Money]) -> set[str]:
    return {money.currency_code for money in amounts}


def _scope(one: Message, other: Message) -> bool:
    """Whether every line that `other` picks is picked by `one`."""
    wide: Selector = one.scope  # type: ignore[attr-defined]
    narrow: Selector = other.scope  # type: ignore[attr-defined]
    if wide == narrow:
        return True
    if wide.kinds != narrow.kinds or wide.exclude or (narrow.with_children and not wide.with_children):
        return False
    return not wide.include or (
        bool(narrow.include)
        and all(any(_filter(outer, inner) for outer in wide.include) for inner in narrow.include)
    )


def _filter(outer: LineFilter, inner: LineFilter) -> bool:
    """Whether every line that `inner` matches is matched by `outer`, both by names alone."""
    for names in ("product_ids", "category_ids", "brand_ids"):
        wide, narrow = set(getattr(outer, names)), set(getattr(inner, names))
        if wide and not (narrow and narrow <= wide):
            return False
    return not outer.attributes and not outer.unit_price


def _schedule(wide: Schedule, narrow: Schedule) -> bool:
    if wide == narrow or not wide.ByteSize():
        return True
    local = wide.start_date or wide.end_date or wide.days_of_week or wide.daily_windows or wide.holidays.mode
    if local and wide.time_zone != narrow.time_zone:
        return False
    begins = not wide.HasField("start_time") or (
        narrow.HasField("start_time") and wide.start_time.ToNanoseconds() <= narrow.start_time.ToNanoseconds()
    )
    ends = not wide.HasField("end_time") or (
        narrow.HasField("end_time") and wide.end_time.ToNanoseconds() >= narrow.end_time.ToNanoseconds()
    )
    first = not wide.start_date or (bool(narrow.start_date) and wide.start_date <= narrow.start_date)
    last = not wide.end_date or (bool(narrow.end_date) and wide.end_date >= narrow.end_date)
    days = not wide.days_of_week or (
        bool(narrow.days_of_week) and set(narrow.days_of_week) <= set(wide.days_of_week)
    )
    windows = not wide.daily_windows or wide.daily_windows == narrow.daily_windows
    # A window over midnight belongs to the day on which it starts.
    whole_days = wide.daily_windows == narrow.daily_windows or not local or not narrow.daily_windows
    holidays = not wide.holidays.mode or wide.holidays == narrow.holidays
    return begins and ends and first and last and days and windows and whole_days and holidays


def _targeting(wide: Promotion, narrow: Promotion) -> bool:
    one, other = wide.targeting, narrow.targeting
    members = other.members_only or narrow.trigger.WhichOneof("trigger") == "members"
    return (
        all(_names(getattr(one, name), getattr(other, name)) for name in NAMED)
        and _segments(one.segment_ids, other.segment_ids)
        and (not one.members_only or members)
        and (not one.customer_type or one.customer_type == other.customer_type)
    )


def _names(wide: NameFilter, narrow: NameFilter) -> bool:
    """Whether every name that `narrow` accepts is accepted by `wide`; of a fact with one value."""
    kept = _folded(narrow.include) - _folded(narrow.exclude)
    if wide.include and not (kept and kept <= _folded(wide.include)):
        return False
    refused = _folded(wide.exclude) - _folded(narrow.exclude)
    return not refused or (bool(kept) and not refused & kept)


def _segments(wide: NameFilter, narrow: NameFilter) -> bool:
    """The same of a fact with many values, each of which may refuse."""
    included = not wide.include or (bool(narrow.include) and _folded(narrow.include) <= _folded(wide.include))
    return included and _folded(wide.exclude) <= _folded(narrow.exclude)


def _folded(names: Iterable[str]) -> set[str]:
    return {name.casefold() for name in names}


def _trigger(wide: Promotion, narrow: Promotion) -> bool:
    kind, other = wide.trigger.WhichOneof("trigger"), narrow.trigger.WhichOneof("trigger")
    if kind in (None, "automatic"):
        return True
    if kind == "members":
        return other == "members" or narrow.targeting.members_only
    return kind == "code" == other and set(narrow.trigger.code.codes) <= set(wide.trigger.code.codes)


def _same(one: Promotion, other: Promotion, field: str) -> bool:
    return bool(getattr(one, field) == getattr(other, field))


def _same_rule_scope(one: Promotion, other: Promotion) -> bool:
    """A condition may ask about the scope of its promotion."""
    kind = one.WhichOneof("rule")
    if kind is None or kind != other.WhichOneof("rule") or kind not in LOWERING:
        return False
    return bool(getattr(one, kind).scope == getattr(other, kind).scope)


def _order_groups(promotion: Promotion) -> set[str]:
    return {group.name for group in promotion.stacking.groups if group.scope != GroupScope.GROUP_SCOPE_UNIT}


def _phase(promotion: Promotion) -> int:
    kind = promotion.WhichOneof("rule")
    if kind == "happy_hour":
        return 1
    return int(getattr(getattr(promotion, kind), "phase", 0)) if kind else 0
