"""The cart with everything that the ruleset adds to it (S-1.1, S-3.1, S-8.7)."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias
from zoneinfo import ZoneInfo

from dealwright.v1.attribute_pb2 import Attribute
from dealwright.v1.cart_pb2 import Cart, PriceMode, PromotionLimitState
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest
from dealwright.v1.ruleset_pb2 import Category, Policy, Ruleset
from dealwright.v1.selector_pb2 import LineKind

NANOS = 1_000_000_000

Fact: TypeAlias = str | int | bool


@dataclass(frozen=True)
class Line:
    """A line of the cart."""

    index: int
    id: str
    kind: LineKind.ValueType
    parent_id: str
    product_id: str
    category_ids: frozenset[str]
    brand_id: str
    quantity: int
    unit_price_minor: int
    floor_minor: int
    tax_rate_ppm: int
    attributes: dict[str, Fact]

    @property
    def product(self) -> str | int:
        """What tells products apart (S-6.12): the product id; a line without one is a product of its own."""
        return self.product_id or self.index


@dataclass(frozen=True)
class Facts:
    """What an evaluation may know besides the promotions."""

    cart: Cart
    policy: Policy
    currency: str
    brand_id: str
    region: str
    zone_names: tuple[str, ...]
    instant_nanos: int
    lines: tuple[Line, ...]
    limits: dict[str, PromotionLimitState]
    holidays: dict[str, frozenset[str]]
    parents: frozenset[str] = field(default_factory=frozenset)

    @property
    def tax_inclusive(self) -> bool:
        """Unset means tax inclusive."""
        return self.cart.price_mode != PriceMode.PRICE_MODE_TAX_EXCLUSIVE

    def local(self, schedule_zone: str = "") -> datetime:
        """The wall clock of the first zone that is given (S-8.7); parts of a second are left out."""
        name = next(name for name in (schedule_zone, *self.zone_names) if name)
        return datetime.fromtimestamp(self.instant_nanos // NANOS, ZoneInfo(name))


def gather(ruleset: Ruleset, request: EvaluateRequest, now_nanos: int) -> Facts:
    """All facts about a request."""
    cart = request.cart
    stores = {store.id: store for store in ruleset.stores}
    store = stores.get(cart.store_id)
    brand_id = cart.brand_id or (store.brand_id if store else "")
    given = request.HasField("evaluate_time")
    instant = request.evaluate_time.seconds * NANOS + request.evaluate_time.nanos if given else now_nanos
    zone_names = (cart.time_zone, store.time_zone if store else "", ruleset.policy.time_zone, "UTC")
    zone = ZoneInfo(next(name for name in zone_names if name))
    day = datetime.fromtimestamp(instant // NANOS, zone).date().isoformat()
    return Facts(
        cart=cart,
        policy=ruleset.policy,
        currency=cart.currency_code,
        brand_id=brand_id,
        region=cart.region or (store.region if store else ""),
        zone_names=zone_names,
        instant_nanos=instant,
        lines=tuple(_lines(cart, brand_id, ruleset)),
        limits=_limits(request, day),
        holidays={calendar.id: frozenset(calendar.dates) for calendar in ruleset.holiday_calendars},
        parents=frozenset(line.parent_id for line in cart.lines if line.parent_id),
    )


def _limits(request: EvaluateRequest, day: str) -> dict[str, PromotionLimitState]:
    """S-9.2: of the entries that count for the cart's store, day and currency, the least of each number."""
    least: dict[str, PromotionLimitState] = {}
    for entry in request.limit_state.promotions:
        if entry.store_id and entry.store_id.casefold() != request.cart.store_id.casefold():
            continue
        if (entry.date or day) != day or (entry.currency_code or request.cart.currency_code) != (
            request.cart.currency_code
        ):
            continue
        known = least.setdefault(entry.promotion_id, PromotionLimitState(promotion_id=entry.promotion_id))
        for number in ("uses_left", "leased_uses_left", "budget_left_minor"):
            if entry.HasField(number):
                given = [each for each in (entry, known) if each.HasField(number)]
                setattr(known, number, min(getattr(each, number) for each in given))
    return least


def _lines(cart: Cart, brand_id: str, ruleset: Ruleset) -> list[Line]:
    categories = {category.id: category for category in ruleset.categories}
    return [
        Line(
            index=index,
            id=line.id,
            kind=line.kind or LineKind.LINE_KIND_ITEM,
            parent_id=line.parent_id,
            product_id=line.product_id,
            category_ids=_with_ancestors(line.category_ids, categories),
            brand_id=line.brand_id or brand_id,
            quantity=line.quantity,
            unit_price_minor=line.unit_price_minor,
            floor_minor=line.floor_minor,
            tax_rate_ppm=line.tax_rate_ppm,
            attributes=named(line.attributes),
        )
        for index, line in enumerate(cart.lines)
    ]


def _with_ancestors(ids: Iterable[str], categories: dict[str, Category]) -> frozenset[str]:
    """The categories of a line with all that they are part of (S-3.1)."""
    found: set[str] = set()
    waiting = list(ids)
    while waiting:
        category_id = waiting.pop()
        if category_id and category_id not in found:
            found.add(category_id)
            if category_id in categories:
                waiting.append(categories[category_id].parent_id)
    return frozenset(found)


def named(attributes: Iterable[Attribute]) -> dict[str, Fact]:
    """Attributes by name; texts in NFC, as they are compared."""
    result: dict[str, Fact] = {}
    for attribute in attributes:
        kind = attribute.WhichOneof("value") or "text"
        value = getattr(attribute, kind)
        result[attribute.name] = unicodedata.normalize("NFC", value) if kind == "text" else value
    return result


def same_name(one: str, other: str) -> bool:
    """Names are compared without regard to case (S-8.3)."""
    return one.casefold() == other.casefold()


def any_name(names: Iterable[str], wanted: str) -> bool:
    """Whether a list of names has one, without regard to case."""
    return any(same_name(name, wanted) for name in names)
