"""dealwright compare: how two versions of the definitions differ on a cart."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from admin.cli.findings import plain_findings
from admin.cli.offline import AtOption, CartOption, LanguageOption
from admin.cli.output import ExitCode, JsonOption, emit, emit_json, visible
from admin.cli.remote import ServerOption

if TYPE_CHECKING:
    from dealwright.v1.evaluation_service_pb2 import CompareRequest, CompareResponse

    from server.documents import CartDocument


def compare(
    before: Annotated[
        list[str] | None,
        typer.Option(
            "--before",
            "-b",
            metavar="FILE",
            help="Promotions, or a folder of them; a revision with --server.",
        ),
    ] = None,
    after: Annotated[
        list[str] | None,
        typer.Option("--after", "-a", metavar="FILE", help="The same, as it is to be compared with."),
    ] = None,
    cart: CartOption = None,
    server: ServerOption = None,
    at: AtOption = None,
    language: LanguageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Price a cart with two versions of the promotions and say what differs.

    Both are files or folders, or revisions of a running service.
    """
    from dealwright.v1.evaluation_service_pb2 import CompareRequest

    from admin.cli import offline
    from server.documents import read_cart, to_value

    if not before or not after or cart is None:
        raise typer.BadParameter("give --before, --after and --cart")
    revisions = _revisions(before, after) if server is not None else None
    moment = offline.instant(at)
    with plain_findings():
        asked = read_cart(cart)
        if moment is not None:
            asked.request.evaluate_time.CopyFrom(moment)
        asked.request.options.language = language or asked.request.options.language or "en"
        request = CompareRequest(request=asked.request)
        if server is not None and revisions is not None:
            request.revision_before, request.revision_after = revisions
            response = _remotely(server, request)
        else:
            response = _offline(before, after, asked, request)
    if as_json:
        emit_json(to_value(response))
    else:
        emit(differences(response))


def differences(response: "CompareResponse") -> str:
    """What differs, in words."""
    from server.documents.money import amount

    comparison, currency = response.comparison, response.before.currency_code

    def signed(minor: int) -> str:
        return f"{'+' if minor > 0 else ''}{amount(minor, currency)}"

    rows = [
        f"To pay before: {amount(response.before.totals.payable_minor, currency)} {currency}",
        f"To pay after:  {amount(response.after.totals.payable_minor, currency)} {currency}",
        comparison.text,
    ]
    rows += [f"  {promotion.promotion_id}: {promotion.text}" for promotion in comparison.promotions]
    rows += [
        f"  line {line.line_id}: discount {signed(line.discount_minor)}, to pay {signed(line.payable_minor)}"
        for line in comparison.lines
    ]
    if not comparison.promotions and not comparison.lines:
        rows.append("Nothing differs.")
    return "\n".join(visible(row) for row in rows)


def _offline(
    before: list[str], after: list[str], asked: "CartDocument", request: "CompareRequest"
) -> "CompareResponse":
    import time

    from dealwright.v1.evaluation_service_pb2 import CompareResponse
    from dealwright_engine import InvalidRequest

    from admin.cli import offline
    from admin.cli.findings import of_engine, report

    rulesets = [offline.compiled([Path(name) for name in names]) for names in (before, after)]
    request.revision_before, request.revision_after = (ruleset.revision for ruleset in rulesets)
    try:
        answer = rulesets[0].compare(rulesets[1], request.SerializeToString(), time.time_ns())
    except InvalidRequest as error:
        report(of_engine(error.diagnostics, offline.inside(asked, "request.")))
        raise typer.Exit(ExitCode.FINDINGS) from error
    return CompareResponse.FromString(answer)


def _remotely(address: str, request: "CompareRequest") -> "CompareResponse":
    from admin.cli.remote import CALL_SECONDS, service

    with service(address) as stub:
        return stub.Compare(request, timeout=CALL_SECONDS)


def _revisions(before: list[str], after: list[str]) -> tuple[int, int]:
    numbers = [*before, *after]
    if len(numbers) != 2 or not all(number.isascii() and number.isdigit() for number in numbers):
        raise typer.BadParameter("give one revision each with --before and --after, such as 3 and 4")
    return int(numbers[0]), int(numbers[1])
