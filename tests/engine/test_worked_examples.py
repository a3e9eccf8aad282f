"""The worked examples of docs/semantics.md that a list of discounts tells, in its numbers."""

import pytest

from tests.engine.offers import (
    HALF,
    Document,
    buy,
    combo,
    discounts,
    gift_in_cart,
    mix_match,
    of,
    package,
    pick,
    price,
    products,
    units,
)


@pytest.mark.parametrize(
    ("rule", "promotions", "lines", "expected"),
    [
        ("S-6.3", [buy(2, 1)], [units(100, 7)], [200]),
        ("S-6.3", [buy(1, 2)], [units(100, 6)], [400]),
        ("S-6.4", [buy(1, 1)], [units(900), units(800), units(300), units(200)], [0, 800, 0, 200]),
        (
            "S-6.4",
            [buy(1, 1, grouping="GROUPING_MERCHANT")],
            [units(900), units(800), units(300), units(200)],
            [0, 0, 300, 200],
        ),
        (
            "S-6.5",
            [combo(800, "a", "b", "c")],
            [units(600, product_id="a"), units(300, product_id="b"), units(100, product_id="c")],
            [120, 60, 20],
        ),
        (
            "S-6.5",
            [combo(800, "a", "b", "c")],
            [
                units(600, product_id="a", floor_minor=550),
                units(300, product_id="b"),
                units(100, product_id="c"),
            ],
            [50, 113, 37],
        ),
        (
            "S-6.9",
            [package(100, {"product_id": "main"}, pick("sides", 1, 3))],
            [units(80, product_id="main"), *(units(price, 1, "sides") for price in (30, 20, 10, 5))],
            [23, 8, 6, 3, 0],
        ),
        (
            "S-6.9",
            [package(90, pick("food", 2), pick("desserts", 2, optional=True))],
            [units(50, 2), units(30, 1, "desserts")],
            [10, 0],
        ),
        ("S-6.10", [buy(2, 2, partial=True)], [units(100, 7)], [300]),
        ("S-6.10", [buy(2, 2, partial=True)], [units(100, 6)], [200]),
        ("S-6.11", [buy(1, 1, reduction=HALF)], [units(333, 6)], [500]),
        (
            "S-6.12",
            [buy(1, 1, buy=products("latte", "tea"), same_product=True)],
            [units(350, product_id="latte"), units(240, 2, product_id="tea")],
            [0, 240],
        ),
        (
            "S-6.12",
            [mix_match(80, 3, products("a", "b", "c"), different_products=True)],
            [units(40, 2, product_id="a"), units(30, product_id="b"), units(20, product_id="c")],
            [5, 3, 2],
        ),
        (
            "S-9.6",
            [{"free_item": {"gift": {"selector": of("food"), "source": "GIFT_SOURCE_IN_CART"}}}],
            [units(350), units(300), units(240)],
            [0, 0, 240],
        ),
        (
            "S-9.7",
            [gift_in_cart("coffee", trigger=of("food"), trigger_quantity=2, max_gifts=5)],
            [units(350, 7, product_id="coffee")],
            [700],
        ),
        (
            "S-12.4",
            [package(100, {"product_id": "main"}, {"product_id": "drink"}, allow_modification=True)],
            [units(80, product_id="main"), units(40, product_id="drink"), units(10, parent_id="1")],
            [13, 7, 0],
        ),
        (
            "S-12.4",
            [package(100, {"product_id": "main"}, {"product_id": "drink"})],
            [units(80, product_id="main"), units(40, product_id="drink"), units(10, parent_id="1")],
            [0, 0, 0],
        ),
    ],
)
def test_each_line_loses_what_the_example_says(
    rule: str, promotions: list[Document], lines: list[Document], expected: list[int]
) -> None:
    assert discounts(price(promotions, lines)) == expected, rule
