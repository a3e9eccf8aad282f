"""Selectors, condition trees, schedules, targeting, stacking: what promotions of every type share."""

from collections.abc import Sequence

from dealwright.v1.attribute_pb2 import AttributeTest, NumberRange, TextList
from dealwright.v1.condition_pb2 import (
    AccumulatedSpendTest,
    AttributeOwner,
    Basis,
    Condition,
    ConditionList,
    CustomerTest,
    Extent,
    OwnedAttributeTest,
    PaymentTest,
    QuantityTest,
    Threshold,
)
from dealwright.v1.schedule_pb2 import DailyWindow, DayOfWeek, HolidayMode, Schedule
from dealwright.v1.selector_pb2 import LineFilter, LineKind, PriceRange, Selector
from dealwright.v1.stacking_pb2 import (
    AutomaticTrigger,
    CodeTrigger,
    ExclusionGroup,
    Exclusivity,
    GroupScope,
    Limits,
    MembersTrigger,
    ShortBudget,
    Stacking,
    Trigger,
    VoucherTrigger,
)
from dealwright.v1.targeting_pb2 import CrossBrand, CustomerType, NameFilter, SpendSource, Targeting

from tests.differential.carts import BRANDS, CHANNELS, CODES, METHODS, PRODUCTS, SEGMENTS, TIERS, ZONES
from tests.differential.chances import CURRENCY, Chance

DAYS = [DayOfWeek.ValueType(day) for day in range(1, 8)]
SPANS = [
    ("2026-01-01T00:00:00Z", ""),
    ("2026-11-20T16:59:59.5Z", "2029-01-01T00:00:00Z"),
    ("", "2026-11-20T17:00:00Z"),
    ("2028-01-01T00:00:00Z", ""),
]
DATES = [
    ("2026-01-01", ""),
    ("2026-11-21", "2026-11-21"),
    ("", "2026-11-20"),
    ("2026-03-29", "2026-10-31"),
    ("2028-01-01", ""),
]
KINDS = [
    LineKind.LINE_KIND_ITEM,
    LineKind.LINE_KIND_DELIVERY,
    LineKind.LINE_KIND_FEE,
    LineKind.LINE_KIND_TIP,
    LineKind.LINE_KIND_GIFT,
]
VALUES = [100, 500, 999, 1000, 2000, 4000]


def selector(chance: Chance, kinds: Sequence[LineKind.ValueType] = ()) -> Selector:
    """Every line, or some of the products; now and then of the kinds that may be named."""
    result = Selector()
    if not chance.one_in(3):
        result.include.extend(line_filter(chance) for _ in range(chance.number(1, 2)))
    if chance.one_in(4):
        result.exclude.append(line_filter(chance))
    if kinds and chance.one_in(4):
        result.kinds.extend(chance.some(kinds, most=3))
    result.with_children = chance.one_in(6)
    return result


def line_filter(chance: Chance) -> LineFilter:
    match chance.number(0, 5):
        case 0 | 1:
            return LineFilter(product_ids=chance.some(PRODUCTS))
        case 2:
            return LineFilter(category_ids=chance.some(["drinks", "hot", "cold"]))
        case 3:
            return LineFilter(brand_ids=chance.some(BRANDS))
        case 4:
            return LineFilter(product_ids=chance.some(PRODUCTS), attributes=[attribute_test(chance)])
    price_range = PriceRange(currency_code=CURRENCY, minimum_minor=chance.of([100, 333, 0]))
    if chance.one_in(2):
        price_range.maximum_minor = chance.of([1000, 500])
    return LineFilter(unit_price=[price_range])


def attribute_test(chance: Chance) -> AttributeTest:
    match chance.number(0, 2):
        case 0:
            return AttributeTest(name="table", number_range=number_range(chance, 1, 3))
        case 1:
            return AttributeTest(name="note", text_in=TextList(values=chance.some(["a", "b", "\u00e9"])))
    return AttributeTest(name="vip", flag_is=chance.one_in(2))


def number_range(chance: Chance, least: int, most: int) -> NumberRange:
    result = NumberRange(minimum=chance.number(least, most))
    if chance.one_in(3):
        result.maximum = chance.number(result.minimum, most)
    if chance.one_in(5):
        return NumberRange(maximum=chance.number(least, most))
    return result


