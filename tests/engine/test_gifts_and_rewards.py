"""Gifts, tiers and promises: how often, which units, and what they are worth."""

import pytest

from tests.engine.offers import (
    Document,
    cashback,
    custom,
    discounts,
    gift,
    gift_in_cart,
    given,
    groups,
    money,
    of,
    off_items,
    off_order,
    price,
    tiers,
    units,
    why,
)


def test_a_gift_is_given_whole_or_not_at_all() -> None:
    partial = {**gift(12_000), "limits": {"on_short_budget": "SHORT_BUDGET_PARTIAL"}}

    assert price([partial], [units(50_000)], budget_left=12_000).gifts[0].value_minor == 12_000
    assert not price([partial], [units(50_000)], budget_left=11_999).gifts


def test_a_gift_on_the_bill_becomes_free_and_is_not_given_again() -> None:
    others = {**off_order(20_000), **groups("one")}
    coffee = {**gift(28_000), **groups("one")}
    on_the_bill = units(25_000, product_id="tea", kind="LINE_KIND_GIFT")

    granted = price([others, coffee], [units(100_000)])
    found = price([others, coffee], [units(100_000), on_the_bill])

    assert [(each.product_id, each.quantity, each.value_minor) for each in granted.gifts] == [
        ("tea", 1, 28_000)
    ]
    assert granted.totals.discount_minor == 0
    assert (discounts(found), list(found.gifts)) == ([0, 25_000], [])
    assert granted.selection.benefit_minor == found.selection.benefit_minor == 28_000


def test_a_gift_that_is_in_the_cart_in_part_is_added_for_the_rest() -> None:
    teas = {"product_id": "tea", "quantity": 2, "source": "GIFT_SOURCE_ADD_MISSING", "unit_value": money(120)}

    result = price([{"free_item": {"gift": teas}}], [units(500), units(120, product_id="tea")])

    assert discounts(result) == [0, 120]
    assert [(each.quantity, each.value_minor) for each in result.gifts] == [(1, 120)]


@pytest.mark.parametrize(
    ("reward", "paid", "field", "expected"),
    [
        ({"cashback_ppm": 50_000}, 80_000, "cashback_minor", 4_000),
        ({"cashback_ppm": 50_000, "max_reward": money(3_000)}, 80_000, "cashback_minor", 3_000),
        ({"cashback_ppm": 50_000}, 333, "cashback_minor", 17),
        ({"cashback_amount": {"per_currency": money(500)}}, 333, "cashback_minor", 333),
        ({"points_per": {"points": 1, "step": money(10_000)}}, 45_900, "points", 4),
    ],
)
def test_a_reward_is_computed_on_what_is_paid(reward: Document, paid: int, field: str, expected: int) -> None:
    earlier = [off_items(200_000)] if paid == 80_000 else []
    step = {"phase": "PHASE_REWARD", "reward": reward}

    result = price([custom(step), *earlier], [units(100_000 if earlier else paid)])

    assert [getattr(grant, field) for grant in result.rewards] == [expected]
    assert result.totals.payable_minor == paid


def test_rewards_break_ties_and_nothing_else() -> None:
    with_cashback = price(
        [
            {**off_order(100), **groups("one", "two")},
            {**off_order(100), **groups("one")},
            {**cashback(50), **groups("two")},
        ],
        [units(1000)],
    )
    without = price([{**off_order(100), **groups("one")}, {**cashback(200), **groups("one")}], [units(1000)])

    assert given(with_cashback) == [("b", 100), ("c", 0)]
    assert given(without) == [("a", 100)]


def test_a_tier_counts_the_start_of_its_phase_and_takes_of_what_is_left() -> None:
    low = {"minimum": money(300), "amount_off": {"per_currency": money(15)}}
    high = {"minimum": money(600), "percent_off_ppm": 80_000}
    earlier = {**off_order(100), "priority": 1}

    assert given(price([tiers(low, high), earlier], [units(650)])) == [("b", 100), ("a", 44)]


def test_units_that_are_bought_leave_the_only_gift() -> None:
    latte = gift_in_cart("latte", trigger=of("food"))

    assert discounts(price([latte], [units(350, product_id="latte"), units(180)])) == [350, 0]


def test_a_gift_in_the_cart_is_given_as_far_as_it_goes() -> None:
    two_lattes = {"product_id": "latte", "source": "GIFT_SOURCE_IN_CART", "quantity": 2}
    lines = [units(350, product_id="latte"), units(180)]

    assert discounts(price([{"free_item": {"gift": two_lattes, "trigger": of("food")}}], lines)) == [350, 0]


def test_a_gift_wants_what_floors_refuse_and_a_reward_wants_nothing() -> None:
    (found,) = price([gift_in_cart("tea")], [units(100, product_id="tea", floor_minor=90)]).applications
    (promised,) = price([cashback(50)], [units(100)]).applications

    assert (found.wanted_minor, found.discount_minor) == (100, 10)
    assert promised.wanted_minor == 0


def test_points_cost_no_budget() -> None:
    points = {"phase": "PHASE_REWARD", "reward": {"points": 500}}
    back = {"phase": "PHASE_REWARD", "reward": {"cashback_ppm": 100_000}}

    enough = price([custom(points, back)], [units(1000)], budget_left=100)
    too_little = price([custom(points, back)], [units(1000)], budget_left=99)

    assert [(reward.points, reward.cashback_minor) for reward in enough.rewards] == [(500, 0), (0, 100)]
    assert why(too_little, "a") == ("REASON_BUDGET", {"needed": 100, "had": 99})


def test_the_reward_of_a_tier_breaks_ties_too() -> None:
    multiplier = tiers({"minimum": money(1), "points_multiplier_ppm": 2_000_000})
    excludes_it = {**off_order(100), **groups("one", "two")}
    lives_with_it = {**off_order(100), **groups("one")}

    result = price([excludes_it, lives_with_it, {**multiplier, **groups("two")}], [units(1000)])

    assert given(result) == [("b", 100), ("c", 0)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (50, ("REASON_THRESHOLD", {"needed": 100, "had": 50, "missing": 50})),
        (100, ("REASON_APPLIED", {"discount": 10})),
        (199, ("REASON_APPLIED", {"discount": 10})),
        (200, ("REASON_THRESHOLD", {"needed": 300, "had": 200, "missing": 100})),
        (300, ("REASON_APPLIED", {"discount": 20})),
        (400, ("REASON_NO_EFFECT", {})),
    ],
)
def test_between_tiers_the_next_is_named_and_above_all_of_them_none(
    value: int, expected: tuple[str, dict[str, int]]
) -> None:
    low = {"minimum": money(100), "below": money(200), "amount_off": {"per_currency": money(10)}}
    high = {"minimum": money(300), "below": money(400), "amount_off": {"per_currency": money(20)}}

    assert why(price([tiers(low, high)], [units(value)]), "a") == expected
