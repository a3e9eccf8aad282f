"""dealwright evaluate: price a cart from files."""

from pathlib import Path
from typing import Annotated

import typer

from admin.cli.findings import plain_findings
from admin.cli.offline import AtOption, CartOption, LanguageOption, PromotionsOption
from admin.cli.output import JsonOption, emit, emit_json


def evaluate(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE",
            help="More promotions; with --batch, files of JSON lines instead of standard input.",
        ),
    ] = None,
    promotions: PromotionsOption = None,
    cart: CartOption = None,
    at: AtOption = None,
    language: LanguageOption = None,
    batch: Annotated[
        bool,
        typer.Option(
            "--batch",
            help="Read JSON lines {promotions, policy, cart, at, limit_state, options, ...}, write one "
            "result a line. Empty lines are passed over.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Price a cart with promotions from files; no database and no server.

    With --batch a bad line gives an error object in its place, with its file and its number there, and the
    command goes on and ends with 1.
    """
    from admin.cli import batch as lines
    from admin.cli import offline
    from admin.cli.receipt import receipt
    from server.documents import to_value

    with plain_findings():
        if batch:
            given = {"--promotions": promotions, "--cart": cart, "--language": language}
            for option in (name for name, value in given.items() if value is not None):
                raise typer.BadParameter("with --batch it stands in the lines", param_hint=option)
            lines.run(files or [], at)
            return
        ruleset, request = offline.load([*(promotions or []), *(files or [])], cart, at)
        options = request.request.options
        options.language = language or options.language or ("" if as_json else "en")
        result = offline.evaluate(ruleset, request).result
        if as_json:
            emit_json(to_value(result))
        else:
            emit(receipt(request.request.cart, result))
