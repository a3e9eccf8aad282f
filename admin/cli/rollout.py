"""dealwright rollout: bring a revision to some stores first, and to the rest when it has done well there."""

from typing import Annotated

import typer

from admin.cli.acting import acting
from admin.cli.findings import of_engine, report
from admin.cli.groups import command_group
from admin.cli.local import CompanyOption
from admin.cli.outcomes import AcceptOption, AcceptSizesOption, outcome_values, passing, tell_outcomes
from admin.cli.output import EXIT_CODES, JsonOption, emit, emit_json
from admin.cli.promotions_moves import CommentOption, DryRunOption, IdsArgument
from server.access.rules import ROLLOUT_SERVICE
from server.definitions.differences import sentences
from server.definitions.publishing import Revised
from server.definitions.transitions import Target
from server.documents import to_value
from server.rollouts.calls import progress_message, rollout_message
from server.rollouts.service import Plan, Progress, Rollouts, StoredRollout

group = command_group("rollout", "Bring a revision to some stores first, and to the rest later.")

PPM_PER_PERCENT = 10_000

RevisionArgument = Annotated[
    int | None, typer.Argument(help="The revision that is meant. Default: the one that is rolled out.")
]


@group.command("start", epilog=EXIT_CODES)
def start(
    ids: IdsArgument,
    store: Annotated[
        list[str] | None, typer.Option("--store", metavar="ID", help="Of the cohort. May be repeated.")
    ] = None,
    percent: Annotated[
        int, typer.Option(min=0, max=100, help="Or draw so many of all stores for the cohort.")
    ] = 0,
    bake: Annotated[
        int | None, typer.Option(metavar="MINUTES", help="Promote it after so long. Default: by hand.")
    ] = None,
    failures: Annotated[int, typer.Option(help="So many failures don't stop it yet.")] = 0,
    tills: Annotated[int, typer.Option(help="So many tills have to have it before it is promoted.")] = 0,
    comment: CommentOption = "",
    accept_deviations: AcceptOption = "",
    accept_sizes: AcceptSizesOption = "",
    dry_run: DryRunOption = False,
    company: CompanyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish approved promotions for some stores. Tills that refuse it, and sales that drift, stop it."""
    seconds = None if bake is None else bake * 60
    with acting("StartRollout", company=company, service=ROLLOUT_SERVICE) as (engine, actor), passing():
        done = Rollouts(engine).start(
            actor,
            [Target(promotion_id) for promotion_id in ids],
            Plan(tuple(store or ()), percent * PPM_PER_PERCENT, seconds, failures, tills),
            comment=comment,
            dry_run=dry_run,
            accept_deviations=accept_deviations,
            accept_sizes=accept_sizes,
        )
    report(of_engine(done.warnings))
    _tell(done, f"revision {done.revision}, for its cohort", as_json=as_json)


@group.command("status", epilog=EXIT_CODES)
def status(
    revision: Annotated[int | None, typer.Argument(help="Which one. Default: the newest rollout.")] = None,
    company: CompanyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a rollout and what its tills say."""
    with acting("GetRollout", company=company, service=ROLLOUT_SERVICE) as (engine, actor):
        found, progress = Rollouts(engine).get(actor, revision)
    if as_json:
        told = {"rollout": rollout_message(found), "progress": progress_message(progress)}
        emit_json({name: to_value(message) for name, message in told.items()})
        return
    for line in _lines(found, progress):
        emit(line)


@group.command("promote", epilog=EXIT_CODES)
def promote(
    revision: RevisionArgument = None,
    comment: CommentOption = "",
    dry_run: DryRunOption = False,
    company: CompanyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring to all stores what the cohort has."""
    with acting("PromoteRollout", company=company, service=ROLLOUT_SERVICE) as (engine, actor):
        done = Rollouts(engine).promote(actor, revision, comment=comment, dry_run=dry_run)
    _tell(done, f"revision {done.revision}, for all stores", as_json=as_json)


@group.command("stop", epilog=EXIT_CODES)
def stop(
    revision: RevisionArgument = None,
    comment: CommentOption = "",
    dry_run: DryRunOption = False,
    company: CompanyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take back from the cohort what the other stores don't have."""
    with acting("StopRollout", company=company, service=ROLLOUT_SERVICE) as (engine, actor):
        done = Rollouts(engine).stop(actor, revision, comment=comment, dry_run=dry_run)
    _tell(done, f"revision {done.revision}, for all stores", as_json=as_json)


def _tell(done: Revised, sentence: str, *, as_json: bool) -> None:
    lines = sentences(done.differences)
    if as_json:
        emit_json(
            {
                "revision": done.revision,
                "differences": lines,
                "test_carts": outcome_values(done.test_carts),
            }
        )
        return
    for line in lines:
        emit(line)
    tell_outcomes(done.test_carts)
    emit(sentence)


def _lines(found: StoredRollout, progress: Progress) -> list[str]:
    """A rollout, for people."""
    if found.running:
        bake = "until somebody promotes it" if found.bake_seconds is None else f"for {found.bake_seconds} s"
        state = f"running since {found.start_time:%Y-%m-%d %H:%M:%S %Z}, {bake}"
    else:
        ended = "promoted" if found.promoted else "stopped"
        state = f"{ended} with revision {found.end_revision} by {found.end_author}: {found.end_comment}"
    reports = progress.reports
    return [
        f"revision  {found.revision}, by {found.author}: {found.comment}",
        f"state     {state}",
        f"cohort    {', '.join(found.store_ids)}",
        f"tills     {reports.at_revision} of {reports.tills} have it, {found.tills_min} needed",
        f"failures  {progress}; {found.failures_max} allowed",
    ]
