"""dealwright promotions: write, review, publish and look back; the use cases are DefinitionService's."""

from typing import Annotated

import typer

from admin.cli import promotions_analyse, promotions_cost, promotions_files, promotions_moves
from admin.cli.acting import acting
from admin.cli.groups import command_group
from admin.cli.local import CompanyOption
from admin.cli.output import EXIT_CODES, JsonOption, emit, emit_json
from admin.cli.validate import validate
from server.definitions import messages
from server.definitions.conflicts import said
from server.definitions.lifecycle import Review, State, words
from server.definitions.promotions import Filter, Promotions, Record
from server.documents import to_value, to_yaml

group = command_group("promotions", "Write, review, publish and look back.")

IdArgument = Annotated[str, typer.Argument(metavar="ID")]


@group.command("list", epilog=EXIT_CODES)
def list_promotions(
    state: Annotated[list[State] | None, typer.Option(help="Only in this state. May be repeated.")] = None,
    review: Annotated[
        list[Review] | None, typer.Option(help="Only where the newest version stands there. May be repeated.")
    ] = None,
    rule: Annotated[
        list[str] | None,
        typer.Option("--type", metavar="TYPE", help="Only of this type, such as combo. May be repeated."),
    ] = None,
    search: Annotated[str, typer.Option(help="Only with all of these words, or words that begin so.")] = "",
    company: CompanyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List promotions in their newest versions, by id."""
    wanted = Filter(state or (), review or (), rule or (), search)
    with acting("ListPromotions", company=company) as (engine, actor):
        for record in Promotions(engine).all(actor, wanted):
            if as_json:
                emit_json(to_value(messages.record(record)), indent=None)
            else:
                emit(_line(record))


@group.command("show", epilog=EXIT_CODES)
def show(
    promotion_id: IdArgument,
    version: Annotated[int | None, typer.Option(help="Which version. Default: the newest.")] = None,
    company: CompanyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a promotion as YAML, with where it stands."""
    with acting("GetPromotion", company=company) as (engine, actor):
        record = Promotions(engine).get(actor, promotion_id, version)
    message = messages.record(record)
    if as_json:
        emit_json(to_value(message))
        return
    when = record.version.create_time.isoformat(timespec="seconds")
    emit(f"# {_standing(record)}; version {record.version.version} by {record.version.author} at {when}")
    if record.version.comment:
        emit(f"# {' '.join(record.version.comment.split())}")
    emit(to_yaml(message.promotion).rstrip("\n"))


@group.command("history", epilog=EXIT_CODES)
def history(
    promotion_id: IdArgument,
    count: Annotated[int, typer.Option(min=1, help="How many of the newest entries.")] = 50,
    company: CompanyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what was done with a promotion, by whom and when, oldest first."""
    with acting("ListHistory", company=company) as (engine, actor):
        entries = Promotions(engine).history(actor, promotion_id, count=count)
    for entry in entries:
        if as_json:
            emit_json(to_value(messages.history_entry(entry)), indent=None)
            continue
        revision = f", revision {entry.revision}" if entry.revision else ""
        comment = f": {entry.comment}" if entry.comment else ""
        emit(f"{entry.time.isoformat(timespec='seconds')} {said(entry)}{revision}{comment}")


def _line(record: Record) -> str:
    names = record.version.definition.get("name") or [{}]
    return f"{record.head.promotion_id:<32} {_standing(record):<28} {names[0].get('text', '')}".rstrip()


def _standing(record: Record) -> str:
    """The state, and beside it where a newer version stands."""
    head = record.head
    state = words(head.state)
    if head.published_version is None or head.review is Review.PUBLISHED:
        return state
    return f"{state}, version {head.version} {words(head.review)}"


group.command("validate", epilog=EXIT_CODES)(validate)
promotions_files.register(group)
promotions_moves.register(group)
promotions_analyse.register(group)
promotions_cost.register(group)
