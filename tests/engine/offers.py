"""Small promotions and carts, as short as they can be written, and their prices."""

from typing import Any

from dealwright.v1.evaluation_service_pb2 import EvaluateRequest, EvaluateResponse
from dealwright.v1.result_pb2 import Application, Reason, Result
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


def compiled(promotions: list[Document]) -> Ruleset:
    """A ruleset of promotions with ids a, b, ... in this order, all of which can be applied."""
    name = [{"language": "en", "text": "Example"}]
    definitions = [
        {"id": chr(ord("a") + place), "rule_language": 1, "name": name, **promotion}
        for place, promotion in enumerate(promotions)
    ]
    company = {"company_id": "example", "promotions": definitions}
    ruleset = Ruleset.compile(ParseDict(company, RulesetMessage()).SerializeToString())
    assert not ruleset.unsupported
    return ruleset


def cart_of(lines: list[Document], **more: Any) -> Document:
    """A cart of lines with ids 1, 2, ..."""
    numbered = [{"id": str(number), **line} for number, line in enumerate(lines, start=1)]
    return {"currency_code": "IDR", "lines": numbered, **more}


def evaluate(ruleset: Ruleset, request: EvaluateRequest) -> Result:
    result = EvaluateResponse.FromString(ruleset.evaluate(request.SerializeToString(), 0)).result
    assert_adds_up(request.cart, result)
    return result


def price(
    promotions: list[Document],
    lines: list[Document],
    budget_left: int | None = None,
    payment: Document | None = None,
) -> Result:
    """Prices lines with a verdict on every promotion; the budget is that of promotion a."""
    cart = cart_of(lines, **({"payment": payment} if payment else {}))
    request = ParseDict({"cart": cart, "options": {"verdicts": "VERDICT_SCOPE_ALL"}}, EvaluateRequest())
    if budget_left is not None:
        request.limit_state.promotions.add(promotion_id="a", budget_left_minor=budget_left)
    return evaluate(compiled(promotions), request)


def discounts(result: Result) -> list[int]:
    """What each line lost."""
    return [line.discount_minor for line in result.lines]


def given(result: Result) -> list[tuple[str, int]]:
    return [(applied.promotion_id, applied.discount_minor) for applied in result.applications]


def why(result: Result, promotion_id: str) -> tuple[str, dict[str, int]]:
    (verdict,) = [verdict for verdict in result.verdicts if verdict.promotion_id == promotion_id]
    numbers = {each.name: each.number or each.money.minor for each in verdict.parameters}
    return Reason.Name(verdict.reason), numbers


def touched(application: Application, line: str) -> list[tuple[int, int, int]]:
    """Of the units of a line: the first, how many, and what each lost."""
    return [
        (unit.first_unit, unit.quantity, unit.unit_discount_minor)
        for share in application.shares
        if share.line_id == line
        for unit in share.units
    ]


def buy(quantity: int, get: int, /, **more: Any) -> Document:
    rule = {"buy": of("food"), "buy_quantity": quantity, "get_quantity": get, "reduction": FREE}
    return {"buy_x_get_y": rule | more}


def combo(set_price: int, *ids: str) -> Document:
    return {"combo": {"items": [{"product_id": id_} for id_ in ids], "set_price": money(set_price)}}


def mix_match(set_price: int, quantity: int, scope: Document | None = None, **more: Any) -> Document:
    rule = {"scope": scope or of("food"), "required_quantity": quantity}
    return {"mix_match": {**rule, "set_price": {"per_currency": money(set_price)}, **more}}


def package(set_price: int, *slots: Document, **more: Any) -> Document:
    named = [{"name": str(number), **slot} for number, slot in enumerate(slots)]
    return {"package": {"slots": named, "set_price": money(set_price), **more}}


def pick(category: str, least: int, most: int | None = None, optional: bool = False) -> Document:
    picks = {"category_id": category, "min_picks": least, "max_picks": most or least}
    return {"pick": picks, "optional": optional}


def upsell(product: str, special_price: int, **more: Any) -> Document:
    message = [{"language": "en", "text": "Take one more"}, {"language": "id", "text": "Tambah satu lagi"}]
    offer = {"upsell_product_id": product, "special_price": money(special_price), "message": message}
    return {"upsell": offer | more}


def off_items(ppm: int, **more: Any) -> Document:
    return {"percent_discount": {"phase": "PHASE_ITEM", "percent_off_ppm": ppm, **more}}


def off_order(minor: int, **more: Any) -> Document:
    return {"amount_discount": {"phase": "PHASE_ORDER", "amount_off": money(minor), **more}}


def custom(*steps: Document) -> Document:
    return {"custom": {"steps": list(steps)}}


def cashback(minor: int) -> Document:
    return {"cashback": {"cashback_amount": {"per_currency": money(minor)}}}


def tiers(*each: Document) -> Document:
    named = [{"name": str(number), **tier} for number, tier in enumerate(each)]
    return {"threshold_tier": {"tiers": named}}


def groups(*names: str) -> Document:
    return {"stacking": {"groups": [{"name": name} for name in names]}}


def gift(unit_value: int, **more: Any) -> Document:
    return {"free_item": {"gift": {"product_id": "tea", "unit_value": money(unit_value)}, **more}}


def gift_in_cart(product: str, **more: Any) -> Document:
    return {"free_item": {"gift": {"product_id": product, "source": "GIFT_SOURCE_IN_CART"}, **more}}
