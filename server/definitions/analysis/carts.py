"""From wishes to carts and instants. Whether a promotion holds on one is the engine's to say."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dealwright.v1.attribute_pb2 import Attribute, AttributeTest
from dealwright.v1.cart_pb2 import Cart, Line
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.ruleset_pb2 import Ruleset
from dealwright.v1.schedule_pb2 import HolidayMode, Schedule
from dealwright.v1.selector_pb2 import LineFilter, LineKind, Selector
from dealwright.v1.targeting_pb2 import CustomerType

from server.definitions.analysis.demands import Ways, amount_in, amounts_of, currencies_of
from server.definitions.analysis.wishes import DAYS_SINCE, Goods, Wish, units_key

Json = dict[str, Any]

PRICE_MINOR = 1_000_000
"""What a unit costs of which nobody says more; more than most amounts off."""

PRICE_MINOR_MAX = 10**12
UNITS_MAX = 1000
DAYS_MAX = 400
"""How many days ahead an instant of a schedule is looked for."""

INSTANTS_MAX = 2

PRICES = frozenset({"fixed_price", "set_price", "unit_price", "special_price", "fixed_total"})
"""The fields of rules that say what something costs; what they take off depends on its usual price."""


class Shop:
    """What is known of the company besides its promotions: where carts come from and what things cost.

    Products are protojson by id: a company has many, and few of them are looked at.
    """

    def __init__(
        self, ruleset: Ruleset, products: Mapping[str, Json] | None = None, now: datetime | None = None
    ) -> None:
        self.stores = {store.id.casefold(): store for store in ruleset.stores}
        self.holidays = {calendar.id: set(calendar.dates) for calendar in ruleset.holiday_calendars}
        self.zone = ruleset.policy.time_zone or "UTC"
        self.products = products or {}
        self.in_category: dict[str, str] = {}
        for key, product in self.products.items():
            for category in product.get("category_ids", ()):
                self.in_category.setdefault(category, key)
        self.currency_code = next(_currencies(ruleset, self.products), "USD")
        self.now = now or datetime.now(UTC)

    def currency_of(self, promotion: Promotion) -> str:
        """A currency in which the promotion gives something, that of the company if that is one."""
        lists = list(currencies_of(promotion))
        if not lists:
            return self.currency_code
        common = set.intersection(*lists)
        if self.currency_code in common:
            return self.currency_code
        return min(common) if common else min(lists[0])

    def price_of(self, line: Line, currency_code: str) -> int | None:
        """What a unit of a line usually costs; None when nobody knows."""
        return self._amount(line, currency_code, "unit_price_minor")

    def cost_of(self, line: Line, currency_code: str) -> int | None:
        """What a unit of a line costs the merchant; None when nobody knows."""
        return self._amount(line, currency_code, "unit_cost_minor")

    def _amount(self, line: Line, currency_code: str, name: str) -> int | None:
        product = self.products.get(line.product_id, {})
        if name not in product or product.get("currency_code") != currency_code:
            return None
        return int(product[name])


class Builder:
    """Makes carts in one currency. What no product has a price for costs `price`."""

    def __init__(self, shop: Shop, currency_code: str, price: int) -> None:
        self._shop = shop
        self._currency_code = currency_code
        self._price = price

    def request(self, wish: Wish, generous: int = 1) -> EvaluateRequest:
        """A request that has what is wished for; `generous` times the units."""
        cart = Cart(id="witness", currency_code=self._currency_code)
        self._put_lines(cart, wish, generous)
        self._put_names(cart, wish)
        customer = cart.customer
        customer.id = "customer"
        if wish.member:
            customer.member = True
        cart.codes.extend(sorted(wish.codes))
        for promotion_id in sorted(wish.vouchers):
            cart.vouchers.add(code=f"voucher-{promotion_id}", promotion_id=promotion_id)
        for (brand, period), minor in wish.spends.items():
            spend = customer.accumulated_spend.add(brand_id=brand, period=period)
            spend.spent.currency_code, spend.spent.minor = self._currency_code, minor
        self._put_attributes(cart, wish)
        return EvaluateRequest(cart=cart)

    def date(self, request: EvaluateRequest, wish: Wish, moment: datetime, zone_name: str) -> None:
        """Puts the request at a moment, and the days of the customer relative to it."""
        request.evaluate_time.FromDatetime(moment)
        today = moment.astimezone(_zone(zone_name, self._shop)).date()
        if "birthday" in wish.names:
            request.cart.customer.birthday = f"{today:%m-%d}"
        since = wish.ranges.get(DAYS_SINCE)
        if since is not None:
            days = since[0] if since[0] is not None else since[1] or 0
            request.cart.customer.last_order_date = (today - timedelta(days=max(days, 0))).isoformat()

    def _put_names(self, cart: Cart, wish: Wish) -> None:
        first = {fact: names.first for fact, names in wish.names.items()}
        for fact in ("store", "brand", "channel", "region"):
            name = first.get(fact)
            if name:
                setattr(cart, fact if fact in ("channel", "region") else f"{fact}_id", name)
        if not cart.store_id and self._shop.stores and "brand" not in first and "region" not in first:
            excluded = wish.names["store"].exclude if "store" in wish.names else frozenset()
            cart.store_id = next((key for key in self._shop.stores if key not in excluded), "")
        cart.customer.tier = first.get("member tier") or ""
        segment = first.get("segment")
        cart.customer.segment_ids.extend([segment] if segment else [])
        if first.get("customer type"):
            new = first["customer type"] == "new"
            cart.customer.type = (
                CustomerType.CUSTOMER_TYPE_NEW if new else CustomerType.CUSTOMER_TYPE_RETURNING
            )
        methods = {"payment method": "method", "card class": "card_class", "issuer": "issuer"}
        for fact, name in methods.items():
            if first.get(fact):
                setattr(cart.payment, name, first[fact])
        if cart.HasField("payment") and not cart.payment.method:
            cart.payment.method = "card"
        orders = wish.ranges.get("number of completed orders")
        if orders is not None:
            cart.customer.completed_orders = max(orders[0] or 0, 0)

    def _put_attributes(self, cart: Cart, wish: Wish) -> None:
        owners = {"cart": cart.attributes, "customer": cart.customer.attributes}
        if cart.HasField("payment") or any(owner == "payment" for owner, _ in wish.attributes):
            cart.payment.method = cart.payment.method or "card"
            owners["payment"] = cart.payment.attributes
        for (owner, name), value in wish.attributes.items():
            if owner in owners:
                owners[owner].append(_attribute(name, value))
        for fact, (least, most) in wish.ranges.items():
            owner, _, name = fact.partition(" attribute ")
            if name and owner in owners:
                number = least if least is not None else most
                owners[owner].append(Attribute(name=name, number=number or 0))

    def _put_lines(self, cart: Cart, wish: Wish, generous: int) -> None:
        whole: list[Goods] = []
        together: dict[bytes, Goods] = {}
        for goods in wish.goods:
            if not goods.selector.ByteSize():
                whole.append(goods)
                continue
            key = goods.selector.SerializeToString(deterministic=True)
            before = together.get(key, goods)
            together[key] = Goods(
                goods.selector,
                max(goods.units, before.units),
                max(goods.worth_minor, before.worth_minor),
                goods.different or before.different,
            )
        # Where only delivery or fees are asked for, something has to be bought all the same.
        if all(goods.selector.kinds for goods in together.values()):
            together[b""] = Goods(Selector())
        for goods in together.values():
            self._put_goods(
                cart, goods, wish.ranges.get(units_key(goods.selector), (None, None))[1], generous
            )
        self._reach(cart, max((goods.units for goods in whole), default=1), whole)

    def _reach(self, cart: Cart, units: int, whole: Sequence[Goods]) -> None:
        """Buys more of the first line until the cart as a whole is worth enough."""
        line = next((each for each in cart.lines if each.kind == LineKind.LINE_KIND_ITEM), cart.lines[0])
        have = sum(each.quantity for each in cart.lines)
        line.quantity = min(max(line.quantity, line.quantity + units - have), UNITS_MAX)
        needed = max((goods.worth_minor for goods in whole), default=0)
        worth = sum(each.quantity * each.unit_price_minor for each in cart.lines)
        if worth < needed:
            more = -(-(needed - worth) // max(line.unit_price_minor, 1))
            line.quantity = min(line.quantity + more, UNITS_MAX)

    def _put_goods(self, cart: Cart, goods: Goods, units_max: int | None, generous: int) -> None:
        lines = goods.units if goods.different else 1
        for number in range(lines):
            line = self._line(goods.selector, number)
            line.id = str(len(cart.lines) + 1)
            units = 1 if goods.different else goods.units
            by_worth = -(-goods.worth_minor // (max(line.unit_price_minor, 1) * lines))
            line.quantity = min(max(units * generous, by_worth, 1), units_max or UNITS_MAX, UNITS_MAX)
            if line.quantity * line.unit_price_minor * lines < goods.worth_minor:
                line.unit_price_minor = min(-(-goods.worth_minor // line.quantity), PRICE_MINOR_MAX)
            cart.lines.append(line)

    def _line(self, selector: Selector, number: int) -> Line:
        picked = selector.include[0] if selector.include else LineFilter()
        line = Line(quantity=1, kind=selector.kinds[0] if selector.kinds else LineKind.LINE_KIND_ITEM)
        excluded = {name for each in selector.exclude for name in each.product_ids}
        named = [name for each in selector.include for name in each.product_ids if name not in excluded]
        category = next((name for name in picked.category_ids), "")
        if named:
            line.product_id = named[number % len(named)]
        elif category in self._shop.in_category and not number:
            line.product_id = self._shop.in_category[category]
        else:
            line.product_id = f"any-{category or 'product'}-{number + 1}"
        known = self._shop.products.get(line.product_id, {})
        line.category_ids.extend(
            dict.fromkeys([*([category] if category else []), *(known.get("category_ids", ()))])
        )
        line.brand_id = picked.brand_ids[0] if picked.brand_ids else known.get("brand_id", "")
        usual = self._shop.price_of(line, self._currency_code)
        line.unit_price_minor = self._price if usual is None else usual
        for range_ in picked.unit_price:
            if range_.currency_code == self._currency_code:
                least = range_.minimum_minor if range_.HasField("minimum_minor") else 0
                most = range_.maximum_minor if range_.HasField("maximum_minor") else PRICE_MINOR_MAX
                line.unit_price_minor = min(max(line.unit_price_minor, least), most)
        line.attributes.extend(_answer(test) for test in picked.attributes)
        return line


def price_for(promotions: Iterable[Promotion], currency_code: str) -> int:
    """A price per unit above every amount that promotions take off or charge."""
    amounts = [minor for promotion in promotions for minor in _amounts(promotion, currency_code)]
    return min(max([PRICE_MINOR, *(2 * minor for minor in amounts)]), PRICE_MINOR_MAX)


def instants(schedule: Schedule, zone_name: str, shop: Shop) -> Iterator[datetime]:
    """Some moments at which a schedule probably holds, the nearest first."""
    zone = _zone(schedule.time_zone or zone_name, shop)
    begin = shop.now
    if schedule.HasField("start_time"):
        begin = max(begin, schedule.start_time.ToDatetime(UTC))
    if schedule.HasField("end_time") and begin >= schedule.end_time.ToDatetime(UTC):
        begin = schedule.end_time.ToDatetime(UTC) - timedelta(seconds=1)
    first = begin.astimezone(zone).date()
    if schedule.start_date:
        first = max(first, date.fromisoformat(schedule.start_date))
    if schedule.end_date and first > date.fromisoformat(schedule.end_date):
        first = date.fromisoformat(schedule.end_date)
    hours = [_time(window.start) for window in schedule.daily_windows] or [time(12)]
    found = 0
    if not (schedule.daily_windows or schedule.start_date or schedule.days_of_week or schedule.holidays.mode):
        yield begin
        found += 1
    for day in (first + timedelta(days=number) for number in range(DAYS_MAX)):
        if found >= INSTANTS_MAX:
            return
        if _is_a_day(day, schedule, shop):
            found += 1
            yield datetime.combine(day, hours[0], zone).astimezone(UTC)


def _zone(name: str, shop: Shop) -> ZoneInfo:
    try:
        return ZoneInfo(name or shop.zone)
    except (OSError, ValueError):
        return ZoneInfo("UTC")


def _is_a_day(day: date, schedule: Schedule, shop: Shop) -> bool:
    if schedule.days_of_week and day.isoweekday() not in schedule.days_of_week:
        return False
    named = schedule.holidays.calendar_ids
    is_holiday = any(day.isoformat() in shop.holidays.get(name, ()) for name in named)
    modes = {HolidayMode.HOLIDAY_MODE_EXCLUDE: not is_holiday, HolidayMode.HOLIDAY_MODE_ONLY: is_holiday}
    return modes.get(schedule.holidays.mode, True)


def _time(text: str) -> time:
    return time.fromisoformat(text if text != "24:00" else "00:00")


def _answer(test: AttributeTest) -> Attribute:
    """An attribute for which a test is true."""
    kind = test.WhichOneof("test")
    if kind == "text_in":
        return _attribute(test.name, test.text_in.values[0])
    if kind == "number_range":
        asked = test.number_range
        return Attribute(name=test.name, number=asked.minimum if asked.HasField("minimum") else asked.maximum)
    return _attribute(test.name, test.flag_is)


def _attribute(name: str, value: object) -> Attribute:
    if isinstance(value, bool):
        return Attribute(name=name, flag=value)
    return Attribute(name=name, text=str(value))


def _currencies(ruleset: Ruleset, products: Mapping[str, Json]) -> Iterator[str]:
    """The currencies of a company: of its stores, else of its products, else of its promotions."""
    yield from (store.currency_code for store in ruleset.stores if store.currency_code)
    yield from (product["currency_code"] for product in products.values() if "currency_code" in product)
    for promotion in ruleset.promotions:
        for codes in currencies_of(promotion):
            yield min(codes)


def _amounts(promotion: Promotion, currency_code: str) -> Iterator[int]:
    """What the rule takes off or charges, caps and minimums left out."""
    for name, amounts in amounts_of(promotion):
        found = amount_in(amounts, currency_code)
        if found is not None and not name.startswith(("max_", "min")):
            yield found


def sets_prices(promotion: Promotion) -> bool:
    """Whether a promotion says what something costs instead of what is taken off."""
    return any(name in PRICES for name, _ in amounts_of(promotion))


def ways_of(promotion: Promotion, shop: Shop) -> Ways:
    """The ways in which a promotion can hold, in the currency that suits it best."""
    return Ways(promotion, shop.currency_of(promotion))
