"""Near misses and suggestions keep their word: who does what they say gains what they say."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dealwright.v1.cart_pb2 import Line
from dealwright.v1.diagnostic_pb2 import Diagnostics
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest, ExplainRequest, ExplainResponse
from dealwright.v1.result_pb2 import NearMiss, Result
from dealwright_engine import InvalidRequest, Ruleset
from google.protobuf.json_format import ParseDict
from hypothesis import given
from hypothesis import strategies as st

from server.documents import read_cart, read_definitions
from tests.engine.offers import (
    Document,
    buy,
    cart_of,
    combo,
    compiled,
    evaluate,
    gift,
    groups,
    mix_match,
    money,
    of,
    off_items,
    off_order,
    tiers,
    units,
    upsell,
)

DEMO = Path(__file__).parents[2] / "examples" / "demo"
COMPANY = Ruleset.compile(
    read_definitions([DEMO / "company.yaml", DEMO / "promotions"]).ruleset().SerializeToString()
)
REQUESTS = [read_cart(path).request for path in sorted((DEMO / "carts").iterdir())]
ADVICE_MAX = 20
ALL = {"near_misses_max": ADVICE_MAX, "suggestions_max": ADVICE_MAX}

TEN_PERCENT_FROM_1000 = off_items(100_000, min_purchase={"minimum": money(1000)})


def ask(promotions: list[Document], lines: list[Document], **options: Any) -> Result:
    return evaluate(compiled(promotions), question(lines, **(options or ALL)))


def question(lines: list[Document], **options: Any) -> EvaluateRequest:
    return ParseDict({"cart": cart_of(lines), "options": options}, EvaluateRequest())


def near_misses(result: Result) -> list[tuple[str, int, int]]:
    """Promotion, what to add (an amount, or a number of units), and the gain."""
    return [
        (found.promotion_id, found.spend_more.minor or found.buy_more.quantity, found.gain_minor)
        for found in result.near_misses
    ]


def offers(result: Result) -> list[tuple[str, str, int]]:
    return [(found.promotion_id, found.product_id, found.special_price_minor) for found in result.suggestions]


def assert_kept(ruleset: Ruleset, request: EvaluateRequest) -> None:
    """Each near miss gains what it says, and what is suggested is had at the price."""
    request.options.near_misses_max = request.options.suggestions_max = ADVICE_MAX
    before = evaluate(ruleset, request)
    for near_miss in before.near_misses:
        gains = [
            evaluate(ruleset, changed).selection.benefit_minor - before.selection.benefit_minor
            for changed in carried_out(near_miss, request)
        ]
        assert near_miss.gain_minor > 0
        assert near_miss.gain_minor in gains
    gains = [near_miss.gain_minor for near_miss in before.near_misses]
    assert gains == sorted(gains, reverse=True)
    for suggestion in before.suggestions:
        price = suggestion.special_price_minor
        add_on = Line(product_id=suggestion.product_id, quantity=1, unit_price_minor=2 * price)
        after = evaluate(ruleset, with_line(request, add_on))
        assert after.lines[-1].payable_minor <= price


def carried_out(near_miss: NearMiss, request: EvaluateRequest) -> Iterator[EvaluateRequest]:
    """The cart with what the near miss says, taken from goods like some that are in the cart."""
    for line in request.cart.lines:
        like = Line()
        like.CopyFrom(line)
        if near_miss.HasField("spend_more"):
            like.quantity, like.unit_price_minor, like.floor_minor = 1, near_miss.spend_more.minor, 0
            yield with_line(request, like)
        elif line.product_id in near_miss.buy_more.product_ids:
            like.quantity = near_miss.buy_more.quantity
            yield with_line(request, like)


def with_line(request: EvaluateRequest, line: Line) -> EvaluateRequest:
    changed = EvaluateRequest()
    changed.CopyFrom(request)
    changed.cart.lines.append(line)
    changed.cart.lines[-1].id = "added"
    changed.ClearField("options")
    return changed


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: request.cart.id)
def test_advice_on_a_demo_cart_keeps_its_word(request_: EvaluateRequest) -> None:
    request = EvaluateRequest()
    request.CopyFrom(request_)

    assert_kept(COMPANY, request)


def test_some_demo_carts_get_near_misses_and_some_suggestions() -> None:
    results = [
        ExplainResponse.FromString(COMPANY.explain(explained(each).SerializeToString(), 0)).result
        for each in REQUESTS
    ]

    assert any(near_miss.HasField("spend_more") for result in results for near_miss in result.near_misses)
    assert any(near_miss.HasField("buy_more") for result in results for near_miss in result.near_misses)
    assert any(result.suggestions for result in results)


amounts = st.sampled_from([60, 150, 300, 700])
quantities = st.integers(1, 2)
categories = st.sampled_from([of("food"), of("drinks"), of("food", "drinks")])
rules = st.one_of(
    st.builds(
        lambda least, scope: off_items(150_000, scope=scope, min_purchase={"minimum": money(least)}),
        amounts,
        categories,
    ),
    st.builds(
        lambda least, minor: off_order(
            minor, min_purchase={"minimum": money(least), "extent": "EXTENT_CART"}
        ),
        amounts,
        amounts,
    ),
    st.builds(lambda least: tiers({"minimum": money(least), "percent_off_ppm": 100_000}), amounts),
    st.builds(lambda x, y, scope: buy(x, y, buy=scope), quantities, quantities, categories),
    st.builds(lambda price: combo(price, "p1", "p2"), amounts),
    st.builds(lambda price, scope: mix_match(price, 3, scope), amounts, categories),
    st.builds(
        lambda value, scope, count: gift(value, trigger=scope, trigger_quantity=count),
        amounts,
        categories,
        quantities,
    ),
    st.builds(lambda price, scope: upsell("cake", price, required=scope), amounts, categories),
)
grouped = st.builds(dict.__or__, rules, st.sampled_from([{}, groups("one"), groups("two")]))
goods = st.lists(
    st.builds(
        lambda price, quantity, category, product: units(price, quantity, category, product_id=product),
        st.sampled_from([33, 60, 99, 150, 400]),
        st.integers(1, 3),
        st.sampled_from(["food", "drinks"]),
        st.sampled_from(["p1", "p2", "p3"]),
    ),
    min_size=1,
    max_size=4,
)


@given(st.lists(grouped, min_size=1, max_size=4), goods)
def test_advice_on_any_cart_keeps_its_word(promotions: list[Document], lines: list[Document]) -> None:
    assert_kept(compiled(promotions), question(lines))


def test_what_is_missing_is_worked_out_again_where_what_is_added_is_lowered_too() -> None:
    ten_percent = off_items(100_000)
    from_1000 = off_order(50, min_purchase={"minimum": money(1000)})

    assert near_misses(ask([TEN_PERCENT_FROM_1000], [units(880)])) == [("a", 120, 100)]
    # 1000 cost 900 when the order phase starts, with 100 more 990, with 110 more 999, with 111 more 1000.
    assert near_misses(ask([ten_percent, from_1000], [units(1000)])) == [("b", 111, 61)]


def test_few_units_more_complete_a_set() -> None:
    third_free = buy(2, 1)

    assert near_misses(ask([third_free], [units(100)])) == [("a", 2, 100)]
    assert near_misses(ask([third_free], [units(100, 3)])) == [("a", 3, 100)]
    assert near_misses(ask([buy(7, 1)], [units(100)])) == []


def test_the_product_that_gains_most_is_named_and_of_equals_the_first() -> None:
    def named(*prices: int) -> tuple[list[str], int]:
        lines = [units(price, product_id=f"p{number}") for number, price in enumerate(prices)]
        (near_miss,) = ask([buy(1, 1)], lines).near_misses
        return list(near_miss.buy_more.product_ids), near_miss.gain_minor

    assert named(40, 40, 100) == (["p2"], 100)
    assert named(100, 100, 100) == (["p0"], 100)


def test_a_discount_that_would_only_move_is_no_near_miss() -> None:
    rivals = [
        {**off_order(300), **groups("one")},
        {**off_order(100, min_purchase={"minimum": money(1000)}), **groups("one")},
    ]

    assert near_misses(ask(rivals, [units(900)])) == []


def test_an_add_on_is_suggested_until_it_is_in_the_cart_or_can_not_be_had() -> None:
    croissant = upsell("croissant", 180, required=of("coffee"))

    assert offers(ask([croissant], [units(250, 1, "coffee")])) == [("a", "croissant", 180)]
    assert offers(ask([croissant], [units(250, 1, "tea")])) == []
    in_cart = units(280, 1, "pastry", product_id="croissant")
    assert offers(ask([croissant], [units(250, 1, "coffee"), in_cart])) == []


def test_a_suggestion_says_what_the_promotion_says() -> None:
    croissant = upsell("croissant", 180, required=of("food"))

    (indonesian,) = ask([croissant], [units(250)], suggestions_max=1, language="id").suggestions
    (unsaid,) = ask([croissant], [units(250)], suggestions_max=1).suggestions

    assert (indonesian.text, unsaid.text) == ("Tambah satu lagi", "Take one more")


@pytest.mark.parametrize("scope", ["VERDICT_SCOPE_ALL", "VERDICT_SCOPE_CANDIDATES", "VERDICT_SCOPE_NONE"])
def test_near_misses_do_not_depend_on_the_verdicts_asked_for(scope: str) -> None:
    result = ask([TEN_PERCENT_FROM_1000], [units(880)], near_misses_max=1, verdicts=scope)

    assert near_misses(result) == [("a", 120, 100)]


def test_evaluate_gives_none_unasked_and_as_many_as_asked() -> None:
    add_ons = [upsell(product, price, required=of("food")) for product, price in (("cake", 50), ("tea", 20))]
    promotions = [TEN_PERCENT_FROM_1000, buy(2, 1), *add_ons]
    lines = [units(880)]

    unasked = ask(promotions, lines, language="en")
    few = ask(promotions, lines, near_misses_max=1, suggestions_max=1)
    all_ = ask(promotions, lines)

    assert (near_misses(unasked), offers(unasked)) == ([], [])
    assert near_misses(few) == near_misses(all_)[:1]
    assert near_misses(all_) == [("b", 2, 1056), ("a", 120, 100)]
    assert (offers(few), offers(all_)) == ([("c", "cake", 50)], [("c", "cake", 50), ("d", "tea", 20)])


def test_explain_gives_five_unless_told_otherwise() -> None:
    ruleset = compiled([upsell(f"cake-{number}", 50, required=of("food")) for number in range(7)])

    def suggested(at_most: int | None) -> int:
        request = explained(question([units(100)]), at_most)
        answer = ruleset.explain(request.SerializeToString(), 0)
        return len(ExplainResponse.FromString(answer).result.suggestions)

    assert (suggested(None), suggested(0), suggested(20)) == (5, 0, 7)


@pytest.mark.parametrize("field", ["near_misses_max", "suggestions_max"])
def test_twenty_may_be_asked_for_and_no_more(field: str) -> None:
    ruleset, lines = compiled([TEN_PERCENT_FROM_1000]), [units(880)]
    evaluate(ruleset, question(lines, **{field: ADVICE_MAX}))

    for beyond in (ADVICE_MAX + 1, -1):
        with pytest.raises(InvalidRequest) as refusal:
            ruleset.evaluate(question(lines, **{field: beyond}).SerializeToString(), 0)
        (finding,) = Diagnostics.FromString(refusal.value.diagnostics).diagnostics
        assert (finding.code, finding.field) == ("out_of_range", f"options.{field}")


def explained(request: EvaluateRequest, suggestions_max: int | None = None) -> ExplainRequest:
    explain = ExplainRequest(cart=request.cart, suggestions_max=suggestions_max)
    if request.HasField("evaluate_time"):
        explain.evaluate_time.CopyFrom(request.evaluate_time)
    return explain
