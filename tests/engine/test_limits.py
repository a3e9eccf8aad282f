"""Each limit on what the engine accepts, at it and one past it."""

from collections.abc import Callable

import pytest
from dealwright.v1.attribute_pb2 import NumberRange
from dealwright.v1.cart_pb2 import Cart, Line
from dealwright.v1.condition_pb2 import Condition, ConditionList, QuantityTest
from dealwright.v1.diagnostic_pb2 import Diagnostics
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest, EvaluateResponse
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.ruleset_pb2 import Ruleset as RulesetMessage
from dealwright_engine import InvalidRequest, Ruleset, validate

from server.documents import parse_message, parse_yaml
from tests.engine.adding_up import assert_adds_up

TEN_PERCENT = """
id: ten-percent
rule_language: 1
name: [{language: en, text: Ten percent}]
percent_discount: {phase: PHASE_ITEM, percent_off_ppm: 100000}
"""


def promotion() -> Promotion:
    return parse_message(parse_yaml(TEN_PERCENT, "ten-percent"), Promotion)


def codes_of(definition: Promotion) -> list[str]:
    found = Diagnostics.FromString(validate(definition.SerializeToString()))
    return [diagnostic.code for diagnostic in found.diagnostics]


def evaluate(cart: Cart) -> EvaluateResponse | list[str]:
    """The response, or the codes of the refusal."""
    company = RulesetMessage(company_id="sinar-rasa", promotions=[promotion()])
    ruleset = Ruleset.compile(company.SerializeToString())
    try:
        answer = ruleset.evaluate(EvaluateRequest(cart=cart).SerializeToString(), 0)
    except InvalidRequest as refusal:
        return [diagnostic.code for diagnostic in Diagnostics.FromString(refusal.diagnostics).diagnostics]
    return EvaluateResponse.FromString(answer)


def with_lines(count: int) -> Cart:
    lines = [Line(id=str(number), quantity=1, unit_price_minor=100) for number in range(count)]
    return Cart(currency_code="IDR", lines=lines)


def with_quantity(quantity: int) -> Cart:
    return Cart(currency_code="IDR", lines=[Line(id="1", quantity=quantity, unit_price_minor=100)])


def with_unit_price(minor: int) -> Cart:
    return Cart(currency_code="IDR", lines=[Line(id="1", quantity=1, unit_price_minor=minor)])


def with_total(minor: int) -> Cart:
    """Lines of 10^15 minor units, by the thousand, and one with the rest."""
    thousands, rest = divmod(minor, 10**18)
    full, rest = divmod(rest, 10**15)
    lines = [Line(id=str(number), quantity=1000, unit_price_minor=10**15) for number in range(thousands)]
    lines.append(Line(id="full", quantity=full, unit_price_minor=10**15))
    lines.append(Line(id="rest", quantity=1, unit_price_minor=rest))
    return Cart(currency_code="IDR", lines=lines)


def with_codes(count: int) -> Cart:
    cart = with_lines(1)
    cart.codes.extend(f"CODE{number}" for number in range(count))
    return cart


@pytest.mark.parametrize(
    ("make", "limit", "code"),
    [
        pytest.param(with_lines, 10_000, "too_many", id="lines"),
        pytest.param(with_quantity, 1_000_000, "out_of_range", id="quantity"),
        pytest.param(with_unit_price, 10**15, "out_of_range", id="unit-price"),
        pytest.param(with_total, 2**62 - 1, "total_too_large", id="total"),
        pytest.param(with_codes, 50, "too_many", id="codes"),
    ],
)
def test_a_cart_is_priced_at_the_limit_and_refused_past_it(
    make: Callable[[int], Cart], limit: int, code: str
) -> None:
    priced = evaluate(make(limit))

    assert isinstance(priced, EvaluateResponse)
    assert_adds_up(make(limit), priced.result)
    assert evaluate(make(limit + 1)) == [code]


@pytest.mark.parametrize(("slips", "told"), [(100, 100), (101, 100)])
def test_a_cart_with_more_slips_than_are_told_is_priced(slips: int, told: int) -> None:
    company = RulesetMessage(company_id="sinar-rasa")
    company.categories.add(id="coffee")
    cart = with_lines(2)
    cart.lines[0].category_ids.extend(f"c{number}" for number in range(slips - slips // 2))
    cart.lines[1].category_ids.extend(f"d{number}" for number in range(slips // 2))

    answer = Ruleset.compile(company.SerializeToString()).evaluate(
        EvaluateRequest(cart=cart).SerializeToString(), 0
    )

    result = EvaluateResponse.FromString(answer).result
    assert (len(result.remarks), result.totals.payable_minor) == (told, 200)


def with_depth(levels: int) -> Promotion:
    condition = Condition(quantity=QuantityTest(units=NumberRange(minimum=1)))
    for _ in range(levels - 1):
        condition = Condition(all=ConditionList(conditions=[condition]))
    definition = promotion()
    definition.condition.CopyFrom(condition)
    return definition


def with_nodes(count: int) -> Promotion:
    definition = promotion()
    for minimum in range(1, count):
        definition.condition.all.conditions.add(quantity=QuantityTest(units=NumberRange(minimum=minimum)))
    return definition


def with_id(length: int) -> Promotion:
    definition = promotion()
    definition.id = "x" * length
    return definition


def with_name(length: int) -> Promotion:
    definition = promotion()
    definition.name[0].text = "x" * length
    return definition


def with_slots(count: int) -> Promotion:
    definition = promotion()
    for number in range(count):
        definition.package.slots.add(name=f"slot {number}", product_id=f"dish-{number}")
    definition.package.set_price.add(currency_code="IDR", minor=100)
    return definition


def with_units_in_a_set(count: int) -> Promotion:
    definition = promotion()
    definition.mix_match.scope.include.add(category_ids=["pastry"])
    definition.mix_match.required_quantity = count
    definition.mix_match.unit_price.per_currency.add(currency_code="IDR", minor=100)
    return definition


@pytest.mark.parametrize(
    ("make", "limit", "code"),
    [
        pytest.param(with_depth, 16, "condition_too_deep", id="condition-levels"),
        pytest.param(with_nodes, 256, "condition_too_large", id="condition-parts"),
        pytest.param(with_id, 64, "id_invalid", id="id"),
        pytest.param(with_name, 10_000, "text_too_long", id="text"),
        pytest.param(with_slots, 12, "too_many", id="slots-of-a-set"),
        pytest.param(with_units_in_a_set, 1_000_000, "out_of_range", id="units-of-a-set"),
    ],
)
def test_a_definition_is_accepted_at_the_limit_and_refused_past_it(
    make: Callable[[int], Promotion], limit: int, code: str
) -> None:
    assert codes_of(make(limit)) == []
    assert codes_of(make(limit + 1)) == [code]
