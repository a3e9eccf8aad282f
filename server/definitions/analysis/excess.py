"""Too much: what a cart that the engine priced says about discounts, costs and guardrails."""

from collections.abc import Iterable, Iterator

from dealwright.v1.cart_pb2 import Line
from dealwright.v1.guardrails_pb2 import Guardrails
from dealwright.v1.money_pb2 import Money
from dealwright.v1.result_pb2 import LineResult

from server.definitions.analysis.carts import Shop
from server.definitions.analysis.demands import amount_in
from server.definitions.analysis.findings import Finding, Value, finding
from server.definitions.analysis.oracle import Priced

SHARE_PPM = 600_000
"""From which share off a cart is told, when the guardrails of the company allow any."""

PPM = 1_000_000


def excess(
    shop: Shop, guardrails: Guardrails, promotion_id: str, priced: Priced, made_up: bool
) -> Iterator[Finding]:
    """Everything about a cart that is too much. Discounts from prices that are made up say nothing."""
    if not made_up:
        yield from _order(guardrails, promotion_id, priced)
    for line, found in zip(priced.request.cart.lines, priced.result.lines, strict=True):
        if not made_up:
            yield from _line(guardrails, promotion_id, priced, found)
        if shop.price_of(line, priced.result.currency_code) is not None:
            yield from _cost(shop, guardrails, promotion_id, priced, line, found)


def _order(guardrails: Guardrails, promotion_id: str, priced: Priced) -> Iterator[Finding]:
    totals = priced.result.totals
    shown: dict[str, Value] = {"list": totals.list_minor, "promotions": ", ".join(sorted(priced.applied))}
    share_max = guardrails.order_discount_max_ppm if guardrails.HasField("order_discount_max_ppm") else PPM
    if _is_above(totals.discount_minor, totals.list_minor, share_max, guardrails.order_discount_max, priced):
        shown["discount"] = totals.discount_minor
        yield finding("order_discount_above", promotion_id, priced, shown, *priced.applied)
    elif not guardrails.HasField("order_discount_max_ppm") and priced.share_ppm > SHARE_PPM:
        shown |= {"share": priced.share_ppm, "limit": SHARE_PPM}
        yield finding("discount_high", promotion_id, priced, shown, *priced.applied)


def _line(guardrails: Guardrails, promotion_id: str, priced: Priced, found: LineResult) -> Iterator[Finding]:
    share_max = guardrails.line_discount_max_ppm if guardrails.HasField("line_discount_max_ppm") else PPM
    if _is_above(found.discount_minor, found.list_minor, share_max, guardrails.line_discount_max, priced):
        by = sorted(_applied_to(priced, found.line_id))
        shown: dict[str, Value] = {
            "list": found.list_minor,
            "discount": found.discount_minor,
            "promotions": ", ".join(by),
        }
        yield finding("line_discount_above", promotion_id, priced, shown, *by)


def _cost(
    shop: Shop, guardrails: Guardrails, promotion_id: str, priced: Priced, line: Line, found: LineResult
) -> Iterator[Finding]:
    cost = shop.cost_of(line, priced.result.currency_code)
    if cost is None or not found.discount_minor:
        return
    price = min(run.unit_payable_minor for run in found.runs)
    shown: dict[str, Value] = {"product": line.product_id, "cost": cost, "price": price}
    by = _applied_to(priced, found.line_id)
    if guardrails.HasField("margin_min_ppm") and (price - cost) * PPM < price * guardrails.margin_min_ppm:
        yield finding("margin_below", promotion_id, priced, shown, *by)
    elif price < cost:
        yield finding("below_cost", promotion_id, priced, shown, *by)


def _is_above(discount: int, whole: int, share_max: int, most: Iterable[Money], priced: Priced) -> bool:
    amount_max = amount_in(most, priced.result.currency_code)
    above_share = share_max < PPM and discount * PPM > whole * share_max
    return above_share or (amount_max is not None and discount > amount_max)


def _applied_to(priced: Priced, line_id: str) -> set[str]:
    return {
        each.promotion_id
        for each in priced.result.applications
        for share in each.shares
        if share.line_id == line_id and share.discount_minor
    }
