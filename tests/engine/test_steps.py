"""Steps of one promotion, and steps in phases of their own."""

import pytest

from tests.engine.offers import (
    Document,
    custom,
    given,
    money,
    price,
    units,
    why,
)


def test_steps_of_one_phase_share_their_base() -> None:
    def step(ppm: int) -> Document:
        return {"phase": "PHASE_ITEM", "reduce": {"reduction": {"percent_off_ppm": ppm}}}

    assert given(price([custom(step(100_000), step(50_000))], [units(1000)])) == [("a", 100), ("a", 50)]
    assert given(price([custom(step(600_000), step(500_000))], [units(1000)])) == [("a", 600), ("a", 400)]


def test_a_step_whose_condition_fails_leaves_the_others() -> None:
    first = {"phase": "PHASE_ITEM", "reduce": {"reduction": {"percent_off_ppm": 100_000}}}
    second = {
        "phase": "PHASE_ORDER",
        "condition": {"threshold": {"minimum": money(950), "extent": "EXTENT_CART"}},
        "spread": {"amount_off": {"per_currency": money(50)}},
    }

    assert given(price([custom(first, second)], [units(1000)])) == [("a", 100)]


def test_half_a_promise_is_not_kept() -> None:
    reduce = {"phase": "PHASE_ITEM", "reduce": {"reduction": {"amount_off": {"per_currency": money(30)}}}}
    tea = {"phase": "PHASE_SET", "gift": {"product_id": "tea", "unit_value": money(100)}}

    assert given(price([custom(reduce, tea)], [units(1000)], budget_left=120)) == []
    assert given(price([custom(reduce, tea)], [units(1000)], budget_left=130)) == [("a", 30), ("a", 0)]


def test_a_discount_for_paying_comes_last_and_needs_the_way_of_paying() -> None:
    ten_percent = {"percent_discount": {"phase": "PHASE_ORDER", "percent_off_ppm": 100_000}}
    card = {"payment_discount": {"payment": {"methods": ["card"]}, "amount_off": {"per_currency": money(40)}}}

    assert given(price([card, ten_percent], [units(300)], payment={"method": "card"})) == [
        ("b", 30),
        ("a", 40),
    ]
    assert why(price([card], [units(300)]), "a")[0] == "REASON_PAYMENT"


@pytest.mark.parametrize(
    "stacking",
    [
        {"groups": [{"name": "one", "scope": "GROUP_SCOPE_UNIT"}]},
        {"on_discounted": False},
        {"closes_units": True},
    ],
    ids=["unit group", "on discounted", "closes units"],
)
def test_a_promotion_does_not_stand_in_its_own_way(stacking: Document) -> None:
    ten, five = (
        {"phase": "PHASE_ITEM", "reduce": {"reduction": {"percent_off_ppm": ppm}}}
        for ppm in (100_000, 50_000)
    )

    result = price([{**custom(ten, five), "stacking": stacking}], [units(1000)])

    assert given(result) == [("a", 100), ("a", 50)]
