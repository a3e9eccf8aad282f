"""What a promotion can give at most over its life."""

from collections import Counter

import dealwright_engine
import pytest
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.result_pb2 import Result
from google.protobuf.json_format import ParseDict

from tests.differential.cases import case
from tests.differential.comparison import ask_engine
from tests.engine.offers import HALF, Document, money, of

EXAMPLES = 400
UNBOUNDED = None

OFF_ORDER: Document = {"amount_discount": {"phase": "PHASE_ORDER", "amount_off": money(5_000)}}
OFF_UNITS: Document = {"amount_discount": {"phase": "PHASE_ITEM", "amount_off": money(500)}}
SHARE: Document = {"percent_discount": {"phase": "PHASE_ORDER", "percent_off_ppm": 100_000}}
USES: Document = {"limits": {"max_uses": 100}}


def promotion(document: Document) -> Promotion:
    name = [{"language": "en", "text": "Example"}]
    return ParseDict({"id": "a", "rule_language": 1, "name": name, **document}, Promotion())


def exposure(document: Document, currency: str = "IDR") -> int | None:
    return dealwright_engine.exposure(promotion(document).SerializeToString(), currency)


def capped(document: Document, minor: int) -> Document:
    """The rule with the most that one application gives."""
    ((rule, value),) = document.items()
    return {rule: {**value, "max_discount": money(minor)}}


def gift(**how: object) -> Document:
    return {"free_item": {"gift": {"product_id": "tea", "unit_value": money(900), **how}}}


@pytest.mark.parametrize(
    ("document", "most"),
    [
        (OFF_ORDER, UNBOUNDED),
        (OFF_ORDER | USES, 500_000),
        (OFF_ORDER | {"limits": {"max_uses_per_customer": 1}}, UNBOUNDED),
        (OFF_ORDER | {"limits": {"budget": money(70_000)}}, 70_000),
        (OFF_ORDER | {"limits": {"max_uses": 100, "budget": money(70_000)}}, 70_000),
        (OFF_ORDER | {"limits": {"max_uses": 10, "budget": money(70_000)}}, 50_000),
        (OFF_ORDER | {"limits": {"max_uses": 2**62}}, UNBOUNDED),
        (OFF_UNITS | USES, UNBOUNDED),
        (SHARE, UNBOUNDED),
        (SHARE | USES, UNBOUNDED),
        (SHARE | {"limits": {"budget": money(70_000)}}, 70_000),
        (capped(SHARE, 2_000) | USES, 200_000),
        (capped(SHARE, 2_000), UNBOUNDED),
        (gift() | USES, 90_000),
        (gift(quantity=3) | USES, 270_000),
        ({"cashback": {"cashback_amount": {"per_currency": money(300)}}} | USES, 30_000),
        ({"cashback": {"cashback_ppm": 50_000}} | USES, UNBOUNDED),
        ({"cashback": {"cashback_ppm": 50_000, "max_cashback": money(250)}} | USES, 25_000),
    ],
)
def test_it_is_the_budget_or_what_an_order_gets_as_often_as_it_may(
    document: Document, most: int | None
) -> None:
    assert not _faults(document)
    assert exposure(document) == most


def test_units_that_are_lowered_by_an_amount_count_when_their_number_is_bounded() -> None:
    offer: Document = {
        "buy_x_get_y": {
            "buy": of("food"),
            "buy_quantity": 2,
            "get_quantity": 1,
            "reduction": {"amount_off": {"per_currency": money(400)}},
            "max_sets": 3,
        }
    }
    for document, most in ((offer, 400 * 3 * 100), (_with(offer, "reduction", HALF), UNBOUNDED)):
        assert not _faults(document | USES)
        assert exposure(document | USES) == most


def test_of_tiers_the_one_that_gives_most_counts() -> None:
    tiers = [
        {
            "name": "one",
            "minimum": money(10_000),
            "below": money(20_000),
            "amount_off": {"per_currency": money(1_000)},
        },
        {"name": "two", "minimum": money(20_000), "amount_off": {"per_currency": money(3_000)}},
    ]
    document: Document = {"threshold_tier": {"tiers": tiers}}
    assert not _faults(document | USES)
    assert exposure(document | USES) == 300_000


def test_where_its_amounts_do_not_exist_it_gives_nothing() -> None:
    assert exposure(OFF_ORDER, "USD") == 0
    assert exposure(SHARE, "USD") is UNBOUNDED
    assert exposure(OFF_ORDER | USES, "XXX") is UNBOUNDED


def test_what_cannot_be_understood_may_give_anything() -> None:
    assert dealwright_engine.exposure(b"\xff", "IDR") is UNBOUNDED
    assert exposure({"limits": {"max_uses": 1}}) is UNBOUNDED


def test_no_order_gets_more_than_it_says() -> None:
    """Gifts aside: one that is on the bill already is free at the price that it has there."""
    bounded = 0
    for number in range(EXAMPLES):
        tried = case(1, number)
        currency = tried.request.cart.currency_code
        given = _given(ask_engine(tried))
        for definition in tried.ruleset.promotions:
            once = Promotion()
            once.CopyFrom(definition)
            once.limits.max_uses = 1
            most = dealwright_engine.exposure(once.SerializeToString(), currency)
            if most is None or "gift" in str(definition):
                continue
            bounded += given[definition.id] > 0
            assert given[definition.id] <= most, (number, definition)
    assert bounded > 20


def _given(result: Result) -> Counter[str]:
    given: Counter[str] = Counter()
    for applied in result.applications:
        given[applied.promotion_id] += applied.discount_minor
    for reward in result.rewards:
        given[reward.promotion_id] += reward.cashback_minor
    return given


def _faults(document: Document) -> bytes:
    return dealwright_engine.validate(promotion(document).SerializeToString())


def _with(document: Document, field: str, value: object) -> Document:
    ((rule, fields),) = document.items()
    return {rule: {**fields, field: value}}
