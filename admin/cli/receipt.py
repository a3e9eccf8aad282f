"""A result as a receipt: lines, what was taken off each and why, totals, and why the rest wasn't applied."""

from collections.abc import Iterator

from dealwright.v1.cart_pb2 import Cart, PriceMode
from dealwright.v1.evaluation_service_pb2 import ApplicationTrace
from dealwright.v1.result_pb2 import CodeOutcome, Proof, Reason, Result, RewardGrant

from admin.cli.money import amount
from admin.cli.output import style

WIDTH = 78
_AMOUNT_WIDTH = 20


def receipt(cart: Cart, result: Result) -> str:
    """The receipt of a priced cart."""
    return "\n".join(
        [
            *_head(cart, result),
            *_lines(cart, result),
            *_totals(cart, result),
            *_promises(result),
            *_reasons(result),
        ]
    )


def traces(applications: list[ApplicationTrace]) -> str:
    """How each application's amount came about, in words."""
    if not applications:
        return ""
    return "\n".join(
        ["How it was computed", *(f"  {trace.promotion_id}: {trace.text}" for trace in applications)]
    )


def _head(cart: Cart, result: Result) -> Iterator[str]:
    place = ", ".join(part for part in (cart.store_id, cart.channel) if part)
    yield style(f"{cart.id or 'cart'}{f' ({place})' if place else ''}", bold=True)
    yield f"{result.evaluate_time.ToJsonString()}, amounts in {result.currency_code}"


def _lines(cart: Cart, result: Result) -> Iterator[str]:
    yield "-" * WIDTH
    products = {line.id: line for line in cart.lines}
    for line in result.lines:
        bought = products[line.line_id]
        yield _row(f"{bought.quantity:>4} x {bought.product_id or bought.id}", line.list_minor, result)
        for application in result.applications:
            for share in application.shares:
                if share.line_id == line.line_id and share.discount_minor:
                    label = f"       {application.text or application.promotion_id}"
                    yield style(_row(label, -share.discount_minor, result), fg="green")
    for gift in result.gifts:
        yield style(f"{gift.quantity:>4} x {gift.product_id}, a gift of {gift.promotion_id}", fg="green")


def _totals(cart: Cart, result: Result) -> Iterator[str]:
    totals = result.totals
    yield "-" * WIDTH
    yield _row("At list prices", totals.list_minor, result)
    if totals.discount_minor:
        yield _row("Discounts", -totals.discount_minor, result)
    yield style(_row("To pay", totals.payable_minor, result), bold=True)
    if totals.payable_tax_minor:
        on_top = cart.price_mode == PriceMode.PRICE_MODE_TAX_EXCLUSIVE
        yield _row("  and tax on top" if on_top else "  tax in it", totals.payable_tax_minor, result)


def _promises(result: Result) -> Iterator[str]:
    for reward in result.rewards:
        yield style(f"Reward of {reward.promotion_id}: {_reward(reward, result)}", fg="green")
    hints = [near_miss.text for near_miss in result.near_misses]
    hints += [suggestion.text for suggestion in result.suggestions]
    for hint in filter(None, hints):
        yield f"Hint: {hint}"


def _reward(reward: RewardGrant, result: Result) -> str:
    grant = reward.WhichOneof("grant")
    if grant == "cashback_minor":
        return f"{amount(reward.cashback_minor, result.currency_code)} cashback"
    if grant == "points":
        return f"{reward.points:,} points"
    if grant == "points_multiplier_ppm":
        whole, rest = divmod(reward.points_multiplier_ppm, 1_000_000)
        return f"points times {whole}{f'.{rest:06d}'.rstrip('0').rstrip('.')}"
    return f"a voucher of {reward.voucher_promotion_id}"


def _reasons(result: Result) -> Iterator[str]:
    for code in result.codes:
        outcome = _word(CodeOutcome.Name(code.outcome), "CODE_OUTCOME_")
        yield f"Code {code.code}: {code.text or outcome}"
    unsupported = [verdict for verdict in result.verdicts if verdict.reason == Reason.REASON_UNSUPPORTED]
    for verdict in result.verdicts:
        if verdict in unsupported:
            continue
        reason = _word(Reason.Name(verdict.reason), "REASON_")
        text = verdict.text or ", ".join(parameter.name for parameter in verdict.parameters)
        mark = style("applied", fg="green") if verdict.reason == Reason.REASON_APPLIED else reason
        yield f"  {verdict.promotion_id}: {mark}{f' - {text}' if text else ''}"
    if unsupported:
        yield f"  not supported by this engine: {', '.join(verdict.promotion_id for verdict in unsupported)}"
    yield f"Revision {result.revision}, {_proof(result)}"


def _proof(result: Result) -> str:
    selection = result.selection
    if selection.proof == Proof.PROOF_PROVEN:
        return "no other combination gives more"
    if selection.proof == Proof.PROOF_BOUNDED:
        gap = amount(selection.gap_minor, result.currency_code)
        return f"another combination could give at most {gap} more"
    return "chosen by priority"


def _row(label: str, minor: int, result: Result) -> str:
    room = WIDTH - _AMOUNT_WIDTH
    text = label if len(label) < room else label[: room - 4] + "..."
    return f"{text:<{room}}{amount(minor, result.currency_code):>{_AMOUNT_WIDTH}}"


def _word(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).replace("_", " ").lower()