def condition(chance: Chance, depth: int = 3) -> Condition:
    """A tree of a few questions."""
    if depth and chance.one_in(3):
        parts = [condition(chance, depth - 1) for _ in range(chance.number(1, 3))]
        match chance.number(0, 2):
            case 0:
                return Condition(all=ConditionList(conditions=parts))
            case 1:
                return Condition(any=ConditionList(conditions=parts))
        turned = Condition()
        getattr(turned, "not").CopyFrom(parts[0])
        return turned
    return chance.of(_QUESTIONS)(chance)


def threshold(chance: Chance) -> Threshold:
    result = Threshold(minimum=chance.amounts(VALUES))
    result.basis = chance.of(
        [Basis.BASIS_UNSPECIFIED, Basis.BASIS_PHASE_START, Basis.BASIS_LIST, Basis.BASIS_CURRENT]
    )
    match chance.number(0, 3):
        case 1:
            result.extent = Extent.EXTENT_CART
        case 2:
            result.selector.CopyFrom(selector(chance, KINDS))
        case 3:
            result.extent = Extent.EXTENT_SCOPE
    return result


def payment_test(chance: Chance) -> PaymentTest:
    result = PaymentTest(methods=chance.some(METHODS))
    if chance.one_in(3):
        result.card_classes.extend(chance.some(["VISA-GOLD", "visa"]))
    if chance.one_in(3):
        result.issuers.append("Samudra")
    return result


def _customer_test(chance: Chance) -> CustomerTest:
    result = CustomerTest()
    match chance.number(0, 2):
        case 0:
            result.completed_orders.CopyFrom(number_range(chance, 0, 5))
        case 1:
            result.days_since_last_order.CopyFrom(number_range(chance, 0, 30))
        case 2:
            result.birthday_within_days = chance.of([0, 1, 3])
    return result


def _threshold(chance: Chance) -> Condition:
    return Condition(threshold=threshold(chance))


def _quantity(chance: Chance) -> Condition:
    test = QuantityTest(units=number_range(chance, 1, 5))
    if chance.one_in(2):
        test.selector.CopyFrom(selector(chance, KINDS))
    return Condition(quantity=test)


def _payment(chance: Chance) -> Condition:
    return Condition(payment=payment_test(chance))


def _customer(chance: Chance) -> Condition:
    return Condition(customer=_customer_test(chance))


def _attribute(chance: Chance) -> Condition:
    owners = [
        AttributeOwner.ATTRIBUTE_OWNER_CART,
        AttributeOwner.ATTRIBUTE_OWNER_CUSTOMER,
        AttributeOwner.ATTRIBUTE_OWNER_PAYMENT,
    ]
    return Condition(attribute=OwnedAttributeTest(owner=chance.of(owners), test=attribute_test(chance)))


def _accumulated_spend(chance: Chance) -> Condition:
    test = AccumulatedSpendTest(minimum=chance.amounts(VALUES), period=chance.of(["month", "month", "year"]))
    if chance.one_in(2):
        test.brand_ids.extend(chance.some(BRANDS))
    return Condition(accumulated_spend=test)


# Thresholds several times, since they depend on the other promotions.
_QUESTIONS = [
    _threshold,
    _quantity,
    _threshold,
    _attribute,
    _threshold,
    _payment,
    _customer,
    _accumulated_spend,
]


def schedule(chance: Chance, *, windows: bool = False) -> Schedule:
    """Any schedule, or one that has daily windows."""
    result = Schedule()
    if chance.one_in(3):
        start, end = chance.of(SPANS)
        if start:
            result.start_time.FromJsonString(start)
        if end:
            result.end_time.FromJsonString(end)
    if chance.one_in(3):
        result.start_date, result.end_date = chance.of(DATES)
    if chance.one_in(3):
        result.days_of_week.extend(sorted(chance.some(DAYS, most=6)))
    if windows or not chance.one_in(3):
        result.daily_windows.extend(_window(chance) for _ in range(chance.number(1, 2)))
    if chance.one_in(4):
        result.holidays.mode = chance.of([HolidayMode.HOLIDAY_MODE_EXCLUDE, HolidayMode.HOLIDAY_MODE_ONLY])
        result.holidays.calendar_ids.append("h")
    if chance.one_in(3):
        result.time_zone = chance.of(ZONES)
    return result


