"""Promotions as POS documents: out of the database for the tills of a store, and in from another system."""

from pathlib import Path

import typer

from admin.cli.acting import acting
from admin.cli.findings import of_engine, plain_findings, report
from admin.cli.output import ExitCode, emit, emit_json, say
from server.definitions.differences import sentences
from server.definitions.drafts import Draft
from server.definitions.pos import read_documents
from server.definitions.promotions import Promotions
from server.definitions.service import DefinitionsRefused
from server.definitions.tills import Reader, Tills
from server.documents import read_source


def export_documents(store_id: str, ids: list[str] | None, company: str | None, reader: Reader) -> None:
    """Writes the documents of a store as a list, and says which promotions have none."""
    with acting("ListPromotions", company=company) as (engine, actor):
        written, unsaid = Tills(engine).of_store(actor.company_id, store_id, reader)
    emit_json([found.document for key, found in written.items() if not ids or key in ids])
    for key, found in unsaid.items():
        if not ids or key in ids:
            say(f"{key}: no POS document can say {', '.join(found.unsaid)}")


def import_documents(
    files: list[Path],
    comment: str,
    company: str | None,
    currency: str,
    language: str,
    *,
    replace: bool,
    dry_run: bool,
) -> None:
    """Saves what documents say as drafts; all of them or none."""
    with plain_findings():
        sources = [read_source(path) for path in files]
    with acting("CreatePromotion", "UpdatePromotion", company=company) as (engine, actor):
        edition = Tills(engine).edition(actor.company_id, currency, language)
        with plain_findings():
            promotions = [promotion for source in sources for promotion in read_documents(source, edition)]
        drafts = [Draft(promotion, new=None if replace else True) for promotion in promotions]
        try:
            saved = Promotions(engine).save(actor, drafts, comment=comment, dry_run=dry_run)
        except DefinitionsRefused as error:
            report(of_engine(error.diagnostics))
            raise typer.Exit(ExitCode.FINDINGS) from error
    report(of_engine(saved.warnings))
    for line in sentences(saved.differences):
        emit(line)
    say(f"{'Would be: ' if dry_run else ''}{len(saved.created)} created, {len(saved.updated)} updated")
