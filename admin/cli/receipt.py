"""A result as a receipt: lines, what was taken off each and why, totals, and why the rest wasn't applied."""

from collections.abc import Iterator
from datetime import UTC
from zoneinfo import ZoneInfo

from dealwright.v1.cart_pb2 import Cart, PriceMode
from dealwright.v1.evaluation_service_pb2 import ApplicationTrace
from dealwright.v1.result_pb2 import CodeOutcome, CodeVerdict, Proof, Reason, Result, RewardGrant, Verdict

from admin.cli.output import style, visible
from server.documents.money import amount

WIDTH = 78
_AMOUNT_WIDTH = 20

_CODE_OUTCOMES = {
    CodeOutcome.CODE_OUTCOME_APPLIED: "applied",
    CodeOutcome.CODE_OUTCOME_UNKNOWN: "no promotion has this code",
    CodeOutcome.CODE_OUTCOME_NOT_APPLIED: "not applied",
    CodeOutcome.CODE_OUTCOME_DUPLICATE: "given before; it counts once",
}


def receipt(cart: Cart, result: Result) -> str:
    """The receipt of a priced cart."""
    return "\n".join(
        [
            *_head(cart, result),
            *_lines(cart, result),
            *_totals(cart, result),
            *_promises(result),
            *_reasons(result),
            *_remarks(result),
        ]
    )


def traces(applications: list[ApplicationTrace]) -> str:
    """How each application's amount came about, in words."""
    if not applications:
        return ""
    return "\n".join(
        ["How it was computed", *(visible(f"  {trace.promotion_id}: {trace.text}") for trace in applications)]
    )


def _head(cart: Cart, result: Result) -> Iterator[str]:
    place = ", ".join(part for part in (cart.store_id, cart.channel) if part)
    yield style(f"{cart.id or 'cart'}{f' ({place})' if place else ''}", bold=True)
    yield visible(f"{_moment(cart, result)}, amounts in {result.currency_code}")


def _moment(cart: Cart, result: Result) -> str:
    """The instant of the evaluation to the second, in the cart's zone when it names one."""
    moment = result.evaluate_time.ToDatetime(UTC).replace(microsecond=0)
    try:
        zone = ZoneInfo(cart.time_zone)
    except (KeyError, ValueError, OSError):
        # None is named, or this machine doesn't know it; the engine has zones of its own.
        return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
    return f"{moment.astimezone(zone).isoformat()} {cart.time_zone}"


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
        worth = f"worth {amount(gift.value_minor, result.currency_code)}"
        text = f"{gift.quantity:>4} x {gift.product_id}, a gift of {gift.promotion_id}, {worth}"
        yield style(text, fg="green")


def _totals(cart: Cart, result: Result) -> Iterator[str]:
    totals = result.totals
    yield "-" * WIDTH
    yield _row("At list prices", totals.list_minor, result)
    if totals.discount_minor:
        yield _row("Discounts", -totals.discount_minor, result)
    on_top = totals.payable_tax_minor if cart.price_mode == PriceMode.PRICE_MODE_TAX_EXCLUSIVE else 0
    if on_top:
        yield _row("Before tax", totals.payable_minor, result)
        yield _row("Tax", on_top, result)
    yield style(_row("To pay", totals.payable_minor + on_top, result), bold=True)
    if totals.payable_tax_minor and not on_top:
        yield _row("  tax in it", totals.payable_tax_minor, result)


def _promises(result: Result) -> Iterator[str]:
    for reward in result.rewards:
        yield style(f"Reward of {reward.promotion_id}: {what(reward, result.currency_code)}", fg="green")
    hints = [near_miss.text for near_miss in result.near_misses]
    hints += [suggestion.text for suggestion in result.suggestions]
    for hint in filter(None, hints):
        yield visible(f"Hint: {hint}")


def what(reward: RewardGrant, currency_code: str) -> str:
    """What a reward is, such as 500 points."""
    grant = reward.WhichOneof("grant")
    if grant == "cashback_minor":
        return f"{amount(reward.cashback_minor, currency_code)} cashback"
    if grant == "points":
        return f"{reward.points:,} points"
    if grant == "points_multiplier_ppm":
        whole, rest = divmod(reward.points_multiplier_ppm, 1_000_000)
        return f"points times {whole}{f'.{rest:06d}'.rstrip('0').rstrip('.')}"
    return f"a voucher of {reward.voucher_promotion_id}"


def _reasons(result: Result) -> Iterator[str]:
    for code in result.codes:
        yield visible(f"Code {code.code}: {_code(code)}")
    unsupported = [verdict for verdict in result.verdicts if verdict.reason == Reason.REASON_UNSUPPORTED]
    for verdict in result.verdicts:
        if verdict in unsupported:
            continue
        mark = _reason(verdict)
        if verdict.reason == Reason.REASON_APPLIED:
            mark = style(mark, fg="green")
        text = verdict.text or ", ".join(parameter.name for parameter in verdict.parameters)
        yield visible(f"  {verdict.promotion_id}: ") + mark + visible(f" - {text}" if text else "")
    if unsupported:
        ids = ", ".join(verdict.promotion_id for verdict in unsupported)
        yield visible(f"  not supported by this engine: {ids}")
    yield f"Revision {result.revision}, {_proof(result)}"


def _remarks(result: Result) -> Iterator[str]:
    """What the cart most likely didn't mean: the engine's sentence, or the code where it has none."""
    for remark in result.remarks:
        value = next((each.text for each in remark.parameters if each.name == "value"), "")
        yield style(f"Check {remark.field}: {remark.text or f'{value} [{remark.code}]'}", fg="yellow")


def _code(code: CodeVerdict) -> str:
    """What became of a code: the engine's sentence, or ours where it has none."""
    outcome = _CODE_OUTCOMES[code.outcome]
    return code.text or (f"{outcome}, {_reason(code)}" if code.reason else outcome)


def _proof(result: Result) -> str:
    selection = result.selection
    if selection.proof == Proof.PROOF_PROVEN:
        return "no other combination gives more"
    if selection.proof == Proof.PROOF_BOUNDED:
        gap = amount(selection.gap_minor, result.currency_code)
        return f"another combination could give at most {gap} more"
    return "chosen by priority"


def _row(label: str, minor: int, result: Result) -> str:
    return row(label, minor, result.currency_code)


def row(label: str, minor: int, currency_code: str) -> str:
    """A label at the left and an amount at the right."""
    room = WIDTH - _AMOUNT_WIDTH
    label = visible(label)
    text = label if len(label) < room else label[: room - 4] + "..."
    return f"{text:<{room}}{amount(minor, currency_code):>{_AMOUNT_WIDTH}}"


def _reason(verdict: Verdict | CodeVerdict) -> str:
    return Reason.Name(verdict.reason).removeprefix("REASON_").replace("_", " ").lower()
