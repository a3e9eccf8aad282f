"""The demo company compiles, its carts are priced, and every price is the one on record.

The record is golden/, one file a cart. `UPDATE_GOLDEN=1 make test T=tests/examples` renews it, and the
difference is for a person to read.
"""

import json
import os
import re
from pathlib import Path

import pytest
from dealwright.v1.diagnostic_pb2 import Diagnostics
from dealwright.v1.evaluation_service_pb2 import (
    EvaluateOptions,
    EvaluateRequest,
    EvaluateResponse,
    ExplainRequest,
    ExplainResponse,
    RefundRequest,
    RefundResponse,
    ReplayRequest,
    ReplayResponse,
    Sale,
    VerdictScope,
)
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.refund_pb2 import GiftUnits, ReturnPolicy
from dealwright.v1.result_pb2 import Reason, Result
from dealwright_engine import Ruleset, validate_ruleset

from server.documents import Definitions, read_cart, read_definitions, to_json
from tests.engine.adding_up import assert_adds_up

DEMO = Path(__file__).parents[2] / "examples" / "demo"
CARTS = sorted((DEMO / "carts").iterdir())
GOLDEN = Path(__file__).parent / "golden"
ROW = re.compile(r"^\| `(\d\d-[a-z-]+)` \|.*\| (Rp \S+) \| (Rp \S+) \| (Rp \S+) \|$", re.MULTILINE)
TYPES = {field.name for field in Promotion.DESCRIPTOR.oneofs_by_name["rule"].fields}


class DemoCart:
    """A demo cart with its result."""

    def __init__(self, path: Path, ruleset: Ruleset) -> None:
        self.name = path.stem
        self.request: EvaluateRequest = read_cart(path).request
        # The files give their instant themselves, so the clock must not matter.
        answer = ruleset.evaluate(self.request.SerializeToString(), 0)
        self.result: Result = EvaluateResponse.FromString(answer).result


@pytest.fixture(scope="module")
def demo() -> Definitions:
    return read_definitions([DEMO / "company.yaml", DEMO / "promotions"])


@pytest.fixture(scope="module")
def demo_ruleset(demo: Definitions) -> Ruleset:
    return Ruleset.compile(demo.ruleset().SerializeToString())


@pytest.fixture(params=CARTS, ids=lambda path: path.stem)
def demo_cart(request: pytest.FixtureRequest, demo_ruleset: Ruleset) -> DemoCart:
    return DemoCart(request.param, demo_ruleset)


def test_the_demo_uses_every_type_and_names_files_by_id(demo: Definitions) -> None:
    assert {promotion.WhichOneof("rule") for promotion in demo.promotions} == TYPES
    assert [Path(item.source.name).stem for item in demo.items] == [
        promotion.id for promotion in demo.promotions
    ]


def test_every_promotion_can_be_applied_by_this_engine(demo: Definitions, demo_ruleset: Ruleset) -> None:
    assert demo_ruleset.promotion_count == len(demo.promotions)
    assert Diagnostics.FromString(demo_ruleset.diagnostics).diagnostics == []


def test_there_is_nothing_to_say_about_the_demo_as_a_whole(demo: Definitions) -> None:
    found = validate_ruleset(demo.ruleset().SerializeToString())

    assert Diagnostics.FromString(found).diagnostics == []


def test_every_type_is_applied_in_some_cart(demo: Definitions, demo_ruleset: Ruleset) -> None:
    types = {promotion.id: promotion.WhichOneof("rule") for promotion in demo.promotions}
    results = [DemoCart(path, demo_ruleset).result for path in CARTS]

    assert {types[applied.promotion_id] for result in results for applied in result.applications} == TYPES


def test_a_cart_is_named_by_its_file_and_fixes_its_instant(demo_cart: DemoCart) -> None:
    assert demo_cart.request.cart.id == demo_cart.name
    assert demo_cart.request.HasField("evaluate_time")


def test_a_result_adds_up_and_is_proven_best(demo_cart: DemoCart) -> None:
    assert_adds_up(demo_cart.request.cart, demo_cart.result)
    assert demo_cart.result.selection.gap_minor == 0


