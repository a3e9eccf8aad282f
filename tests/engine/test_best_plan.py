"""A plan that is called proven can't be beaten: no set of the promotions, taken by priority, gives more."""

from itertools import chain, combinations
from typing import Any

from dealwright.v1.evaluation_service_pb2 import EvaluateRequest, EvaluateResponse
from dealwright.v1.result_pb2 import Proof, Result
from dealwright.v1.ruleset_pb2 import Ruleset as RulesetMessage
from dealwright_engine import Ruleset
from google.protobuf.json_format import ParseDict
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.adding_up import assert_adds_up

PROMOTIONS_MAX = 4
LINES_MAX = 4

categories = st.lists(st.sampled_from(["coffee", "bread", "cakes"]), min_size=1, max_size=2, unique=True)
fractions = st.sampled_from([50_000, 100_000, 333_333, 500_000, 1_000_000])


def amounts(*minor: int) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.sampled_from([[{"currency_code": "IDR", "minor": each}] for each in minor])


def picks(categories: list[str]) -> dict[str, Any]:
    return {"include": [{"category_ids": categories}]}


groups = st.fixed_dictionaries(
    {"name": st.sampled_from(["one", "two"]), "scope": st.just("GROUP_SCOPE_ORDER")}
) | st.fixed_dictionaries({"name": st.just("drinks"), "scope": st.just("GROUP_SCOPE_UNIT")})
stacking = st.fixed_dictionaries(
    {},
    optional={
        "exclusive": st.sampled_from(["EXCLUSIVITY_NO", "EXCLUSIVITY_PHASE", "EXCLUSIVITY_ORDER"]),
        "groups": st.lists(groups, max_size=2, unique_by=lambda group: group["name"]),
        "on_discounted": st.booleans(),
        "closes_units": st.booleans(),
    },
)
min_purchases = st.fixed_dictionaries(
    {"minimum": amounts(100, 300, 600)},
    optional={
        "basis": st.sampled_from(["BASIS_LIST", "BASIS_CURRENT", "BASIS_PHASE_START"]),
        "extent": st.sampled_from(["EXTENT_SCOPE", "EXTENT_CART"]),
    },
)
unit_limits = st.fixed_dictionaries(
    {
        "max_units": st.integers(1, 4),
        "order": st.sampled_from(["UNIT_ORDER_CHEAPEST", "UNIT_ORDER_DEAREST", "UNIT_ORDER_CART"]),
    }
)
bases = st.sampled_from(["PERCENT_BASE_CURRENT", "PERCENT_BASE_LIST", "PERCENT_BASE_PHASE_START"])

gifts = st.fixed_dictionaries(
    {"product_id": st.just("tea"), "unit_value": amounts(50, 200)}
) | st.fixed_dictionaries({"selector": categories.map(picks), "source": st.just("GIFT_SOURCE_IN_CART")})
TIER = {"name": "first", "percent_off_ppm": 150_000}

Fields = dict[str, st.SearchStrategy[Any]]
BENEFITS: dict[str, Fields] = {
    "percent_discount": {"percent_off_ppm": fractions, "percent_base": bases},
    "amount_discount": {"amount_off": amounts(7, 30, 100, 250)},
}
FREE = {"percent_off_ppm": 1_000_000}
reductions = st.sampled_from([FREE, {"percent_off_ppm": 500_000}])
SETS: dict[str, Fields] = {
    "buy_x_get_y": {
        "buy": categories.map(picks),
        "buy_quantity": st.integers(1, 2),
        "get_quantity": st.integers(1, 2),
        "reduction": reductions,
    },
    "mix_match": {
        "scope": categories.map(picks),
        "required_quantity": st.integers(2, 3),
        "set_price": amounts(20, 150).map(lambda price: {"per_currency": price}),
    },
    "free_item": {"gift": gifts},
    "threshold_tier": {"tiers": amounts(100, 300).map(lambda minimum: [{**TIER, "minimum": minimum}])},
}
OPTIONAL_OF_SETS: dict[str, Fields] = {
    "buy_x_get_y": {
        "get": categories.map(picks),
        "partial": st.booleans(),
        "grouping": st.sampled_from(["GROUPING_PER_GROUP", "GROUPING_MERCHANT"]),
        "max_sets": st.integers(1, 3),
    },
    "mix_match": {"max_sets": st.integers(1, 3)},
    "free_item": {"trigger": categories.map(picks), "max_gifts": st.integers(1, 3)},
    "threshold_tier": {"scope": categories.map(picks)},
}
OPTIONAL: Fields = {
    "scope": categories.map(picks),
    "max_discount": amounts(50, 120, 300),
    "min_purchase": min_purchases,
}


