"""dealwright reference: brands, stores, products, categories and holiday calendars, in and out in bulk."""

from pathlib import Path
from typing import Annotated

import typer

from admin.cli.findings import Finding, of_engine, report
from admin.cli.groups import command_group
from admin.cli.local import CompanyOption, local_database, only_company
from admin.cli.outcomes import AcceptOption, AcceptSizesOption, outcome_values, passing, tell_outcomes
from admin.cli.output import EXIT_CODES, ExitCode, JsonOption, emit, emit_json
from admin.cli.process import plain_failures
from server.actors import local_actor
from server.definitions.contents import KINDS, read_reference
from server.definitions.differences import sentences
from server.definitions.references import RowsRefused, import_references
from server.definitions.service import Definitions
from server.documents import read_rows, to_value, write_csv

group = command_group("reference", "Brands, stores, products, categories and holiday calendars.")

NAMES = {
    "brands": "brand",
    "stores": "store",
    "products": "product",
    "categories": "category",
    "holiday-calendars": "holiday_calendar",
}
"""What people call the kinds of reference data."""

KindArgument = Annotated[str, typer.Argument(metavar="|".join(NAMES), help="What the rows are.")]


@group.command("import", epilog=EXIT_CODES)
def import_rows(
    kind: KindArgument,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV with a header, or a list as JSON or YAML.")
    ],
    company: CompanyOption = None,
    complete: Annotated[
        bool, typer.Option("--complete", help="The rows are all that there are: delete every other.")
    ] = False,
    comment: Annotated[str, typer.Option(help="Why; kept with the revision.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")
    ] = False,
    accept_deviations: AcceptOption = "",
    accept_sizes: AcceptSizesOption = "",
    as_json: JsonOption = False,
) -> None:
    """Import rows as one new revision; all of them or none.

    In CSV the columns are named as the fields, and the items of a list stand between |. A holiday calendar
    may have a row for each of its dates.
    """
    with plain_failures():
        rows = read_rows(file, KINDS[_kind(kind)])
        with local_database() as engine, passing():
            actor = local_actor(company or only_company(engine))
            try:
                imported = import_references(
                    engine,
                    actor,
                    _kind(kind),
                    [row.message for row in rows],
                    complete=complete,
                    dry_run=dry_run,
                    comment=comment,
                    accept_deviations=accept_deviations,
                    accept_sizes=accept_sizes,
                )
            except RowsRefused as error:
                report(
                    [Finding(rows[fault.index].problem(fault.field, fault.message)) for fault in error.faults]
                )
                raise typer.Exit(ExitCode.FINDINGS) from error
    report(of_engine(imported.warnings))
    if as_json:
        emit_json(
            {
                "company_id": imported.company_id,
                "revision": imported.revision,
                "written": imported.written,
                "unchanged": imported.unchanged,
                "deleted": imported.deleted,
                "test_carts": outcome_values(imported.test_carts),
            }
        )
        return
    for line in sentences(imported.differences) if dry_run else ():
        emit(line)
    tell_outcomes(imported.test_carts)
    counts = f"{imported.written} written, {imported.unchanged} unchanged, {imported.deleted} deleted"
    emit(f"{imported.company_id}: revision {imported.revision}, {kind} {counts}")


@group.command("export", epilog=EXIT_CODES)
def export_rows(
    kind: KindArgument,
    company: CompanyOption = None,
    revision: Annotated[int | None, typer.Option(help="As of this revision. Default: the last one.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write rows as CSV, or as JSON, as import reads them."""
    with plain_failures(), local_database() as engine:
        contents = Definitions(engine).contents(company or only_company(engine), revision)
    known = _kind(kind)
    messages = [read_reference(known, definition) for definition in contents.references[known].values()]
    if as_json:
        emit_json([to_value(message) for message in messages])
    else:
        emit(write_csv(messages, KINDS[known]).rstrip("\n"))


def _kind(name: str) -> str:
    if name not in NAMES:
        raise typer.BadParameter(f"give one of {', '.join(NAMES)}", param_hint="KIND")
    return NAMES[name]
