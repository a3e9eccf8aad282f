"""Carts: small, with few products that promotions know, so that most promotions match and meet."""

from dealwright.v1.attribute_pb2 import Attribute
from dealwright.v1.cart_pb2 import (
    AccumulatedSpend,
    Cart,
    Customer,
    Line,
    Payment,
    PriceMode,
    PromotionLimitState,
    Voucher,
)
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest, VerdictScope
from dealwright.v1.money_pb2 import Money
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.ruleset_pb2 import Category, HolidayCalendar, Store
from dealwright.v1.selector_pb2 import LineKind
from dealwright.v1.targeting_pb2 import CustomerType

from tests.differential.chances import CURRENCY, OTHER_CURRENCY, Chance

PRODUCTS = ["p", "q", "r"]
CATEGORY_OF = {"p": ["hot"], "q": ["cold"], "r": []}
BRANDS = ["x", "y"]
TIERS = ["GOLD", "Silver"]
SEGMENTS = ["staff", "students"]
CHANNELS = ["dine_in", "App"]
METHODS = ["card", "QRIS"]
ZONES = ["Asia/Jakarta", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"]
OTHER_KINDS = [
    LineKind.LINE_KIND_DELIVERY,
    LineKind.LINE_KIND_GIFT,
    LineKind.LINE_KIND_FEE,
    LineKind.LINE_KIND_TIP,
]
CODES = ["SAVE", "Weekend20"]
CODES_AS_TYPED = ["SAVE", " save ", "\uff33\uff21\uff36\uff25", "weekend20", "nope", "V-1"]
STORES = [
    Store(id="s1", brand_id="x", region="Bali", time_zone="Asia/Makassar", currency_code=CURRENCY),
    Store(id="S2", time_zone="Europe/Berlin", currency_code=OTHER_CURRENCY),
]
CATEGORIES = [
    Category(id="drinks"),
    Category(id="hot", parent_id="drinks"),
    Category(id="cold", parent_id="drinks"),
]
CALENDARS = [HolidayCalendar(id="h", dates=["2026-03-29", "2026-11-20"])]
# An afternoon, ends of days, and hours that clocks skip or repeat.
INSTANTS = [
    "2026-11-21T08:00:00Z",
    "2026-11-20T16:59:59.5Z",
    "2026-11-20T17:00:00Z",
    "2026-11-21T18:30:00Z",
    "2026-03-29T00:59:59Z",
    "2026-03-29T01:00:00Z",
    "2026-10-25T00:30:00Z",
    "2026-10-25T01:30:00Z",
    "2026-10-31T15:15:00Z",
    "2027-12-31T23:59:59.999999999Z",
]


def request(chance: Chance, promotions: list[Promotion], units_max: int) -> EvaluateRequest:
    """A request for a ruleset of these promotions."""
    asked = EvaluateRequest(cart=cart(chance, promotions, units_max))
    asked.evaluate_time.FromJsonString(chance.of(INSTANTS))
    if chance.one_in(3):
        asked.limit_state.promotions.extend(_limits(chance, each) for each in promotions if chance.one_in(2))
        asked.limit_state.promotions.extend(_limits(chance, each) for each in promotions if chance.one_in(5))
    asked.options.verdicts = chance.of(
        [
            VerdictScope.VERDICT_SCOPE_ALL,
            VerdictScope.VERDICT_SCOPE_UNSPECIFIED,
            VerdictScope.VERDICT_SCOPE_CANDIDATES,
            VerdictScope.VERDICT_SCOPE_NONE,
        ]
    )
    return asked


def cart(chance: Chance, promotions: list[Promotion], units_max: int) -> Cart:
    result = Cart(id="cart", currency_code=CURRENCY, lines=_lines(chance, units_max))
    result.price_mode = chance.of(
        [
            PriceMode.PRICE_MODE_UNSPECIFIED,
            PriceMode.PRICE_MODE_TAX_EXCLUSIVE,
            PriceMode.PRICE_MODE_TAX_INCLUSIVE,
        ]
    )
    if not chance.one_in(3):
        result.customer.CopyFrom(_customer(chance))
    if not chance.one_in(3):
        result.payment.CopyFrom(_payment(chance))
    _place(chance, result)
    ids = [promotion.id for promotion in promotions]
    if not chance.one_in(3):
        result.codes.extend(chance.of(CODES_AS_TYPED) for _ in range(chance.number(0, 3)))
    if not chance.one_in(3):
        result.vouchers.append(Voucher(code="v-1", promotion_id=chance.of([*ids, "none"])))
    if not chance.one_in(3):
        result.attributes.extend(attributes(chance))
    return result


def _place(chance: Chance, result: Cart) -> None:
    """Where it is sold; each fact is given more often than not."""
    for fact, values, times in (
        ("store_id", ["s1", "S2", "s9"], 3),
        ("brand_id", BRANDS, 3),
        ("channel", ["dine_in", "DINE_IN", "app", "Kiosk"], 3),
        ("region", ["bali", "Java"], 2),
        ("time_zone", ZONES, 2),
    ):
        if not chance.one_in(times):
            setattr(result, fact, chance.of(values))


def attributes(chance: Chance) -> list[Attribute]:
    """Some of three attributes, of the right kind mostly."""
    possible = [
        Attribute(name="table", number=chance.number(1, 3)),
        Attribute(name="note", text=chance.of(["a", "b", "e\u0301", "\u00e9"])),
        Attribute(name="vip", flag=chance.one_in(2))
        if not chance.one_in(8)
        else Attribute(name="vip", number=1),
    ]
    return [each for each in possible if not chance.one_in(3)]


def _lines(chance: Chance, units_max: int) -> list[Line]:
    lines: list[Line] = []
    units = units_max
    for _ in range(chance.number(1, 5)):
        if units > 0:
            lines.append(_line(chance, lines, min(6, units)))
            units -= lines[-1].quantity
    return lines


def _line(chance: Chance, before: list[Line], units_max: int) -> Line:
    line = Line(
        id=f"line{len(before)}", quantity=chance.number(1, units_max), unit_price_minor=chance.price()
    )
    if chance.one_in(5):
        line.kind = chance.of(OTHER_KINDS)
    if not chance.one_in(12):
        line.product_id = chance.of([*PRODUCTS, "p", "q"])
    line.category_ids.extend(CATEGORY_OF.get(line.product_id, ["drinks"]))
    if chance.one_in(3):
        line.brand_id = chance.of(BRANDS)
    if chance.one_in(4):
        line.floor_minor = chance.of([line.unit_price_minor * 9 // 10, line.unit_price_minor // 2, 200])
    if chance.one_in(2):
        line.tax_rate_ppm = chance.of([110_000, 100_000, 0, 123_456])
    if chance.one_in(4):
        line.attributes.extend(attributes(chance))
    if before and chance.one_in(8):
        line.parent_id = chance.of(before).id
    return line


def _customer(chance: Chance) -> Customer:
    customer = Customer(member=not chance.one_in(3))
    for fact, values in (
        ("id", ["eka"]),
        ("tier", ["gold", "SILVER", "bronze"]),
        ("completed_orders", [0, 1, 5]),
        ("last_order_date", ["2026-11-01", "2026-11-20", "2026-03-28"]),
        ("birthday", ["11-21", "11-19", "03-29", "01-01", "02-29"]),
    ):
        if not chance.one_in(3):
            setattr(customer, fact, chance.of(values))
    if not chance.one_in(3):
        customer.segment_ids.extend(chance.some(["Staff", "students", "others"]))
    if chance.one_in(4):
        customer.type = chance.of([CustomerType.CUSTOMER_TYPE_NEW, CustomerType.CUSTOMER_TYPE_RETURNING])
    if not chance.one_in(3):
        for brand in chance.some(BRANDS):
            currency = OTHER_CURRENCY if chance.one_in(8) else CURRENCY
            spent = Money(currency_code=currency, minor=chance.of([100, 1000, 5000, 0]))
            period = chance.of(["month", "month", "year"])
            customer.accumulated_spend.append(AccumulatedSpend(brand_id=brand, period=period, spent=spent))
    if chance.one_in(2):
        customer.attributes.extend(attributes(chance))
    return customer


def _payment(chance: Chance) -> Payment:
    payment = Payment(method=chance.of(["card", "Card", "qris", "cash"]))
    if not chance.one_in(3):
        payment.card_class = chance.of(["visa-gold", "visa"])
    if not chance.one_in(3):
        payment.issuer = chance.of(["samudra", "other"])
    if chance.one_in(2):
        payment.attributes.extend(attributes(chance))
    return payment


def _limits(chance: Chance, promotion: Promotion) -> PromotionLimitState:
    state = PromotionLimitState(promotion_id=promotion.id)
    if chance.one_in(3):
        state.uses_left = chance.of([1, 0])
    if chance.one_in(6):
        state.leased_uses_left = chance.of([1, 0])
    if not chance.one_in(3):
        state.budget_left_minor = chance.of([1000, 100, 37, 1, 0])
    if chance.one_in(4):
        state.store_id = chance.of(["menteng", "MENTENG", "elsewhere"])
    if chance.one_in(4):
        state.date = chance.of(["2026-11-21", "2026-11-20", "2026-03-29"])
    if chance.one_in(4):
        state.currency_code = chance.of(["IDR", "EUR"])
    return state
