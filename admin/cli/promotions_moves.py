"""Moving promotions through their life: submit, approve, publish, pause and the rest, and going back."""

from collections.abc import Callable
from typing import Annotated

import typer

from admin.cli.acting import acting
from admin.cli.arriving import WaitOption, wait_for_tills
from admin.cli.findings import of_engine, report
from admin.cli.local import CompanyOption
from admin.cli.outcomes import AcceptOption, AcceptSizesOption, outcome_values, passing, tell_outcomes
from admin.cli.output import EXIT_CODES, JsonOption, emit, emit_json
from server.actors import Actor
from server.definitions.checks.gate import Consent
from server.definitions.differences import sentences
from server.definitions.lifecycle import TRANSITIONS, Action, Transition
from server.definitions.promotions import Promotions
from server.definitions.publishing import Revised
from server.definitions.service import Definitions
from server.definitions.transitions import Target
from server.distribution.operations import Operations

PUT_INTO_FORCE = (Action.PUBLISH, Action.RESUME)

IdsArgument = Annotated[list[str], typer.Argument(metavar="ID...", help="All of them, or none.")]
CommentOption = Annotated[str, typer.Option(help="Why; kept in the history.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")]


def register(group: typer.Typer) -> None:
    """Adds a command for each action that has a method, and going back."""
    for action, transition in TRANSITIONS.items():
        if action is Action.UPDATE:
            continue  # the commands about files do that
        meaning = transition.meaning
        command = _putting_into_force if action in PUT_INTO_FORCE else _doing
        group.command(
            action.value.replace("_", "-"),
            help=f"{meaning[0].upper()}{meaning[1:]}.",
            epilog=EXIT_CODES,
        )(command(transition))
    group.command("rollback", epilog=EXIT_CODES)(rollback)


def _doing(transition: Transition) -> Callable[..., None]:
    """The command that does it."""

    def do(
        ids: IdsArgument,
        comment: CommentOption = "",
        dry_run: DryRunOption = False,
        company: CompanyOption = None,
        as_json: JsonOption = False,
    ) -> None:
        _act(transition, ids, comment, company, Consent(dry_run=dry_run), as_json=as_json)

    return do


def _putting_into_force(transition: Transition) -> Callable[..., None]:
    """The command that does it, and that test carts may refuse."""

    def do(
        ids: IdsArgument,
        comment: CommentOption = "",
        dry_run: DryRunOption = False,
        accept_deviations: AcceptOption = "",
        accept_sizes: AcceptSizesOption = "",
        company: CompanyOption = None,
        as_json: JsonOption = False,
    ) -> None:
        consent = Consent(accept_deviations, dry_run, accept_sizes)
        _act(transition, ids, comment, company, consent, as_json=as_json)

    return do


def _act(
    transition: Transition,
    ids: list[str],
    comment: str,
    company: str | None,
    consent: Consent,
    *,
    as_json: bool,
) -> None:
    with acting(transition.method, company=company) as (engine, actor), passing():
        done = Promotions(engine).act(
            actor,
            transition.action,
            [Target(key) for key in ids],
            comment=comment,
            dry_run=consent.dry_run,
            accept_deviations=consent.deviations,
            accept_sizes=consent.sizes,
        )
    _tell(actor, done, as_json=as_json)


def rollback(
    revision: Annotated[int, typer.Argument(help="The revision to go back to.")],
    comment: CommentOption = "",
    dry_run: DryRunOption = False,
    wait: WaitOption = 30,
    company: CompanyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a new revision that holds exactly what an earlier one held; later drafts stay.

    It is for all tills, also when a revision is being rolled out, which it ends.
    """
    with acting("Rollback", company=company) as (engine, actor):
        definitions = Definitions(engine)
        done = definitions.roll_back(actor, revision, comment=comment, dry_run=dry_run)
        _tell(actor, done, as_json=as_json)
        if not dry_run:
            wait_for_tills(Operations(engine, definitions), actor.company_id, done.revision, wait)


def _tell(actor: Actor, done: Revised, *, as_json: bool) -> None:
    report(of_engine(done.warnings))
    lines = sentences(done.differences)
    if as_json:
        emit_json(
            {
                "company_id": actor.company_id,
                "revision": done.revision,
                "differences": lines,
                "test_carts": outcome_values(done.test_carts),
                "waiting_ids": list(done.waiting_ids),
            }
        )
        return
    for line in lines:
        emit(line)
    tell_outcomes(done.test_carts)
    for waiting_id in done.waiting_ids:
        emit(f"{waiting_id} waits for a second approver: it can give more than the guardrails leave to one")
    emit(f"{actor.company_id}: revision {done.revision}")
