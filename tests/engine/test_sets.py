"""Which units make a set, which are left to others, and why none could be made."""

from dealwright.v1.primitives_pb2 import Role

from tests.engine.offers import (
    HALF,
    Document,
    buy,
    combo,
    discounts,
    given,
    mix_match,
    of,
    package,
    pick,
    price,
    products,
    touched,
    units,
    upsell,
    why,
)


def test_units_have_their_roles_at_discount_0_too() -> None:
    (application,) = price([buy(2, 1)], [units(100, 3)]).applications
    (share,) = application.shares

    assert [
        (unit.first_unit, unit.quantity, unit.role, unit.unit_discount_minor) for unit in share.units
    ] == [
        (0, 2, Role.ROLE_QUALIFIER, 0),
        (2, 1, Role.ROLE_REWARD, 100),
    ]


def test_units_of_a_set_are_closed_to_other_sets_and_open_to_other_discounts() -> None:
    ten_percent = {"percent_discount": {"phase": "PHASE_ORDER", "percent_off_ppm": 100_000}}
    teas = [units(100, 3, product_id="tea"), units(100, 1, "cakes", product_id="cake")]

    assert given(price([buy(2, 1), ten_percent], teas[:1])) == [("a", 100), ("b", 20)]
    assert given(price([buy(2, 1), combo(150, "tea", "cake")], teas)) == [("a", 100)]


def test_a_slot_leaves_what_another_one_needs() -> None:
    menu = package(100, pick("mains", 1), {"product_id": "soto"})
    lines = [units(60, 1, "mains", product_id="soto"), units(58, 1, "mains", product_id="rendang")]

    assert given(price([menu], lines)) == [("a", 18)]


def test_sets_are_left_to_another_offer_where_that_gives_more() -> None:
    croissant = upsell("croissant", 180, required=products("americano", "latte"))
    lines = [
        units(250, 2, product_id="americano"),
        units(350, product_id="latte"),
        units(280, 3, product_id="croissant"),
    ]

    assert given(price([croissant], lines)) == [("a", 300)]
    assert given(price([croissant, combo(420, "americano", "croissant")], lines)) == [("a", 100), ("b", 220)]


def test_too_few_units_are_named_with_what_is_needed() -> None:
    get_croissant = buy(2, 1, buy=of("coffee"), get=of("pastry"))

    result = price([get_croissant], [units(250, 1, "coffee"), units(280, 1, "pastry")])

    assert why(result, "a") == ("REASON_QUANTITY", {"needed": 2, "had": 1})


def test_a_set_offers_scope_is_all_of_its_slots() -> None:
    breakfast = combo(420, "americano", "croissant")

    assert why(price([breakfast], [units(250, product_id="americano")]), "a")[0] == "REASON_QUANTITY"
    assert why(price([breakfast], [units(250, product_id="latte")]), "a")[0] == "REASON_NO_MATCHING_LINES"


def test_products_that_no_promotion_names_are_different_products() -> None:
    one_of_a_two_of_b = [units(900, product_id="a"), units(300, 2, product_id="b")]
    two_of_a_and_others = [
        units(100, 2, product_id="a"),
        units(90, product_id="b"),
        units(80, product_id="c"),
    ]

    assert discounts(price([buy(1, 1, same_product=True)], one_of_a_two_of_b)) == [0, 300]
    assert discounts(price([mix_match(200, 3, different_products=True)], two_of_a_and_others)) == [26, 23, 21]


def test_lines_without_a_product_are_different_products() -> None:
    two_of_one_line, two_lines = [units(100, 2)], [units(100), units(50)]

    assert discounts(price([buy(1, 1, same_product=True)], two_of_one_line)) == [100]
    assert discounts(price([buy(1, 1, same_product=True)], two_lines)) == [0, 0]


def test_a_set_that_costs_no_less_than_its_units_is_not_made() -> None:
    lines = [units(100, 2, product_id="a"), units(60, 2, product_id="b")]

    alone = price([mix_match(150, 2)], lines)
    beside_another = price([mix_match(150, 2), mix_match(110, 2, products("b"))], lines)

    assert (discounts(alone), alone.applications[0].sets) == ([50, 0], 1)
    assert given(beside_another) == [("a", 50), ("b", 10)]
    assert why(price([mix_match(200, 2)], lines[:1]), "a")[0] == "REASON_NO_EFFECT"


def test_a_cart_with_too_few_units_says_how_many_are_needed() -> None:
    third_free = buy(2, 1)
    two_and_two_of_one_product = buy(2, 2, same_product=True)
    two_and_three = [units(900, 2, product_id="a"), units(300, 3, product_id="b")]

    assert why(price([third_free], [units(100, 1)]), "a") == ("REASON_QUANTITY", {"needed": 2, "had": 1})
    assert why(price([third_free], [units(100, 2)]), "a") == ("REASON_QUANTITY", {"needed": 3, "had": 2})
    assert why(price([two_and_two_of_one_product], two_and_three), "a") == (
        "REASON_QUANTITY",
        {"needed": 4, "had": 5},
    )


def test_units_that_another_set_uses_are_taken_and_not_missing() -> None:
    lines = [units(100, 2, product_id="a"), units(100, 1, "drinks", product_id="b")]

    result = price([{**buy(1, 1), "priority": 1}, combo(150, "a", "b")], lines)

    assert given(result) == [("a", 100)]
    assert why(result, "b")[0] == "REASON_UNITS_TAKEN"


def test_a_partial_group_tries_each_product() -> None:
    lines = [units(900, 2, product_id="a"), units(300, 3, product_id="b")]

    assert discounts(price([buy(2, 2, same_product=True, partial=True)], lines)) == [0, 300]


def test_the_qualifier_of_a_partial_group_leaves_the_only_reward() -> None:
    lines = [units(900, product_id="a"), units(300, product_id="b")]
    two_of_a = buy(1, 2, buy=products("a", "b"), get=products("a"), partial=True)

    assert discounts(price([two_of_a], lines)) == [900, 0]


def test_a_set_wants_what_floors_refuse() -> None:
    def wanted_and_given(promotion: Document, *lines: Document) -> tuple[int, int]:
        (application,) = price([promotion], list(lines)).applications
        return application.wanted_minor, application.discount_minor

    floored = units(100, product_id="b", floor_minor=90)

    assert wanted_and_given(buy(1, 1), units(100, product_id="a"), floored) == (100, 10)
    assert wanted_and_given(mix_match(100, 2), units(100, floor_minor=90), floored) == (100, 20)


def test_larger_discounts_come_first_in_a_line() -> None:
    lines = [units(100, 2), units(120), units(95, floor_minor=95)]

    (application,) = price([mix_match(100, 2)], lines).applications

    assert touched(application, "1") == [(0, 1, 95), (1, 1, 55)]
    assert touched(application, "2") == [(0, 1, 65)]


def test_rewards_come_last_in_a_line() -> None:
    (application,) = price([buy(1, 1, reduction=HALF)], [units(333, 6)]).applications

    assert touched(application, "1") == [(0, 3, 0), (3, 2, 167), (5, 1, 166)]
