"""A refund as a receipt: what comes back, what is set against it, what is due."""

from collections.abc import Iterator

from dealwright.v1.cart_pb2 import PriceMode
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest, RefundRequest, RefundResponse
from dealwright.v1.refund_pb2 import Claim, Refund, RefundAmount, ReturnPolicy

from admin.cli.output import style
from admin.cli.receipt import WIDTH, row, what


def refund_receipt(sale: EvaluateRequest, request: RefundRequest, response: RefundResponse) -> str:
    """The receipt of a refund."""
    refund = response.refund
    return "\n".join(
        [
            *_head(sale, refund),
            "-" * WIDTH,
            *_lines(sale, refund),
            *_claims(refund),
            "-" * WIDTH,
            *_sums(sale, request.refunded, refund),
        ]
    )


def _head(sale: EvaluateRequest, refund: Refund) -> Iterator[str]:
    policy = ReturnPolicy.Name(refund.policy).removeprefix("RETURN_POLICY_").replace("_", "-").lower()
    yield style(f"Refund for {refund.cart_id or 'cart'}, policy {policy}", bold=True)
    yield f"Sold {sale.evaluate_time.ToJsonString()}, amounts in {refund.currency_code}"


def _lines(sale: EvaluateRequest, refund: Refund) -> Iterator[str]:
    sold = {line.id: line for line in sale.cart.lines}
    for line in refund.lines:
        product = sold[line.line_id].product_id or line.line_id
        label = f"{line.quantity:>4} x {product}" if line.quantity else f"       {product}, kept"
        yield row(label, line.goods.minor, refund.currency_code)


def _claims(refund: Refund) -> Iterator[str]:
    for claim in refund.claims:
        yield style(row(_label(claim, refund), -claim.value_minor, refund.currency_code), fg="yellow")


def _label(claim: Claim, refund: Refund) -> str:
    if claim.WhichOneof("lost") == "gift":
        return f"{claim.gift.quantity:>4} x {claim.gift.product_id}, a gift of {claim.gift.promotion_id}"
    reward = f"{what(claim.reward, refund.currency_code)} of {claim.reward.promotion_id}"
    return f"       {reward}{'' if claim.value_minor else ', to be reversed'}"


def _sums(sale: EvaluateRequest, before: RefundAmount, refund: Refund) -> Iterator[str]:
    on_top = sale.cart.price_mode == PriceMode.PRICE_MODE_TAX_EXCLUSIVE

    def line(label: str, part: RefundAmount, sign: int = 1) -> str:
        """An amount, with the tax on top of it where prices are without."""
        minor = part.minor + (part.tax_minor if on_top else 0)
        return row(label, sign * minor, refund.currency_code)

    yield line("Paid for the sale", refund.paid)
    yield line("Due for all that came back", refund.entitlement)
    if before.minor or before.tax_minor:
        yield line("Refunded before", before, -1)
    yield style(line("To refund", refund.refund), bold=True)
    if refund.refund.tax_minor:
        yield row("  tax in it", refund.refund.tax_minor, refund.currency_code)
    if refund.owed.minor or (on_top and refund.owed.tax_minor):
        yield line("Refunded too much before", refund.owed)
