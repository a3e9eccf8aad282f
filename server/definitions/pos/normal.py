"""One writing for definitions that mean the same, so that what two of them say can be compared."""

from collections.abc import Callable, Iterator
from typing import Any

from dealwright.v1.condition_pb2 import BASIS_PHASE_START, EXTENT_SCOPE
from dealwright.v1.money_pb2 import Money
from dealwright.v1.primitives_pb2 import (
    CREDIT_KIND_POINTS,
    GROUPING_PER_GROUP,
    PERCENT_BASE_CURRENT,
    PHASE_DELIVERY,
    PHASE_ITEM,
    UNIT_ORDER_CHEAPEST,
    UNIT_ORDER_DEAREST,
)
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.rules_pb2 import (
    AMOUNT_PER_SCOPE,
    AMOUNT_PER_UNIT,
    BuyXGetY,
)
from dealwright.v1.schedule_pb2 import DailyWindow, HolidayRule, Schedule
from dealwright.v1.selector_pb2 import LINE_KIND_DELIVERY, LINE_KIND_ITEM, LineFilter, Selector
from dealwright.v1.stacking_pb2 import EXCLUSIVITY_NO
from dealwright.v1.targeting_pb2 import SPEND_SOURCE_THIS_CART, NameFilter, Targeting
from google.protobuf.message import Message

from server.definitions.pos.edition import Edition
from server.definitions.pos.selectors import of_product

UNPRICED = ("name", "description", "terms", "receipt_text", "labels", "on_unsupported")
"""What no price depends on at a till that can apply the promotion: what people read, and what others do."""

DEFAULTS: dict[str, dict[str, object]] = {
    "PercentDiscount": {"percent_base": PERCENT_BASE_CURRENT},
    "PaymentDiscount": {"percent_base": PERCENT_BASE_CURRENT},
    "Reduction": {"percent_base": PERCENT_BASE_CURRENT},
    "Threshold": {"basis": BASIS_PHASE_START, "extent": EXTENT_SCOPE},
    "ThresholdTier": {"basis": BASIS_PHASE_START},
    "BuyXGetY": {
        "grouping": GROUPING_PER_GROUP,
        "buy_order": UNIT_ORDER_DEAREST,
    },
    "ComboItem": {"quantity": 1},
    "PackageSlot": {"quantity": 1},
    "FreeItem": {"trigger_quantity": 1, "max_gifts": 1},
    "Upsell": {"required_quantity": 1},
    "Gift": {"quantity": 1},
    "Cashback": {"credit_as": CREDIT_KIND_POINTS},
    "CrossBrand": {"spend": SPEND_SOURCE_THIS_CART},
    "Stacking": {"exclusive": EXCLUSIVITY_NO, "on_discounted": True},
}
"""What a field means when it isn't set, by message: to say it changes nothing."""


def _usual_get_order(rule: BuyXGetY) -> bool:
    """S-6.4: where the same lines are bought and got, groups are formed dearest first."""
    same = not rule.HasField("get") or rule.get == rule.buy
    return rule.get_order == (UNIT_ORDER_DEAREST if same else UNIT_ORDER_CHEAPEST)


REDUNDANT: dict[str, dict[str, Callable[[Any], bool]]] = {
    "AmountDiscount": {
        "per": lambda rule: rule.per == (AMOUNT_PER_UNIT if rule.phase == PHASE_ITEM else AMOUNT_PER_SCOPE)
    },
    "BuyXGetY": {"get": lambda rule: rule.get == rule.buy, "get_order": _usual_get_order},
    "CategoryPick": {"max_picks": lambda pick: pick.max_picks == pick.min_picks},
    "Gift": {"selector": lambda gift: gift.selector == of_product(gift.product_id)},
}
"""When a field says what other fields say already, by message."""

EMPTY = {
    "Promotion": ("schedule", "targeting", "stacking", "limits"),
    "Targeting": ("store_ids", "brand_ids", "channels", "regions", "member_tiers", "segment_ids"),
    **dict.fromkeys(
        (
            "PercentDiscount",
            "AmountDiscount",
            "HappyHour",
            "PaymentDiscount",
            "Cashback",
            "ThresholdTier",
        ),
        ("scope",),
    ),
}
"""The parts that mean the same when they are empty as when they aren't set, by message."""


