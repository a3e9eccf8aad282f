"""Promotions between files and the database: create, import, apply, diff, export."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.test_cart_pb2 import TestCart

from admin.cli import promotions_pos
from admin.cli.acting import acting
from admin.cli.findings import of_definitions, plain_findings, report
from admin.cli.local import CompanyOption
from admin.cli.outcomes import of_everything, saved_carts
from admin.cli.output import EXIT_CODES, ExitCode, emit, say
from server.access.rules import CHECK_SERVICE
from server.definitions import messages
from server.definitions.checking import Checks
from server.definitions.checks.gate import read_cart
from server.definitions.checks.saving import CartDraft
from server.definitions.differences import sentences
from server.definitions.drafts import Draft
from server.definitions.lifecycle import State
from server.definitions.promotions import Applied, Filter, Promotions
from server.definitions.service import Definitions, DefinitionsRefused
from server.definitions.tills import Reader
from server.documents import Definitions as Documents
from server.documents import read_definitions, to_yaml

LIST_TEST_CARTS = f"{CHECK_SERVICE}/ListTestCarts"
CHANGE_TEST_CARTS = tuple(f"{CHECK_SERVICE}/{verb}TestCart" for verb in ("Create", "Update", "Delete"))
"""What callers have to be allowed where there are test carts among the files; the last for pruning."""

FilesArgument = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="Files or folders; - is standard input.")
]
CommentOption = Annotated[str, typer.Option(help="Why; kept with the versions.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")]


class Form(StrEnum):
    """How promotions are written in files."""

    YAML = "yaml"
    POS = "pos"


FormOption = Annotated[Form, typer.Option("--format", help="yaml, or pos for POS documents.")]


def register(group: typer.Typer) -> None:
    """Adds the commands to a group."""
    for name, command in (
        ("create", create),
        ("import", import_files),
        ("apply", apply),
        ("diff", diff),
        ("export", export),
    ):
        group.command(name, epilog=EXIT_CODES)(command)


def create(
    files: FilesArgument,
    comment: CommentOption = "",
    dry_run: DryRunOption = False,
    company: CompanyOption = None,
) -> None:
    """Save new promotions as drafts, and new test carts. Each id has to be new; all are saved or none."""
    _save(files, comment, company, new=True, dry_run=dry_run)


def import_files(
    files: FilesArgument,
    replace: Annotated[
        bool, typer.Option("--replace", help="Make new versions of those that are there already.")
    ] = False,
    form: FormOption = Form.YAML,
    currency: Annotated[
        str, typer.Option(help="With --format pos: of the amounts. Default: the one that the stores sell in.")
    ] = "",
    language: Annotated[str, typer.Option(help="With --format pos: of the texts.")] = "en",
    comment: CommentOption = "",
    dry_run: DryRunOption = False,
    company: CompanyOption = None,
) -> None:
    """Take in what another company or an earlier day exported, as drafts; all or nothing.

    `--format pos` reads POS documents (docs/pos.md), and refuses those of which a part has no meaning here.
    """
    new = None if replace else True
    if form is Form.POS:
        promotions_pos.import_documents(
            files, comment, company, currency, language, replace=replace, dry_run=dry_run
        )
        return
    _save(files, comment, company, new=new, dry_run=dry_run)


def apply(
    files: FilesArgument,
    prune: Annotated[
        bool,
        typer.Option(
            "--prune",
            help="The files are all that there is: archive every other promotion and, where there are"
            " test carts among them, delete every other test cart.",
        ),
    ] = False,
    comment: CommentOption = "",
    dry_run: DryRunOption = False,
    company: CompanyOption = None,
) -> None:
    """Make drafts of what the files say: new promotions, and new versions of those that differ.

    Test carts are saved with them, all or nothing. What says the same stays as it is, in every state. Nothing
    is published.
    """
    with plain_findings():
        found = _read(files)
    carts = found.carts
    with (
        acting(*_methods(found, prune=prune), company=company) as (engine, actor),
        _placed(found),
    ):
        applied = Promotions(engine).apply(
            actor, found.promotions, carts, prune=prune, comment=comment, dry_run=dry_run
        )
    _tell(applied, found, dry_run=dry_run)


def diff(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE...", help="Compared with the newest versions.")
    ] = None,
    older: Annotated[
        int | None, typer.Option("--from", metavar="REVISION", help="Compare this revision instead of files.")
    ] = None,
    newer: Annotated[
        int | None, typer.Option("--to", metavar="REVISION", help="With this one. Default: the last.")
    ] = None,
    company: CompanyOption = None,
) -> None:
    """Say in words what differs: between the newest versions and files, or between two revisions."""
    if (older is None) == (not files):
        raise typer.BadParameter("give files, or --from REVISION")
    if older is not None:
        with acting("Diff", company=company) as (engine, actor):
            found = Definitions(engine).differences(actor.company_id, older, newer)
        lines = sentences(found)
    else:
        with plain_findings():
            documents = _read(files or [])
        with acting("Diff", company=company) as (engine, actor), _placed(documents):
            applied = Promotions(engine).apply(actor, documents.promotions, documents.carts, dry_run=True)
        lines = [*sentences(applied.saved.differences), *saved_carts(applied.test_carts)]
    for line in lines:
        emit(line)
    if not lines:
        say("Nothing differs.")


def export(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID...", help="Which. Default: all that aren't archived.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A file for each, instead of standard output.")
    ] = None,
    revision: Annotated[
        int | None, typer.Option(help="What was in force at this revision. Default: the newest versions.")
    ] = None,
    form: FormOption = Form.YAML,
    store: Annotated[
        str | None, typer.Option(metavar="ID", help="With --format pos: the store that they are for.")
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="With --format pos: only documents without extensions.")
    ] = False,
    currency: Annotated[
        str, typer.Option(help="With --format pos: where a company without stores sells in several.")
    ] = "",
    company: CompanyOption = None,
) -> None:
    """Write promotions, and test carts, as YAML that apply and publish read back to the same.

    Test carts are written where neither promotions nor a revision are named; with --to, into a folder
    test-carts.

    `--format pos` writes what is in force in a store as POS documents (docs/pos.md); a company that keeps
    no stores may give any. Standard error says which promotions no document can say, and why.
    """
    if form is Form.POS:
        if to is not None or revision is not None or store is None:
            raise typer.BadParameter("--format pos needs --store, and has neither --to nor --revision")
        reader = Reader(frozenset() if plain else None, currency)
        promotions_pos.export_documents(store, ids, company, reader)
        return
    carts: list[TestCart] = []
    with acting("ListPromotions", LIST_TEST_CARTS, company=company) as (engine, actor):
        if revision is not None:
            published = Definitions(engine).ruleset(actor.company_id, revision).promotions
            found = [promotion for promotion in published if not ids or promotion.id in ids]
        elif ids:
            found = [messages.record(Promotions(engine).get(actor, key)).promotion for key in ids]
        else:
            kept = Filter([state for state in State if state is not State.ARCHIVED])
            found = [messages.record(record).promotion for record in Promotions(engine).all(actor, kept)]
            carts = [read_cart(stored) for stored in Checks(engine).page(actor)]
    _write(found, carts, to)


def _write(promotions: list[Promotion], carts: list[TestCart], to: Path | None) -> None:
    if to is None:
        emit(to_yaml([*promotions, *carts]).rstrip("\n"))
        return
    write_files(promotions, to)
    if carts:
        write_files(carts, to / "test-carts")
    say(f"{len(promotions)} promotions{f' and {len(carts)} test carts' if carts else ''} in {to}")


def write_files(found: Sequence[Promotion] | Sequence[TestCart], to: Path) -> None:
    """A file for each, named after its id."""
    to.mkdir(parents=True, exist_ok=True)
    for each in found:
        (to / f"{each.id}.yaml").write_text(to_yaml(each))


def _save(files: list[Path], comment: str, company: str | None, *, new: bool | None, dry_run: bool) -> None:
    with plain_findings():
        found = _read(files)
    drafts = [Draft(promotion, new=new) for promotion in found.promotions]
    carts = [CartDraft(cart, new=new) for cart in found.carts]
    with acting(*_methods(found), company=company) as (engine, actor), _placed(found):
        applied = Promotions(engine).take_in(actor, drafts, carts, comment=comment, dry_run=dry_run)
    _tell(applied, found, dry_run=dry_run)


def _read(files: list[Path]) -> Documents:
    found = read_definitions(files)
    if found.settings is not None:
        say("The settings in the files are left alone; `dealwright publish` publishes them.")
    return found


def _methods(found: Documents, *, prune: bool = False) -> list[str]:
    """What a caller has to be allowed to take all of it in."""
    methods = ["CreatePromotion", "UpdatePromotion", *(["ArchivePromotions"] if prune else [])]
    if found.test_carts:
        methods += CHANGE_TEST_CARTS[: 3 if prune else 2]
    return methods


@contextmanager
def _placed(found: Documents) -> Iterator[None]:
    """Tells why promotions are refused, each at its place in the files."""
    try:
        yield
    except DefinitionsRefused as error:
        report(of_everything(error.diagnostics, found))
        raise typer.Exit(ExitCode.FINDINGS) from error


def _tell(applied: Applied, found: Documents, *, dry_run: bool) -> None:
    saved = applied.saved
    report(of_definitions(saved.warnings, found))
    for line in sentences(saved.differences):
        emit(line)
    for key in applied.archived:
        emit(f"promotion {key} is archived")
    for line in saved_carts(applied.test_carts):
        emit(line)
    counts = [
        f"{len(saved.created)} created",
        f"{len(saved.updated)} updated",
        f"{len(saved.unchanged)} unchanged",
        *([f"{len(applied.archived)} archived"] if applied.archived else []),
    ]
    say(f"{'Would be: ' if dry_run else ''}{', '.join(counts)}")
