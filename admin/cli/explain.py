"""dealwright explain: price a cart from files and say how and why."""

from pathlib import Path
from typing import Annotated

import typer

from admin.cli.findings import plain_findings
from admin.cli.offline import AtOption, CartOption, LanguageOption, PromotionsOption
from admin.cli.output import JsonOption, emit, emit_json


def explain(
    files: Annotated[list[Path] | None, typer.Argument(metavar="FILE", help="More promotions.")] = None,
    promotions: PromotionsOption = None,
    cart: CartOption = None,
    at: AtOption = None,
    language: LanguageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Price a cart from files, with a verdict on every promotion and the computation in words."""
    from admin.cli import offline
    from admin.cli.receipt import receipt, traces
    from server.documents import to_value

    with plain_findings():
        ruleset, request = offline.load([*(promotions or []), *(files or [])], cart, at)
        response = offline.explain(ruleset, request, language or "")
        if as_json:
            emit_json(to_value(response))
        else:
            emit(receipt(request.request.cart, response.result))
            emit(traces(list(response.traces)))
