"""dealwright refund: what is due for what comes back of a sale, from files."""

import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from admin.cli.findings import plain_findings
from admin.cli.offline import AtOption, CartOption, HashOption, PromotionsOption
from admin.cli.output import ExitCode, JsonOption, emit, emit_json

if TYPE_CHECKING:
    from dealwright.v1.evaluation_service_pb2 import RefundRequest
    from dealwright_engine import Ruleset

    from server.documents import CartDocument, Problem

_MINOR_MAX = 2**63 - 1
"""Most minor units that a message carries."""

# 18 digits fit into an int64; what is too many of them is for the engine to say.
_UNITS = re.compile(r"(?P<line>.+)=(?P<quantity>\d{1,18})(@(?P<first>\d{1,18}))?")
_GIFT = re.compile(r"(?P<promotion>[^/]+)/(?P<product>.+)=(?P<quantity>\d{1,18})")


class Policy(StrEnum):
    """The policies, as the option names them."""

    KEEP = "keep"
    RE_EVALUATE = "re-evaluate"
    CLAW_BACK = "claw-back"


def refund(
    files: Annotated[list[Path] | None, typer.Argument(metavar="FILE", help="More promotions.")] = None,
    promotions: PromotionsOption = None,
    cart: CartOption = None,
    returned: Annotated[
        list[str] | None,
        typer.Option(
            "--return",
            "-r",
            metavar="LINE=QUANTITY[@FIRST]",
            help="Units that have come back until now, such as 1=2; 1=2@0 names units 0 and 1 of line 1.",
        ),
    ] = None,
    policy: Annotated[Policy, typer.Option(help="What the units are worth.")] = Policy.KEEP,
    refunded: Annotated[
        int,
        typer.Option(
            metavar="MINOR", min=0, max=_MINOR_MAX, help="What was refunded before, in minor units."
        ),
    ] = 0,
    refunded_tax: Annotated[
        int,
        typer.Option(
            metavar="MINOR", min=0, max=_MINOR_MAX, help="The tax part of what was refunded before."
        ),
    ] = 0,
    gifts: Annotated[
        list[str] | None,
        typer.Option(
            "--gift", metavar="PROMOTION/PRODUCT=QUANTITY", help="Granted gifts that have come back."
        ),
    ] = None,
    reversed_: Annotated[
        list[str] | None,
        typer.Option("--reversed", metavar="PROMOTION", help="A promotion whose rewards were taken back."),
    ] = None,
    recorded: Annotated[
        Path | None,
        typer.Option(
            "--result",
            metavar="FILE",
            help="The recorded result, in place of --hash. Default: what the sale costs by these files.",
        ),
    ] = None,
    result_hash: HashOption = None,
    at: AtOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what to pay back for units of a sale, with promotions from files; no database and no server.

    The cart is the sale as it was evaluated, with its instant. Name all units that have come back until now.
    """
    from dealwright.v1.evaluation_service_pb2 import RefundRequest, RefundResponse, Sale
    from dealwright.v1.refund_pb2 import RefundAmount, ReturnPolicy
    from dealwright.v1.result_pb2 import Result
    from dealwright_engine import InvalidRequest

    from admin.cli import offline
    from admin.cli.findings import of_engine, report
    from admin.cli.refund_receipt import refund_receipt
    from server.documents import parse_message, read_source, to_value

    request = RefundRequest(
        policy=ReturnPolicy.Value(f"RETURN_POLICY_{policy.name}"),
        refunded=RefundAmount(minor=refunded, tax_minor=refunded_tax),
        rewards_reversed=reversed_ or [],
    )
    recorded_hash = offline.hash_bytes(result_hash)
    _add_units(request, returned or [])
    _add_gifts(request, gifts or [])
    with plain_findings():
        ruleset, sold = offline.load([*(promotions or []), *(files or [])], cart, at)
        offline.require_instant(sold)
        request.sale.CopyFrom(Sale(revision=ruleset.revision, request=sold.request))
        if recorded is not None:
            request.sale.result.CopyFrom(parse_message(read_source(recorded), Result))
        else:
            request.sale.result_hash = recorded_hash or _hash_of(ruleset, sold)
        try:
            response = RefundResponse.FromString(ruleset.refund(request.SerializeToString()))
        except InvalidRequest as error:
            places = _Places(sold, returned or [], gifts or [], reversed_ or [], recorded)
            report(of_engine(error.diagnostics, places.problem))
            raise typer.Exit(ExitCode.FINDINGS) from error
    if as_json:
        emit_json(to_value(response))
    else:
        emit(refund_receipt(sold.request, request, response))


def _hash_of(ruleset: "Ruleset", sold: "CartDocument") -> bytes:
    from admin.cli import offline

    return offline.evaluate(ruleset, sold).result.result_hash


def _add_units(request: "RefundRequest", texts: list[str]) -> None:
    for text in texts:
        parts = _UNITS.fullmatch(text)
        if parts is None:
            raise typer.BadParameter(
                f"{text} is no LINE=QUANTITY or LINE=QUANTITY@FIRST, such as 1=2", param_hint="--return"
            )
        units = request.returned.add(line_id=parts["line"], quantity=int(parts["quantity"]))
        if parts["first"] is not None:
            units.first_unit = int(parts["first"])


def _add_gifts(request: "RefundRequest", texts: list[str]) -> None:
    for text in texts:
        parts = _GIFT.fullmatch(text)
        if parts is None:
            raise typer.BadParameter(
                f"{text} is no PROMOTION/PRODUCT=QUANTITY, such as free-tea/tea=1", param_hint="--gift"
            )
        request.gifts_returned.add(
            promotion_id=parts["promotion"], product_id=parts["product"], quantity=int(parts["quantity"])
        )


class _Places:
    """Where the fields of the request were written: in a file or as options."""

    def __init__(
        self,
        sold: "CartDocument",
        returned: list[str],
        gifts: list[str],
        reversed_: list[str],
        recorded: Path | None,
    ) -> None:
        self._sold = sold
        self._recorded = recorded
        self._options = dict(self._options_of("returned", "--return", returned))
        self._options |= dict(self._options_of("gifts_returned", "--gift", gifts))
        self._options |= dict(self._options_of("rewards_reversed", "--reversed", reversed_))

    def problem(self, field: str, message: str) -> "Problem":
        from admin.cli import offline
        from server.documents import Problem

        if field.startswith("sale.request."):
            return offline.inside(self._sold, "sale.request.")(field, message)
        if field == "sale.result" and self._recorded is not None:
            return Problem(message, str(self._recorded))
        item = field.partition(".")[0]
        return Problem(message, self._options.get(item, ""), field=field)

    @staticmethod
    def _options_of(field: str, option: str, texts: list[str]) -> Iterator[tuple[str, str]]:
        for number, text in enumerate(texts):
            yield f"{field}[{number}]", f"{option} {text}"
