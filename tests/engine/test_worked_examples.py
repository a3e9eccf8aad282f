"""The worked examples of docs/semantics.md on steps, sets, gifts, rewards and tiers, in its numbers."""

from typing import Any

import pytest
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest, EvaluateResponse
from dealwright.v1.primitives_pb2 import Role
from dealwright.v1.result_pb2 import Reason, Result
from dealwright.v1.ruleset_pb2 import Ruleset as RulesetMessage
from dealwright_engine import Ruleset
from google.protobuf.json_format import ParseDict

from tests.engine.adding_up import assert_adds_up

Document = dict[str, Any]
FREE = {"percent_off_ppm": 1_000_000}
HALF = {"percent_off_ppm": 500_000}


def money(minor: int) -> list[Document]:
    return [{"currency_code": "IDR", "minor": minor}]


def of(*categories: str) -> Document:
    return {"include": [{"category_ids": list(categories)}]}


def products(*ids: str) -> Document:
    return {"include": [{"product_ids": list(ids)}]}


def units(price: int, quantity: int = 1, category: str = "food", **more: Any) -> Document:
    return {"unit_price_minor": price, "quantity": quantity, "category_ids": [category], **more}


def price(
    promotions: list[Document],
    lines: list[Document],
    budget_left: int | None = None,
    payment: Document | None = None,
) -> Result:
    """Prices lines with ids 1, 2, ... by promotions with ids a, b, ... in this order."""
    name = [{"language": "en", "text": "Example"}]
    definitions = [
        {"id": chr(ord("a") + place), "rule_language": 1, "name": name, **promotion}
        for place, promotion in enumerate(promotions)
    ]
    company = {"company_id": "example", "promotions": definitions}
    ruleset = Ruleset.compile(ParseDict(company, RulesetMessage()).SerializeToString())
    assert ruleset.unsupported_count == 0
    numbered = [{"id": str(number), **line} for number, line in enumerate(lines, start=1)]
    cart = {"currency_code": "IDR", "lines": numbered, **({"payment": payment} if payment else {})}
    request = ParseDict({"cart": cart, "options": {"verdicts": "VERDICT_SCOPE_ALL"}}, EvaluateRequest())
    if budget_left is not None:
        request.limit_state.promotions.add(promotion_id="a", budget_left_minor=budget_left)
    result = EvaluateResponse.FromString(ruleset.evaluate(request.SerializeToString(), 0)).result
    assert_adds_up(request.cart, result)
    return result


def discounts(result: Result) -> list[int]:
    """What each line lost."""
    return [line.discount_minor for line in result.lines]


def given(result: Result) -> list[tuple[str, int]]:
    return [(applied.promotion_id, applied.discount_minor) for applied in result.applications]


def why(result: Result, promotion_id: str) -> tuple[str, dict[str, int]]:
    (verdict,) = [verdict for verdict in result.verdicts if verdict.promotion_id == promotion_id]
    numbers = {each.name: each.number or each.money.minor for each in verdict.parameters}
    return Reason.Name(verdict.reason), numbers


def buy(quantity: int, get: int, /, **more: Any) -> Document:
    rule = {"buy": of("food"), "buy_quantity": quantity, "get_quantity": get, "reduction": FREE}
    return {"buy_x_get_y": rule | more}


def combo(set_price: int, *ids: str) -> Document:
    return {"combo": {"items": [{"product_id": id_} for id_ in ids], "set_price": money(set_price)}}


def package(set_price: int, *slots: Document, **more: Any) -> Document:
    named = [{"name": str(number), **slot} for number, slot in enumerate(slots)]
    return {"package": {"slots": named, "set_price": money(set_price), **more}}


def pick(category: str, least: int, most: int | None = None, optional: bool = False) -> Document:
    picks = {"category_id": category, "min_picks": least, "max_picks": most or least}
    return {"pick": picks, "optional": optional}


def off_items(ppm: int, **more: Any) -> Document:
    return {"percent_discount": {"phase": "PHASE_ITEM", "percent_off_ppm": ppm, **more}}


def off_order(minor: int) -> Document:
    return {"amount_discount": {"phase": "PHASE_ORDER", "amount_off": money(minor)}}


def custom(*steps: Document) -> Document:
    return {"custom": {"steps": list(steps)}}


def groups(*names: str) -> Document:
    return {"stacking": {"groups": [{"name": name} for name in names]}}


def gift(unit_value: int, **more: Any) -> Document:
    return {"free_item": {"gift": {"product_id": "tea", "unit_value": money(unit_value)}, **more}}


def gift_in_cart(product: str, **more: Any) -> Document:
    return {"free_item": {"gift": {"product_id": product, "source": "GIFT_SOURCE_IN_CART"}, **more}}


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
            [
                {
                    "mix_match": {
                        "scope": products("a", "b", "c"),
                        "required_quantity": 3,
                        "set_price": {"per_currency": money(80)},
                        "different_products": True,
                    }
                }
            ],
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
    coffees = products("americano", "latte")
    croissant = {
        "upsell": {
            "required": coffees,
            "upsell_product_id": "croissant",
            "special_price": money(180),
            "message": [{"language": "en", "text": "Add a croissant"}],
        }
    }
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


def test_rewards_break_ties_and_nothing_else() -> None:
    def cashback(minor: int) -> Document:
        return {"cashback": {"cashback_amount": {"per_currency": money(minor)}}}

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


def test_half_a_promise_is_not_kept() -> None:
    reduce = {"phase": "PHASE_ITEM", "reduce": {"reduction": {"amount_off": {"per_currency": money(30)}}}}
    tea = {"phase": "PHASE_SET", "gift": {"product_id": "tea", "unit_value": money(100)}}

    assert given(price([custom(reduce, tea)], [units(1000)], budget_left=120)) == []
    assert given(price([custom(reduce, tea)], [units(1000)], budget_left=130)) == [("a", 30), ("a", 0)]


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


def test_a_discount_for_paying_comes_last_and_needs_the_way_of_paying() -> None:
    ten_percent = {"percent_discount": {"phase": "PHASE_ORDER", "percent_off_ppm": 100_000}}
    card = {"payment_discount": {"payment": {"methods": ["card"]}, "amount_off": {"per_currency": money(40)}}}

    assert given(price([card, ten_percent], [units(300)], payment={"method": "card"})) == [
        ("b", 30),
        ("a", 40),
    ]
    assert why(price([card], [units(300)]), "a")[0] == "REASON_PAYMENT"


def test_a_tier_counts_the_start_of_its_phase_and_takes_of_what_is_left() -> None:
    tiers = [
        {"name": "low", "minimum": money(300), "amount_off": {"per_currency": money(15)}},
        {"name": "high", "minimum": money(600), "percent_off_ppm": 80_000},
    ]
    earlier = {**off_order(100), "priority": 1}

    assert given(price([{"threshold_tier": {"tiers": tiers}}, earlier], [units(650)])) == [
        ("b", 100),
        ("a", 44),
    ]
    assert why(price([{"threshold_tier": {"tiers": tiers}}], [units(299)]), "a") == (
        "REASON_THRESHOLD",
        {"needed": 300, "had": 299, "missing": 1},
    )


def test_a_set_offers_scope_is_all_of_its_slots() -> None:
    breakfast = combo(420, "americano", "croissant")

    assert why(price([breakfast], [units(250, product_id="americano")]), "a")[0] == "REASON_QUANTITY"
    assert why(price([breakfast], [units(250, product_id="latte")]), "a")[0] == "REASON_NO_MATCHING_LINES"
