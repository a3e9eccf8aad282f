"""A till that reads a document prices as the definition does: definition and document through the engine."""

from collections import Counter

from dealwright.v1.diagnostic_pb2 import SEVERITY_ERROR
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest
from dealwright.v1.primitives_pb2 import GIFT_SOURCE_IN_CART, Gift
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.ruleset_pb2 import Ruleset

from server.definitions.pos import Edition, depends_on_stores, project, with_numbers
from server.definitions.pos.selectors import of_category
from server.definitions.validation import validate
from tests.differential.carts import CALENDARS, STORES
from tests.differential.cases import Case, case
from tests.differential.comparison import ask_engine
from tests.pos.documents import WHEN, read_back

CASES = 200
BARE = (
    "units",
    "percent_base",
    "basis",
    "max_sets",
    "max_units",
    "partial",
    "buy_order",
    "get_order",
    "grouping",
)
"""Fields of rules that only extensions can say."""
BARE_HAPPY_HOUR = ("max_discount", "min_purchase")


def simpler(promotion: Promotion, edition: Edition) -> Promotion:
    """The promotion, without some of what only extensions can say."""
    result = Promotion()
    result.CopyFrom(promotion)
    if result.HasField("mix_match"):
        result.mix_match.scope.CopyFrom(of_category("drinks"))
        if result.mix_match.HasField("unit_price"):
            result.mix_match.set_price.CopyFrom(result.mix_match.unit_price)
    if result.HasField("free_item"):
        product_id = result.free_item.gift.product_id or "latte"
        result.free_item.gift.CopyFrom(Gift(product_id=product_id, source=GIFT_SOURCE_IN_CART))
    kind = str(result.WhichOneof("rule"))
    rule = getattr(result, kind)
    for field in (*BARE, *(BARE_HAPPY_HOUR if kind == "happy_hour" else ())):
        if field in rule.DESCRIPTOR.fields_by_name:
            rule.ClearField(field)
    for part in (project(result, edition, 1, WHEN).document or {}).get("extensions", ()):
        if part != kind:
            result.ClearField(part)
    return result if not any(found.severity == SEVERITY_ERROR for found in validate(result)) else promotion


def of_a_store(asked: EvaluateRequest) -> EvaluateRequest:
    """The request of a till: in a store that the company has, and in its region."""
    result = EvaluateRequest()
    result.CopyFrom(asked)
    if result.cart.store_id.casefold() not in {store.id.casefold() for store in STORES}:
        result.cart.store_id = STORES[0].id
    result.cart.ClearField("region")
    return result


def test_what_is_said_means_the_same_when_it_is_read_back() -> None:
    regions = tuple((store.id, store.region) for store in STORES)
    calendars = tuple(sorted(calendar.id for calendar in CALENDARS))
    edition = Edition("IDR", calendar_ids=calendars, store_regions=regions)
    plain: Counter[str] = Counter()
    extended: Counter[str] = Counter()
    listed = 0
    for number in range(CASES):
        drawn = case(7, number)
        original, again = Ruleset(), Ruleset()
        original.CopyFrom(drawn.ruleset)
        for promotion in original.promotions:
            if number % 4:
                promotion.CopyFrom(simpler(promotion, edition))
        again.CopyFrom(original)
        for promotion in again.promotions:
            document = project(promotion, edition, 1, WHEN).document
            if document is not None:
                said = extended if "extensions" in document else plain
                said[str(promotion.WhichOneof("rule"))] += 1
                listed += depends_on_stores(promotion)
                promotion.CopyFrom(read_back(with_numbers(document), edition))
        if original != again:
            asked = of_a_store(drawn.request)
            results = [ask_engine(Case(each, asked, drawn.explain)) for each in (original, again)]
            assert results[0] == results[1], number
    assert len(plain) == len(extended) == 12, (plain, extended)
    assert listed > 0
