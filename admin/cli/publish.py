"""dealwright publish: put definitions into force."""

import os
from pathlib import Path
from typing import Annotated

import typer

from admin.cli.findings import Finding, of_definitions, report
from admin.cli.outcomes import AcceptOption, AcceptSizesOption, outcome_values, passing, tell_outcomes
from admin.cli.output import ExitCode, JsonOption, emit, emit_json, say
from admin.cli.process import plain_failures, read_settings
from server.definitions.differences import sentences
from server.definitions.service import Definitions, DefinitionsRefused, Publication, Published
from server.documents import DocumentError, Problem, read_definitions
from server.runtime.settings import COMPANY_ID, COMPANY_ID_NEEDS

FilesArgument = Annotated[
    list[Path] | None, typer.Argument(metavar="FILE...", help="Files or folders; - is standard input.")
]


def publish(
    files: FilesArgument = None,
    company: Annotated[
        str | None,
        typer.Option(help="Whose promotions they are. Default: the company_id of a ruleset among the files."),
    ] = None,
    complete: Annotated[
        bool,
        typer.Option("--complete", help="The files are all that there is: delete every other promotion."),
    ] = False,
    delete: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Delete this promotion. May be repeated.")
    ] = None,
    comment: Annotated[str, typer.Option(help="Why; kept with the revision.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")
    ] = False,
    accept_deviations: AcceptOption = "",
    accept_sizes: AcceptSizesOption = "",
    as_json: JsonOption = False,
) -> None:
    """Publish promotions and settings as one new revision; all of it or nothing.

    There is no review: whoever may use the database publishes directly, and the audit log says so.
    """
    from server.db.database import database
    from server.db.migrate import upgrade
    from server.runtime import logs

    if not (files or delete):
        raise typer.BadParameter("give files to publish, or --delete ID")
    with plain_failures():
        settings = read_settings()
        logs.configure(settings.log_format, "warning")
        with database(settings) as engine, passing():
            upgrade(engine)
            published, remarks = publish_files(
                Definitions(engine),
                files or [],
                company,
                complete=complete,
                delete=delete or [],
                comment=comment,
                dry_run=dry_run,
                accept_deviations=accept_deviations,
                accept_sizes=accept_sizes,
            )
    report(remarks)
    if as_json:
        emit_json(summary(published))
    else:
        for line in sentences(published.differences) if dry_run else ():
            emit(line)
        tell_outcomes(published.test_carts)
        emit(sentence(published))


def publish_files(
    definitions: Definitions,
    files: list[Path],
    company: str | None = None,
    *,
    complete: bool = False,
    delete: list[str] | None = None,
    comment: str = "",
    dry_run: bool = False,
    accept_deviations: str = "",
    accept_sizes: str = "",
) -> tuple[Published, list[Finding]]:
    """Publishes what files define. What is remarked, or why it is refused, has its place in the files."""
    found = read_definitions(files)
    company_id = company or (found.settings.company_id if found.settings else "")
    if not company_id:
        raise typer.BadParameter("give --company, or a file with a company_id")
    if not COMPANY_ID.fullmatch(company_id):
        if company:
            raise typer.BadParameter(f"it needs {COMPANY_ID_NEEDS}", param_hint="--company")
        raise DocumentError([Problem(f"it needs {COMPANY_ID_NEEDS}", field="company_id")])
    publication = Publication(
        found.promotions,
        delete or [],
        found.settings,
        complete,
        comment=comment,
        dry_run=dry_run,
        accept_deviations=accept_deviations,
        accept_sizes=accept_sizes,
    )
    try:
        published = definitions.publish(company_id, publication)
    except DefinitionsRefused as error:
        report(of_definitions(error.diagnostics, found))
        raise typer.Exit(ExitCode.FINDINGS) from error
    return published, of_definitions(published.warnings, found)


def publish_demo(definitions: Definitions, examples: Path) -> Published:
    """Publishes the demo company, and tells in short what came of it."""
    files = [examples / "company.yaml", examples / "promotions"]
    published, remarks = publish_files(definitions, files, complete=True)
    say(sentence(published))
    if remarks:
        shown = " ".join(os.path.relpath(file) for file in files)
        say(f"{len(remarks)} remarks; `dealwright validate {shown}` shows them")
    return published


def sentence(published: Published) -> str:
    if not published.changed:
        return f"{published.company_id}: nothing changed, revision {published.revision} stays"
    parts = [
        f"{len(published.written)} written{_paused(published)}",
        f"{len(published.unchanged)} unchanged",
        f"{len(published.deleted)} deleted",
    ]
    settings = ", settings changed" if published.settings_changed else ""
    return f"{published.company_id}: revision {published.revision}, promotions {', '.join(parts)}{settings}"


def _paused(published: Published) -> str:
    return f" ({len(published.paused)} of them stay paused)" if published.paused else ""


def summary(published: Published) -> dict[str, object]:
    return {
        "company_id": published.company_id,
        "revision": published.revision,
        "changed": published.changed,
        "written": list(published.written),
        "unchanged": list(published.unchanged),
        "deleted": list(published.deleted),
        "paused": list(published.paused),
        "settings_changed": published.settings_changed,
        "test_carts": outcome_values(published.test_carts),
    }
