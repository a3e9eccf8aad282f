"""What the engine counts of the carts that it prices."""

from dealwright.v1.evaluation_service_pb2 import EvaluateResponse
from dealwright.v1.result_pb2 import PROOF_BOUNDED
from dealwright_engine import Ruleset, work

from tests.engine.offers import money, of, off_items, off_order, price, units
from tests.vectors.vectors import read_vectors


def since(before: dict[str, int]) -> dict[str, int]:
    return {name: count - before[name] for name, count in work().items()}


def test_each_cart_adds_what_it_took() -> None:
    elsewhere = off_items(100_000, scope=of("clothes"))
    too_little = {
        **off_order(50),
        "condition": {"threshold": {"minimum": money(5000), "extent": "EXTENT_CART"}},
    }
    before = work()

    results = [
        price([elsewhere, too_little, off_items(100_000), off_order(10)], [units(1000)]) for _ in range(2)
    ]

    assert since(before) == {
        "carts": 2,
        "candidates": 6,
        "eligible": 4,
        "nodes": sum(result.selection.nodes for result in results),
        "unproven": 0,
    }


def test_a_search_that_ends_at_its_budget_is_counted() -> None:
    (vector,) = (each for each in read_vectors() if str(each) == "a_search_that_ends_at_its_budget_says_so")
    ruleset = Ruleset.compile(vector.ruleset.SerializeToString())
    before = work()

    answer = EvaluateResponse.FromString(ruleset.evaluate(vector.request.SerializeToString(), 0))

    assert answer.result.selection.proof == PROOF_BOUNDED
    assert since(before)["unproven"] == since(before)["carts"] == 1