def rules(type_: str, phase: str, optional: Fields) -> st.SearchStrategy[dict[str, Any]]:
    rule = st.fixed_dictionaries({"phase": st.just(phase), **BENEFITS[type_]}, optional=optional)
    return st.fixed_dictionaries({type_: rule})


def set_rules(type_: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {type_: st.fixed_dictionaries(SETS[type_], optional=OPTIONAL_OF_SETS[type_])}
    )


any_rule = st.one_of(
    *map(set_rules, SETS),
    *(rules(type_, "PHASE_ITEM", {**OPTIONAL, "units": unit_limits}) for type_ in BENEFITS),
    *(rules(type_, "PHASE_ORDER", OPTIONAL) for type_ in BENEFITS),
)
promotions = st.lists(
    st.tuples(st.integers(0, 2), stacking, any_rule).map(
        lambda parts: {"priority": parts[0], "stacking": parts[1], **parts[2]}
    ),
    min_size=2,
    max_size=PROMOTIONS_MAX,
)
lines = st.lists(
    st.fixed_dictionaries(
        {
            "category_ids": categories,
            "quantity": st.integers(1, 3),
            "unit_price_minor": st.sampled_from([0, 10, 33, 99, 150, 400]),
        },
        optional={"floor_minor": st.sampled_from([5, 30, 90])},
    ),
    min_size=1,
    max_size=LINES_MAX,
)


@given(promotions, lines)
def test_no_set_of_promotions_gives_more_than_the_best(
    written: list[dict[str, Any]], lines: list[dict[str, Any]]
) -> None:
    name = [{"language": "en", "text": "Random"}]
    definitions = [
        {"id": f"promotion-{number}", "rule_language": 1, "name": name, **rule}
        for number, rule in enumerate(written)
    ]
    cart = {
        "currency_code": "IDR",
        "lines": [{"id": str(number), **line} for number, line in enumerate(lines)],
    }
    request = ParseDict({"cart": cart}, EvaluateRequest())

    best = price(definitions, request, "SELECTION_BEST")

    assert best.selection.proof == Proof.PROOF_PROVEN
    sizes = range(1, len(definitions) + 1)
    for some in chain.from_iterable(combinations(definitions, size) for size in sizes):
        by_priority = price(some, request, "SELECTION_PRIORITY")
        assert by_priority.selection.benefit_minor <= best.selection.benefit_minor


def price(definitions: Any, request: EvaluateRequest, selection: str) -> Result:
    company = {"company_id": "a", "policy": {"selection": selection}, "promotions": list(definitions)}
    ruleset = Ruleset.compile(ParseDict(company, RulesetMessage()).SerializeToString())
    assert not ruleset.unsupported
    result = EvaluateResponse.FromString(ruleset.evaluate(request.SerializeToString(), 0)).result
    assert_adds_up(request.cart, result)
    return result


def test_offers_that_have_nothing_to_do_with_each_other_are_searched_apart() -> None:
    # Two offers on each of eight products, thirty units of each: together 31 ** 8 numbers of sets, and more.
    products = [f"p{place}" for place in range(8)]
    promotions = [
        {
            "id": f"{product}-{size}",
            "rule_language": 1,
            "name": [{"language": "en", "text": "Many for less"}],
            "mix_match": {
                "scope": {"include": [{"product_ids": [product]}]},
                "required_quantity": size,
                "set_price": {"per_currency": [{"currency_code": "IDR", "minor": 80 * size}]},
            },
        }
        for product in products
        for size in (3, 4)
    ]
    lines = [{"id": of, "product_id": of, "quantity": 30, "unit_price_minor": 100} for of in products]

    request = ParseDict({"cart": {"currency_code": "IDR", "lines": lines}}, EvaluateRequest())

    found = price(promotions, request, "SELECTION_BEST")

    # Ten threes, or two threes and six fours, leave none of thirty units over.
    assert found.selection.benefit_minor == 8 * 30 * 20
    assert found.selection.proof == Proof.PROOF_PROVEN
    assert found.selection.nodes < 1000


def test_percentages_of_what_is_left_are_bounded_together() -> None:
    # Added up, twenty times 10 % would be twice the price: only together they show that nothing beats all.
    percents = [
        {
            "id": f"p{place}",
            "rule_language": 1,
            "name": [{"language": "en", "text": "Ten off"}],
            "percent_discount": {"phase": "PHASE_ITEM", "percent_off_ppm": 100_000},
        }
        for place in range(20)
    ]
    lines = [{"id": "a", "product_id": "a", "quantity": 1, "unit_price_minor": 1_000_000}]
    request = ParseDict({"cart": {"currency_code": "IDR", "lines": lines}}, EvaluateRequest())

    found = price(percents, request, "SELECTION_BEST")

    assert len(found.applications) == 20
    assert found.selection.proof == Proof.PROOF_PROVEN
    assert found.selection.nodes < 200