def _window(chance: Chance) -> DailyWindow:
    start = chance.of(["00:00", "02:15", "08:00", "22:00", "01:00", "23:30:30"])
    ends = ["24:00", "03:00", "02:45", "16:00", "23:59:59", "12:00"]
    return DailyWindow(start=start, end=chance.of([end for end in ends if end != start]))


def targeting(chance: Chance) -> Targeting:
    result = Targeting()
    for part, names in (
        (result.store_ids, ["S1", "s2", "s3"]),
        (result.brand_ids, ["X", "y"]),
        (result.channels, CHANNELS),
        (result.regions, ["BALI", "java"]),
        (result.member_tiers, TIERS),
        (result.segment_ids, SEGMENTS),
    ):
        if chance.one_in(6):
            part.CopyFrom(_names(chance, names))
    result.members_only = chance.one_in(6)
    if chance.one_in(6):
        result.customer_type = chance.of(
            [CustomerType.CUSTOMER_TYPE_NEW, CustomerType.CUSTOMER_TYPE_RETURNING]
        )
    return result


def _names(chance: Chance, names: list[str]) -> NameFilter:
    included = chance.some(names)
    if chance.one_in(3):
        return NameFilter(exclude=included)
    return NameFilter(include=included, exclude=[chance.of(names)] if chance.one_in(5) else [])


def cross_brand(chance: Chance) -> CrossBrand:
    result = CrossBrand(
        trigger_brand_ids=chance.some(BRANDS),
        benefit_brand_ids=chance.some(BRANDS),
        minimum_spend=[] if chance.one_in(4) else chance.amounts(VALUES),
    )
    result.spend = chance.of(
        [
            SpendSource.SPEND_SOURCE_UNSPECIFIED,
            SpendSource.SPEND_SOURCE_BOTH,
            SpendSource.SPEND_SOURCE_PAST_VISITS,
            SpendSource.SPEND_SOURCE_THIS_CART,
        ]
    )
    if result.spend in (SpendSource.SPEND_SOURCE_BOTH, SpendSource.SPEND_SOURCE_PAST_VISITS):
        result.period = chance.of(["month", "month", "year"])
    return result


def stacking(chance: Chance) -> Stacking:
    """Every option; exclusive promotions are rare, since they leave little else to see."""
    result = Stacking()
    if chance.one_in(4):
        result.exclusive = chance.of(
            [Exclusivity.EXCLUSIVITY_PHASE, Exclusivity.EXCLUSIVITY_ORDER, Exclusivity.EXCLUSIVITY_NO]
        )
    # All members of a group give the same scope.
    groups = [
        ExclusionGroup(name="a"),
        ExclusionGroup(name="b", scope=GroupScope.GROUP_SCOPE_ORDER),
        ExclusionGroup(name="u", scope=GroupScope.GROUP_SCOPE_UNIT),
        ExclusionGroup(name="v", scope=GroupScope.GROUP_SCOPE_UNIT),
    ]
    result.groups.extend(group for group in groups if chance.one_in(4))
    if chance.one_in(3):
        result.on_discounted = chance.one_in(3)
    result.closes_units = chance.one_in(5)
    return result


def trigger(chance: Chance) -> Trigger:
    match chance.number(0, 4):
        case 4:
            return Trigger(automatic=AutomaticTrigger())
        case 0 | 1:
            return Trigger(code=CodeTrigger(codes=chance.some(CODES)))
        case 2:
            return Trigger(voucher=VoucherTrigger())
    return Trigger(members=MembersTrigger())


def limits(chance: Chance) -> Limits:
    result = Limits()
    if chance.one_in(2):
        result.max_uses_per_customer = 1
    if chance.one_in(2):
        result.max_uses = 10
    result.budget.extend(chance.amounts([100_000]))
    if chance.one_in(2):
        result.on_short_budget = ShortBudget.SHORT_BUDGET_PARTIAL
    elif chance.one_in(3):
        result.on_short_budget = ShortBudget.SHORT_BUDGET_ALL_OR_NOTHING
    return result
