"""What promotions cost: counts and nodes are exact; of times only what follows from them is asked."""

from dealwright.v1.evaluation_service_pb2 import EvaluateRequest, EvaluateResponse
from dealwright.v1.result_pb2 import SelectionReport
from dealwright.v1.ruleset_pb2 import Ruleset
from dealwright_engine import Ruleset as Compiled
from google.protobuf.json_format import ParseDict

from server.definitions.analysis.costs import Cost, Costs, Effort, measure

PAIRS = 4
EFFORT = Effort(rounds=2, seconds=3600)


def promotion(promotion_id: str, **rule: object) -> dict[str, object]:
    name = [{"language": "en", "text": promotion_id}]
    return {"id": promotion_id, "rule_language": 1, "name": name, **rule}


def combo(promotion_id: str, price: int, *product_ids: str) -> dict[str, object]:
    items = [{"product_id": product_id} for product_id in product_ids]
    return promotion(
        promotion_id, combo={"items": items, "set_price": [{"currency_code": "IDR", "minor": price}]}
    )


def pairs_and_a_bridge() -> Ruleset:
    """Pairs that have nothing to do with each other but for one combo, which takes a unit of each.

    Another promotion is about a product that no cart has.
    """
    pairs = [combo(f"pair-{place}", 15_000 + place, f"a{place}", f"b{place}") for place in range(PAIRS)]
    bridge = combo("bridge", 8_000 * PAIRS, *(f"a{place}" for place in range(PAIRS)))
    scope = {"include": [{"product_ids": ["away"]}]}
    rule = {"phase": "PHASE_ITEM", "scope": scope, "percent_off_ppm": 100_000}
    promotions = [*pairs, bridge, promotion("away", percent_discount=rule)]
    return ParseDict({"company_id": "kopi", "revision": 7, "promotions": promotions}, Ruleset())


def cart(*products: str) -> EvaluateRequest:
    lines = [
        {"id": product, "product_id": product, "quantity": 3, "unit_price_minor": 10_000}
        for product in products
    ]
    value = {"cart": {"currency_code": "IDR", "lines": lines}, "evaluate_time": "2026-11-21T05:00:00Z"}
    return ParseDict(value, EvaluateRequest())


def everything() -> EvaluateRequest:
    return cart(*(f"{kind}{place}" for kind in "ab" for place in range(PAIRS)))


def selection(ruleset: Ruleset, request: EvaluateRequest) -> SelectionReport:
    answer = Compiled.compile(ruleset.SerializeToString()).evaluate(request.SerializeToString(), 0)
    return EvaluateResponse.FromString(answer).result.selection


def exact(found: Costs) -> object:
    """What doesn't depend on the machine."""
    counts = {each.promotion_id: (each.candidate, each.competing, each.applied) for each in found.costs}
    nodes = {each.promotion_id: each.nodes for each in found.costs}
    return counts, nodes, found.nodes, found.unproven, found.carts, found.promotions, found.idle


def test_what_makes_the_search_long_has_the_most_nodes_each_time() -> None:
    requests = [everything(), cart("a0", "b0")]

    found, again = (measure(pairs_and_a_bridge(), requests, EFFORT) for _ in range(2))

    nodes = {each.promotion_id: each.nodes for each in found.costs}
    assert max(nodes, key=nodes.__getitem__) == "bridge"
    assert exact(found) == exact(again)
    assert (found.revision, found.promotions, found.carts, found.unproven) == (7, PAIRS + 2, 2, 0)


def test_nodes_are_those_of_the_search_with_it_less_those_without() -> None:
    whole = pairs_and_a_bridge()
    request = everything()

    found = measure(whole, [request], EFFORT)

    assert found.nodes == selection(whole, request).nodes
    for each in found.costs:
        rest = Ruleset(company_id="kopi", revision=7)
        rest.promotions.extend(one for one in whole.promotions if one.id != each.promotion_id)
        assert each.nodes == found.nodes - selection(rest, request).nodes


def test_counts_are_of_the_carts_of_which_it_is_a_candidate() -> None:
    found = measure(pairs_and_a_bridge(), [everything(), cart("a0", "b0")], EFFORT)

    counts = {each.promotion_id: (each.candidate, each.competing, each.applied) for each in found.costs}
    assert counts["pair-0"] == (2, 2, 2)
    assert counts["bridge"][1:] == (1, 0)
    assert "away" not in counts
    assert found.idle == ("away",)


def test_the_dearest_come_first_and_noise_counts_as_nothing() -> None:
    found = measure(pairs_and_a_bridge(), [everything()], EFFORT)

    order = [(-each.told_nanos, -each.nodes, each.promotion_id) for each in found.costs]
    assert order == sorted(order)
    assert [Cost("a", 1, 1, 1, 0, nanos, 5).told_nanos for nanos in (-6, -5, 0, 5, 6)] == [-6, 0, 0, 0, 6]
    assert found.nanos > 0
    assert all(each.noise_nanos >= 0 for each in found.costs)


def test_only_what_is_asked_for_is_measured() -> None:
    found = measure(pairs_and_a_bridge(), [everything()], EFFORT, promotion_ids=["bridge", "away"])

    assert [each.promotion_id for each in found.costs] == ["bridge"]
    assert found.idle == ("away",)


def test_when_the_time_is_over_the_rest_is_named() -> None:
    told: list[tuple[int, int]] = []

    found = measure(
        pairs_and_a_bridge(),
        [everything()],
        Effort(rounds=1_000_000, seconds=0),
        progress=lambda done, count: told.append((done, count)),
    )

    assert found.costs == ()
    assert sorted(found.unmeasured) == ["bridge", *(f"pair-{place}" for place in range(PAIRS))]
    assert told == [(0, PAIRS + 1)]


def test_however_many_rounds_are_wished_for_the_time_bounds_them() -> None:
    found = measure(pairs_and_a_bridge(), [everything()], Effort(rounds=10**9, seconds=1))

    measured = [each.promotion_id for each in found.costs]
    assert sorted([*measured, *found.unmeasured]) == ["bridge", *(f"pair-{place}" for place in range(PAIRS))]


def test_a_cart_without_an_instant_is_priced_now() -> None:
    request = everything()
    request.ClearField("evaluate_time")

    assert measure(pairs_and_a_bridge(), [request], EFFORT).costs