def test_a_replay_gives_the_same_bytes(demo_cart: DemoCart, demo_ruleset: Ruleset) -> None:
    asked = ReplayRequest(request=demo_cart.request, result_hash=demo_cart.result.result_hash)
    answer = demo_ruleset.replay(asked.SerializeToString())

    assert answer == demo_ruleset.evaluate(demo_cart.request.SerializeToString(), 0) + b"\x10\x01"


def test_a_result_of_explain_is_replayed_by_its_options(demo_cart: DemoCart, demo_ruleset: Ruleset) -> None:
    asked = ExplainRequest(cart=demo_cart.request.cart, evaluate_time=demo_cart.request.evaluate_time)
    if demo_cart.request.HasField("limit_state"):
        asked.limit_state.CopyFrom(demo_cart.request.limit_state)
    explained = ExplainResponse.FromString(demo_ruleset.explain(asked.SerializeToString(), 0)).result
    request = ReplayRequest(request=demo_cart.request, result_hash=explained.result_hash)
    request.request.options.CopyFrom(
        EvaluateOptions(
            verdicts=VerdictScope.VERDICT_SCOPE_ALL, language="en", near_misses_max=5, suggestions_max=5
        )
    )

    assert ReplayResponse.FromString(demo_ruleset.replay(request.SerializeToString())).matches


@pytest.mark.parametrize("policy", ReturnPolicy.values(), ids=ReturnPolicy.Name)
def test_all_of_a_cart_refunds_what_was_paid(
    demo_cart: DemoCart, demo_ruleset: Ruleset, policy: ReturnPolicy.ValueType
) -> None:
    result = demo_cart.result
    request = RefundRequest(
        sale=Sale(request=demo_cart.request, result_hash=result.result_hash),
        policy=policy,
        gifts_returned=[
            GiftUnits(promotion_id=gift.promotion_id, product_id=gift.product_id, quantity=gift.quantity)
            for gift in result.gifts
        ],
        rewards_reversed=[reward.promotion_id for reward in result.rewards],
    )
    for line in demo_cart.request.cart.lines:
        request.returned.add(line_id=line.id, quantity=line.quantity)

    refund = RefundResponse.FromString(demo_ruleset.refund(request.SerializeToString())).refund

    assert refund.refund.minor == result.totals.payable_minor
    assert refund.refund.tax_minor == result.totals.payable_tax_minor


def test_a_cart_says_why_in_words(demo_cart: DemoCart) -> None:
    applied = [verdict for verdict in demo_cart.result.verdicts if verdict.reason == Reason.REASON_APPLIED]

    assert {verdict.promotion_id for verdict in applied} == {
        application.promotion_id for application in demo_cart.result.applications
    }
    assert all(verdict.text for verdict in demo_cart.result.verdicts)


def test_a_result_is_the_one_on_record(demo_cart: DemoCart) -> None:
    path = GOLDEN / f"{demo_cart.name}.json"
    found = to_json(demo_cart.result, indent=2)
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(found + "\n")

    assert json.loads(found) == json.loads(path.read_text())


def test_the_record_has_no_cart_that_is_gone() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == {path.stem for path in CARTS}


def test_the_page_about_the_demo_gives_the_prices_of_the_engine(demo_cart: DemoCart) -> None:
    rows = {name: amounts for name, *amounts in ROW.findall((DEMO / "README.md").read_text())}
    totals = demo_cart.result.totals

    amounts = [totals.list_minor, totals.discount_minor, totals.payable_minor]
    assert rows[demo_cart.name] == [_rupiah(amount) for amount in amounts]


def test_the_page_about_the_demo_lists_every_promotion_with_its_type(demo: Definitions) -> None:
    page = (DEMO / "README.md").read_text()

    for promotion in demo.promotions:
        assert f"| `{promotion.id}` | `{promotion.WhichOneof('rule')}` |" in page


@pytest.mark.parametrize("path", CARTS, ids=lambda path: path.stem)
def test_a_cart_begins_by_saying_what_it_shows(path: Path) -> None:
    assert path.read_text().startswith("# ")


def _rupiah(minor: int) -> str:
    whole, rest = divmod(minor, 100)
    assert rest == 0
    return f"Rp {whole:,}".replace(",", ".")