def normal(promotion: Promotion, edition: Edition) -> Promotion:
    """The definition of an edition without its texts, as it is written when nothing is said twice."""
    result = Promotion()
    result.CopyFrom(promotion)
    for name in UNPRICED:
        result.ClearField(name)  # type: ignore[arg-type]
    if result.HasField("upsell"):
        result.upsell.ClearField("message")
    if result.trigger.HasField("members"):
        result.targeting.members_only = True
        result.ClearField("trigger")
    elif result.trigger.HasField("automatic"):
        result.ClearField("trigger")
    if depends_on_stores(result):
        _list_stores(result.targeting, edition)
    kind = LINE_KIND_DELIVERY if _delivers(result) else LINE_KIND_ITEM
    for part in _parts(result):
        _tidy(part, edition.currency_code, kind)
    return result


def amounts(message: Message, path: str = "") -> dict[str, list[Money]]:
    """The amounts of a definition, by the place where they are."""
    found: dict[str, list[Money]] = {}
    for field, value in message.ListFields():
        where = f"{path}.{field.name}" if path else field.name
        if field.message_type is Money.DESCRIPTOR:
            found[where] = list(value)
        elif field.message_type is not None and field.is_repeated:
            for number, item in enumerate(value):
                found |= amounts(item, f"{where}[{number}]")
        elif field.message_type is not None:
            found |= amounts(value, where)
    return found


def amounts_of(promotion: Promotion) -> Iterator[Money]:
    """All amounts of a definition."""
    return (money for found in amounts(promotion).values() for money in found)


def depends_on_stores(promotion: Promotion) -> bool:
    """Whether a document lists stores of the company that its definition doesn't name."""
    return bool(promotion.targeting.store_ids.exclude) or promotion.targeting.HasField("regions")


def _list_stores(targeting: Targeting, edition: Edition) -> None:
    """Puts the stores that are left in place of excluded ones and of regions, where there are any."""
    accepted = [
        store_id
        for store_id, region in edition.store_regions
        if _accepts(targeting.store_ids, store_id) and _accepts(targeting.regions, region)
    ]
    if accepted:
        targeting.store_ids.CopyFrom(NameFilter(include=accepted))
        targeting.ClearField("regions")


def _accepts(names: NameFilter, name: str) -> bool:
    """Names are compared without regard to case, as everywhere."""
    folded = name.casefold()
    included = not names.include or folded in (known.casefold() for known in names.include)
    return included and folded not in (known.casefold() for known in names.exclude)


def _delivers(promotion: Promotion) -> bool:
    return PHASE_DELIVERY in (promotion.percent_discount.phase, promotion.amount_discount.phase)


def _parts(message: Message) -> Iterator[Message]:
    """The messages inside one, each before what it is inside of, and then itself."""
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in value if field.is_repeated else [value]:
                yield from _parts(part)
    yield message


def _tidy(part: Message, currency_code: str, kind: int) -> None:
    _clear(part)
    for described, value in part.ListFields():
        if described.message_type is Money.DESCRIPTOR:
            _keep(value, [money for money in value if money.currency_code == currency_code])
    match part:
        case Selector():
            _tidy_selector(part, kind)
        case Schedule():
            _keep(part.days_of_week, sorted(set(part.days_of_week)))
        case HolidayRule():
            _keep(part.calendar_ids, sorted(set(part.calendar_ids)))
        case DailyWindow():
            part.start, part.end = with_seconds(part.start), with_seconds(part.end)


def _clear(part: Message) -> None:
    """Takes away what is said and changes nothing."""
    name = part.DESCRIPTOR.name
    idle = [field for field, default in DEFAULTS.get(name, {}).items() if getattr(part, field) == default]
    idle += [field for field, says_so in REDUNDANT.get(name, {}).items() if says_so(part)]
    idle += [
        field for field in EMPTY.get(name, ()) if part.HasField(field) and not getattr(part, field).ByteSize()
    ]
    for field in idle:
        part.ClearField(field)


def _tidy_selector(selector: Selector, kind: int) -> None:
    if list(selector.kinds) == [kind]:
        selector.ClearField("kinds")
    for filters in (selector.include, selector.exclude):
        _keep(filters, list(_merged(list(filters))))


def _merged(filters: list[LineFilter]) -> Iterator[LineFilter]:
    """Filters of categories alone are one, and those of products alone: a line has to match one of them."""
    for dimension in ("category_ids", "product_ids"):
        alone = [found for found in filters if [field.name for field, _ in found.ListFields()] == [dimension]]
        if alone:
            ids = [key for found in alone for key in getattr(found, dimension)]
            yield LineFilter(**{dimension: list(dict.fromkeys(ids))})
        filters = [found for found in filters if found not in alone]
    yield from filters


def _keep(repeated: Any, items: list[Any]) -> None:
    del repeated[:]
    repeated.extend(items)


def with_seconds(time: str) -> str:
    """A time of day as ISO 8601 has it, HH:MM:SS."""
    return time if time.count(":") == 2 else f"{time}:00"
