"""dealwright journal: what tills have uploaded, and what is wrong with it."""

from typing import Annotated

import typer

from admin.cli.groups import command_group
from admin.cli.local import CompanyOption, local_database, only_company
from admin.cli.output import EXIT_CODES, ExitCode, JsonOption, emit, emit_json, say, visible
from admin.cli.process import plain_failures
from server.journals.service import Alarm, Drift, Journal, Journals, Verification

group = command_group("journal", "What tills have uploaded, and what is wrong with it.")

CountOption = Annotated[int, typer.Option(min=1, help="How many of the newest.")]


@group.command("list", epilog=EXIT_CODES)
def list_journals(company: CompanyOption = None, as_json: JsonOption = False) -> None:
    """Show the journals, how far each has come, and whose token uploads it."""
    with plain_failures(), local_database() as engine:
        found = Journals(engine).journals(company or only_company(engine))
    for journal in found:
        if as_json:
            emit_json(_journal(journal), indent=None)
        else:
            when = journal.upload_time.isoformat(timespec="seconds")
            emit(visible(f"{journal.device_id} {journal.journal_id}: {journal.sequence} entries, {when}"))


@group.command("drift", epilog=EXIT_CODES)
def drift(company: CompanyOption = None, count: CountOption = 50, as_json: JsonOption = False) -> None:
    """Show sales that their revision prices otherwise here, newest first. Ends with 1 if there are any."""
    with plain_failures(), local_database() as engine:
        found = Journals(engine).drifts(company or only_company(engine), count)
    for each in found:
        if as_json:
            emit_json(_drift(each), indent=None)
        else:
            when = each.record_time.isoformat(timespec="seconds")
            place = f"{each.device_id} {each.sequence}"
            emit(visible(f"{when} {place} sale {each.sale_id} {each.outcome}: {each.detail}"))
    _end(bool(found), "Every sale that was priced again came out the same.")


@group.command("alarms", epilog=EXIT_CODES)
def alarms(company: CompanyOption = None, count: CountOption = 50, as_json: JsonOption = False) -> None:
    """Show gaps, forks and mendings in journals, newest first. Ends with 1 when there are any."""
    with plain_failures(), local_database() as engine:
        found = Journals(engine).alarms(company or only_company(engine), count)
    for alarm in found:
        if as_json:
            emit_json(_alarm(alarm), indent=None)
        else:
            when = alarm.alarm_time.isoformat(timespec="seconds")
            emit(visible(f"{when} {alarm.device_id} {alarm.journal_id} {alarm.kind}: {alarm.detail}"))
    _end(bool(found), "There are no alarms.")


@group.command("verify", epilog=EXIT_CODES)
def verify(company: CompanyOption = None, as_json: JsonOption = False) -> None:
    """Read every journal and find what is missing or was changed. Ends with 1 when something is."""
    with plain_failures(), local_database() as engine:
        found = Journals(engine).verify(company or only_company(engine))
    for each in found:
        if as_json:
            emit_json(_verification(each), indent=None)
        else:
            outcome = f"BROKEN, {each.problem}" if each.problem else f"{each.entries} entries hold"
            emit(visible(f"{each.device_id} {each.journal_id}: {outcome}"))
    _end(any(each.problem for each in found), "" if found else "No till has uploaded anything.")


def _end(findings: bool, otherwise: str) -> None:
    if findings:
        raise typer.Exit(ExitCode.FINDINGS)
    if otherwise:
        say(otherwise)


def _journal(journal: Journal) -> dict[str, object]:
    return {
        "device_id": journal.device_id,
        "journal_id": journal.journal_id,
        "owner": journal.owner,
        "sequence": journal.sequence,
        "hash": journal.hash.hex(),
        "upload_time": journal.upload_time.isoformat(),
    }


def _drift(drift: Drift) -> dict[str, object]:
    return {
        "device_id": drift.device_id,
        "journal_id": drift.journal_id,
        "sequence": drift.sequence,
        "sale_id": drift.sale_id,
        "outcome": drift.outcome,
        "revision": drift.revision,
        "detail": drift.detail,
        "record_time": drift.record_time.isoformat(),
        "replay_time": drift.replay_time.isoformat(),
    }


def _alarm(alarm: Alarm) -> dict[str, object]:
    return {
        "number": alarm.number,
        "device_id": alarm.device_id,
        "journal_id": alarm.journal_id,
        "kind": alarm.kind,
        "sequence": alarm.sequence,
        "detail": alarm.detail,
        "alarm_time": alarm.alarm_time.isoformat(),
    }


def _verification(verification: Verification) -> dict[str, object]:
    return {
        "device_id": verification.device_id,
        "journal_id": verification.journal_id,
        "entries": verification.entries,
        "problem": verification.problem,
    }
