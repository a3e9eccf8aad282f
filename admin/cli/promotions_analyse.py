"""dealwright promotions analyse: what promotions do to each other, each finding with a cart that shows it."""

from typing import Annotated

import typer

from admin.cli.acting import acting
from admin.cli.findings import of_diagnostic
from admin.cli.local import CompanyOption
from admin.cli.output import EXIT_CODES, ExitCode, JsonOption, emit, emit_json, say
from server.access.rules import CHECK_SERVICE
from server.definitions import messages
from server.definitions.checking import Checks
from server.documents import to_value, to_yaml


def register(group: typer.Typer) -> None:
    """Adds the command to a group."""
    group.command("analyse", epilog=EXIT_CODES)(analyse)


def analyse(
    ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ID...", help="Drafts to try, and all that is told. Default: what is in force."
        ),
    ] = None,
    carts: Annotated[bool, typer.Option("--carts", help="Show the cart of each finding as YAML.")] = False,
    company: CompanyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look for promotions that can't be met, beat or repeat each other, or take too much off together.

    Ends with 1 when the guardrails of the company don't allow something. What isn't told isn't proven absent.
    """
    with acting("Analyse", company=company, service=CHECK_SERVICE) as (engine, actor):
        report = Checks(engine).analyse(actor, promotion_ids=ids or [])
    for found in report.findings:
        if as_json:
            emit_json(to_value(messages.finding(found)), indent=None)
            continue
        emit(str(of_diagnostic(found.diagnostic)))
        if carts:
            emit(to_yaml(found.priced.request).rstrip("\n"))
    refused = sum(not of_diagnostic(found.diagnostic).warning for found in report.findings)
    missed = f", no cart found for {', '.join(report.unwitnessed)}" if report.unwitnessed else ""
    say(f"{report.promotions} promotions, {len(report.findings)} findings{missed}")
    if refused:
        raise typer.Exit(ExitCode.FINDINGS)
