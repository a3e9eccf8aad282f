"""dealwright test-carts: carts with what is expected of them; the use cases are CheckService's."""

from pathlib import Path
from typing import Annotated

import typer
from dealwright.v1.test_cart_pb2 import TestCart

from admin.cli.acting import acting
from admin.cli.findings import plain_findings, report
from admin.cli.groups import command_group
from admin.cli.local import CompanyOption
from admin.cli.outcomes import of_everything, outcome_values, saved_carts, tell_outcomes
from admin.cli.output import EXIT_CODES, ExitCode, JsonOption, emit, emit_json, say
from admin.cli.promotions_files import CommentOption, DryRunOption, FilesArgument, write_files
from server.access.rules import CHECK_SERVICE
from server.definitions import messages
from server.definitions.checking import Checks
from server.definitions.checks.gate import read_cart
from server.definitions.checks.saving import CartDraft
from server.definitions.service import DefinitionsRefused
from server.documents import read_definitions, to_value, to_yaml

group = command_group("test-carts", "Carts with what is expected of them; publishing asks them first.")

IdsArgument = Annotated[list[str] | None, typer.Argument(metavar="ID...", help="Which. Default: all.")]
PromotionsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="PROMOTION",
        help="As if the newest version of this promotion were in force. May be repeated.",
    ),
]


@group.command("list", epilog=EXIT_CODES)
def list_carts(company: CompanyOption = None, as_json: JsonOption = False) -> None:
    """List test carts, by id."""
    with acting("ListTestCarts", company=company, service=CHECK_SERVICE) as (engine, actor):
        found = Checks(engine).page(actor)
    for stored in found:
        cart = read_cart(stored)
        if as_json:
            emit_json(to_value(messages.test_cart_record(stored)), indent=None)
        else:
            emit(f"{cart.id:<32} version {stored.version} by {stored.author}  {cart.name}".rstrip())


@group.command("show", epilog=EXIT_CODES)
def show(test_cart_id: Annotated[str, typer.Argument(metavar="ID")], company: CompanyOption = None) -> None:
    """Show a test cart as YAML."""
    with acting("GetTestCart", company=company, service=CHECK_SERVICE) as (engine, actor):
        stored = Checks(engine).get(actor, test_cart_id)
    emit(to_yaml(read_cart(stored)).rstrip("\n"))


@group.command("apply", epilog=EXIT_CODES)
def apply(
    files: FilesArgument,
    prune: Annotated[
        bool, typer.Option("--prune", help="The files are all that there is: delete every other test cart.")
    ] = False,
    comment: CommentOption = "",
    dry_run: DryRunOption = False,
    company: CompanyOption = None,
) -> None:
    """Save the test carts that the files have: new ones, and new versions of those that differ."""
    with plain_findings():
        found = read_definitions(files)
    if not found.test_carts:
        raise typer.BadParameter("the files hold no test cart; one has an id, a cart and what is expected")
    methods = ["CreateTestCart", "UpdateTestCart", *(["DeleteTestCart"] if prune else [])]
    with acting(*methods, company=company, service=CHECK_SERVICE) as (engine, actor):
        drafts = [CartDraft(cart) for cart in found.carts]
        try:
            saved = Checks(engine).save(actor, drafts, prune=prune, comment=comment, dry_run=dry_run)
        except DefinitionsRefused as error:
            report(of_everything(error.diagnostics, found))
            raise typer.Exit(ExitCode.FINDINGS) from error
    for line in saved_carts(saved):
        emit(line)
    counts = f"{len(saved.created)} created, {len(saved.updated)} updated, {len(saved.unchanged)} unchanged"
    say(f"{'Would be: ' if dry_run else ''}{counts}, {len(saved.deleted)} deleted")


@group.command("export", epilog=EXIT_CODES)
def export(
    ids: IdsArgument = None,
    to: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A file for each, instead of standard output.")
    ] = None,
    company: CompanyOption = None,
) -> None:
    """Write test carts as YAML that apply reads back to the same."""
    with acting("ListTestCarts", company=company, service=CHECK_SERVICE) as (engine, actor):
        checks = Checks(engine)
        stored = [checks.get(actor, key) for key in ids] if ids else checks.page(actor)
    carts: list[TestCart] = [read_cart(one) for one in stored]
    if to is None:
        emit(to_yaml(list(carts)).rstrip("\n"))
        return
    write_files(carts, to)
    say(f"{len(carts)} test carts in {to}")


@group.command("delete", epilog=EXIT_CODES)
def delete(
    test_cart_id: Annotated[str, typer.Argument(metavar="ID")],
    comment: CommentOption = "",
    company: CompanyOption = None,
) -> None:
    """Take a test cart away; the audit log keeps what it was."""
    with acting("DeleteTestCart", company=company, service=CHECK_SERVICE) as (engine, actor):
        Checks(engine).delete(actor, test_cart_id, comment=comment)
    emit(f"test cart {test_cart_id} is deleted")


@group.command("run", epilog=EXIT_CODES)
def run(
    ids: IdsArgument = None,
    promotions: PromotionsOption = None,
    company: CompanyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Price test carts with what is in force. Ends with 1 when one comes out otherwise than expected."""
    with acting("RunTestCarts", company=company, service=CHECK_SERVICE) as (engine, actor):
        outcomes = Checks(engine).run(actor, ids or [], promotion_ids=promotions or [])
    if as_json:
        emit_json(outcome_values(outcomes))
    else:
        tell_outcomes(outcomes)
    deviating = sum(bool(outcome.deviations) for outcome in outcomes)
    say(f"{len(outcomes)} test carts, {deviating} come out otherwise than expected")
    if deviating:
        raise typer.Exit(ExitCode.FINDINGS)


@group.command("accept", epilog=EXIT_CODES)
def accept(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Which.")],
    promotions: PromotionsOption = None,
    comment: CommentOption = "",
    company: CompanyOption = None,
) -> None:
    """Make what comes out what is expected from now on, promotion by promotion and line by line."""
    with acting("AcceptTestCarts", company=company, service=CHECK_SERVICE) as (engine, actor):
        accepted = Checks(engine).accept(actor, ids, promotion_ids=promotions or [], comment=comment)
    for stored in accepted:
        emit(f"test cart {stored.test_cart_id} is updated, version {stored.version}")
    say(f"{len(accepted)} of {len(ids)} expected something else")
