"""dealwright audit: who did what, and whether the log is still what was written."""

from typing import Annotated

import typer

from admin.cli.groups import command_group
from admin.cli.local import CompanyOption, local_database, only_company
from admin.cli.output import EXIT_CODES, ExitCode, JsonOption, emit, emit_json, say
from admin.cli.process import plain_failures
from server.audit.service import Audit, Entry, Verification

group = command_group("audit", "Who did what, and whether the log is still what was written.")


@group.command("verify", epilog=EXIT_CODES)
def verify(
    company: CompanyOption = None,
    kept: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER:HASH",
            help="An entry as an earlier run printed it. It shows even a log that was replaced whole.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read every entry and find any that was changed, removed or moved since it was written.

    Without --company every company's log is read. Ends with 1 when one doesn't hold.
    """
    noted = _kept(kept)
    with plain_failures(), local_database() as engine:
        audit = Audit(engine)
        if noted is not None:
            companies = [company or only_company(engine)]
        else:
            companies = [company] if company else audit.companies()
        found = [audit.verify(company_id, noted) for company_id in companies]
    if as_json:
        emit_json([_value(verification) for verification in found])
    else:
        for verification in found:
            emit(_sentence(verification))
    if any(verification.problem for verification in found):
        raise typer.Exit(ExitCode.FINDINGS)
    if not found:
        say("There is no company yet.")


@group.command("list", epilog=EXIT_CODES)
def list_entries(
    company: CompanyOption = None,
    count: Annotated[int, typer.Option(min=1, help="How many of the newest entries.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """Show the newest entries, oldest first."""
    with plain_failures(), local_database() as engine:
        entries = Audit(engine).entries(company or only_company(engine), count)
    for entry in entries:
        if as_json:
            emit_json(_entry(entry), indent=None)
        else:
            emit(_line(entry))


def _kept(text: str | None) -> tuple[int, str] | None:
    if text is None:
        return None
    number, _, digest = text.partition(":")
    if not (number.isascii() and number.isdigit() and digest):
        raise typer.BadParameter("give a number and a hash, as verify prints them", param_hint="--kept")
    return int(number), digest.lower()


def _sentence(verification: Verification) -> str:
    if verification.problem:
        return f"{verification.company_id}: BROKEN, {verification.problem}"
    return (
        f"{verification.company_id}: {verification.entries} entries hold;"
        f" keep {verification.entries}:{verification.head_hash} elsewhere"
    )


def _value(verification: Verification) -> dict[str, object]:
    return {
        "company_id": verification.company_id,
        "entries": verification.entries,
        "head_hash": verification.head_hash,
        "problem": verification.problem,
    }


def _entry(entry: Entry) -> dict[str, object]:
    return {
        "number": entry.number,
        "time": entry.time.isoformat(),
        "actor": entry.actor,
        "token_id": entry.token_id,
        "source": entry.source,
        "action": entry.action,
        "subject": entry.subject,
        "subject_id": entry.subject_id,
        "version": entry.version,
        "revision": entry.revision,
        "comment": entry.comment,
        "before": entry.before,
        "after": entry.after,
        "hash": entry.hash.hex(),
    }


def _line(entry: Entry) -> str:
    about = " ".join(part for part in (entry.subject.replace("_", " "), entry.subject_id) if part)
    version = f" version {entry.version}" if entry.version else ""
    revision = f", revision {entry.revision}" if entry.revision else ""
    comment = f": {entry.comment}" if entry.comment else ""
    when = entry.time.isoformat(timespec="seconds")
    action = entry.action.replace("_", " ")
    return (
        f"{entry.number} {when} {entry.actor} ({entry.source}) {action} {about}{version}{revision}{comment}"
    )
