"""dealwright voucher: make, import, export, print, find and disable codes."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from admin.cli.acting import acting
from admin.cli.groups import command_group
from admin.cli.local import CompanyOption
from admin.cli.output import EXIT_CODES, ExitCode, JsonOption, emit, emit_json, say, visible
from server.access.rules import VOUCHER_SERVICE
from server.actors import Actor
from server.documents import to_value
from server.keys.service import Pepper
from server.runtime.settings import Settings
from server.vouchers import messages
from server.vouchers.service import Batch, BatchSpec, Voucher, Vouchers

group = command_group("voucher", "Make, import, export, print, find and disable individual codes.")

BatchArgument = Annotated[int, typer.Argument(metavar="BATCH", help="As `dealwright voucher list` shows it.")]
PromotionArgument = Annotated[str, typer.Argument(metavar="PROMOTION", help="Set off by vouchers.")]
UsesOption = Annotated[int, typer.Option("--max-uses", help="How often each code can be used.")]
StartOption = Annotated[
    datetime | None, typer.Option("--start", formats=["%Y-%m-%dT%H:%M:%S%z"], help="From when they apply.")
]
EndOption = Annotated[
    datetime | None, typer.Option("--end", formats=["%Y-%m-%dT%H:%M:%S%z"], help="Until when, exclusive.")
]
CommentOption = Annotated[str, typer.Option(help="Kept with the batch.")]


class Format(StrEnum):
    """What an export is written as."""

    CSV = "csv"
    XLSX = "xlsx"


@group.command("generate", epilog=EXIT_CODES)
def generate(
    promotion: PromotionArgument,
    quantity: Annotated[int, typer.Argument(help="How many codes, up to 10 000 000.")] = 0,
    prefix: Annotated[str, typer.Option(help="What each code begins with: A to Z and digits.")] = "",
    random_chars: Annotated[
        int | None, typer.Option("--chars", help="Random letters. Default: as many as the quantity needs.")
    ] = None,
    max_uses: UsesOption = 1,
    customers: Annotated[
        typer.FileText | None, typer.Option(help="A file of customer ids, one a line; each gets a code.")
    ] = None,
    start: StartOption = None,
    end: EndOption = None,
    comment: CommentOption = "",
    home_store: Annotated[
        str | None, typer.Option(help="Tills of this store have the codes to themselves, also offline.")
    ] = None,
    risk_cap: Annotated[
        int | None, typer.Option(help="Offline, each till grants so many uses without knowing of others.")
    ] = None,
    company: CompanyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a batch of codes. If this is interrupted, `dealwright voucher resume` or the worker goes on."""
    ids = tuple(filter(None, map(str.strip, customers or ())))
    spec = BatchSpec(
        *(promotion, quantity, prefix, random_chars, max_uses, ids, start, end, comment, home_store, risk_cap)
    )
    with _using("GenerateVouchers", company) as (vouchers, actor):
        _make(vouchers, vouchers.create_batch(actor, spec), as_json=as_json)


@group.command("resume", epilog=EXIT_CODES)
def resume(batch: BatchArgument, company: CompanyOption = None, as_json: JsonOption = False) -> None:
    """Make the codes that a batch doesn't have yet."""
    with _using("GenerateVouchers", company) as (vouchers, actor):
        _make(vouchers, vouchers.batch(actor, batch)[0], as_json=as_json)


@group.command("import", epilog=EXIT_CODES)
def import_codes(
    promotion: PromotionArgument,
    file: Annotated[typer.FileText, typer.Argument(help="CSV: code, customer_id, max_uses, end_time.")],
    partial: Annotated[bool, typer.Option("--partial", help="Import what is right even so.")] = False,
    max_uses: UsesOption = 1,
    start: StartOption = None,
    end: EndOption = None,
    comment: CommentOption = "",
    company: CompanyOption = None,
) -> None:
    """Import codes that were made elsewhere. One wrong line refuses all, without --partial."""
    from server.vouchers.importing import rows_of_csv

    spec = BatchSpec(promotion, max_uses=max_uses, start_time=start, end_time=end, comment=comment)
    with _using("ImportVouchers", company) as (vouchers, actor):
        batch, report = vouchers.import_codes(actor, spec, rows_of_csv(file), partial=partial)
    for error in report.errors:
        say(visible(f"line {error.line}: {error.field}: {error.message} [{error.reason.lower()}]"))
    if report.refused > len(report.errors):
        say(f"and {report.refused - len(report.errors)} more")
    if batch is not None:
        emit(f"batch {batch.id}: {report.imported} codes")
    if report.refused:
        raise typer.Exit(ExitCode.FINDINGS)


@group.command("export", epilog=EXIT_CODES)
def export(
    batch: BatchArgument,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: standard output.")] = None,
    form: Annotated[Format, typer.Option("--format", help="XLSX needs --output.")] = Format.CSV,
    company: CompanyOption = None,
) -> None:
    """Write the codes of a batch in plain letters, as long as it isn't sealed."""
    from server.vouchers.exporting import write_csv, write_xlsx

    if form is Format.XLSX and output is None:
        raise typer.BadParameter("xlsx needs --output")
    with _using("ExportVouchers", company) as (vouchers, actor):
        found, codes = vouchers.export(actor, batch)
        if output is None:
            count = write_csv(found, codes, sys.stdout)
        elif form is Format.XLSX:
            count = write_xlsx(found, codes, output)
        else:
            with output.open("w", newline="", encoding="utf-8") as file:
                count = write_csv(found, codes, file)
    say(f"{count} codes of batch {batch}")


@group.command("qr", epilog=EXIT_CODES)
def qr(
    code: Annotated[str, typer.Argument(help="The code, or a link that has it.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Ends in .svg or .png.")],
) -> None:
    """Draw a code as a QR symbol."""
    from server.vouchers.printing import qr_png, qr_svg

    draw = {".svg": qr_svg, ".png": qr_png}.get(output.suffix)
    if draw is None:
        raise typer.BadParameter("--output ends in .svg or .png")
    output.write_bytes(draw(code))


@group.command("sheet", epilog=EXIT_CODES)
def sheet(
    batch: BatchArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="An HTML page to be printed.")],
    title: Annotated[str, typer.Option(help="On each card. Default: the promotion's id.")] = "",
    link: Annotated[str, typer.Option(help="What symbols say, with {code} in it.")] = "{code}",
    skip: Annotated[int, typer.Option(min=0, help="Leave out so many first ones.")] = 0,
    # Browsers get slow beyond.
    count: Annotated[int, typer.Option(min=1, max=5_000, help="How many cards at most.")] = 500,
    company: CompanyOption = None,
) -> None:
    """Write cards with QR symbols to be printed and cut."""
    from server.vouchers.printing import write_sheet

    with _using("ExportVouchers", company) as (vouchers, actor):
        found, codes = vouchers.export(actor, batch, skip)
        with output.open("w", encoding="utf-8") as file:
            written = write_sheet(title or found.promotion_id, islice(codes, count), file, link)
    say(f"{written} cards")


@group.command("list", epilog=EXIT_CODES)
def list_batches(
    count: Annotated[int, typer.Option(min=1, max=500, help="How many of the newest.")] = 50,
    company: CompanyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List batches, the newest first."""
    with _using("ListBatches", company) as (vouchers, actor):
        for batch in vouchers.batches(actor, count=count):
            _tell(batch, as_json=as_json)


@group.command("show", epilog=EXIT_CODES)
def show(
    code: Annotated[
        str, typer.Argument(help="The whole code, or its last four letters with --customer.")
    ] = "",
    customer: Annotated[str, typer.Option(help="The vouchers of this customer.")] = "",
    batch: Annotated[int | None, typer.Option(help="A batch instead.")] = None,
    company: CompanyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find a voucher, or the vouchers of a customer, or show a batch."""
    with _using("LookUpVouchers", company) as (vouchers, actor):
        if batch is not None:
            _tell(*vouchers.batch(actor, batch), as_json=as_json)
            return
        asked = {"customer_id": customer, "last_four": code} if customer else {"code": code}
        found = vouchers.look_up(actor, **asked)
    for voucher in found:
        if as_json:
            emit_json(to_value(messages.record(voucher)), indent=None)
        else:
            emit(_line(voucher))
    if not found:
        say("No such voucher.")
        raise typer.Exit(ExitCode.FINDINGS)


@group.command("disable", epilog=EXIT_CODES)
def disable(
    code: Annotated[str, typer.Argument(help="The code.")] = "",
    batch: Annotated[int | None, typer.Option(help="All codes of a batch instead.")] = None,
    company: CompanyOption = None,
) -> None:
    """Make a code useless, or all of a batch, for good."""
    if bool(code) == (batch is not None):
        raise typer.BadParameter("give a code or --batch")
    with _using("DisableVoucher", company) as (vouchers, actor):
        if batch is not None:
            emit(f"batch {vouchers.disable_batch(actor, batch).id} is disabled")
        else:
            emit(_line(vouchers.disable_code(actor, code)))


@group.command("seal", epilog=EXIT_CODES)
def seal(batch: BatchArgument, company: CompanyOption = None) -> None:
    """Forget what the codes of a batch could be had again from. They go on working."""
    with _using("SealBatch", company) as (vouchers, actor):
        emit(f"batch {vouchers.seal(actor, batch).id} is sealed")


@group.command("length", epilog=EXIT_CODES)
def length(
    live: Annotated[int, typer.Argument(help="How many codes are in force at once.")],
    years: Annotated[int, typer.Option(min=1, help="For how long nobody is to find one.")] = 1,
    chance_ppm: Annotated[int, typer.Option(min=1, help="With which chance, in parts per million.")] = 100,
) -> None:
    """Say how many random letters codes need, so that nobody finds one by guessing."""
    from datetime import timedelta

    from server.vouchers.resistance import CHARS_MIN, Resistance, needed
    from server.vouchers.throttling import LOCKOUTS, Kind

    guesses = LOCKOUTS[Kind.COMPANY].most(timedelta(days=365 * years))
    enough = needed(live, guesses, chance_ppm)
    emit(f"at most {guesses} guesses in {365 * years} days reach {live} codes in force")
    for chars in range(CHARS_MIN, enough.chars + 2):
        chance = min(Resistance(chars, live, guesses).chance_ppb, 10**9)
        mark = "  enough" if chars == enough.chars else ""
        emit(f"{chars:>3} letters: any hit with a chance of {min(chance, 10**9)} in 10^9 at most{mark}")


@contextmanager
def _using(method: str, company: str | None) -> Iterator[tuple[Vouchers, Actor]]:
    """The use cases, and who acts, if they may call a method of VoucherService."""
    with acting(method, company=company, service=VOUCHER_SERVICE) as (engine, actor):
        yield Vouchers(engine, Pepper(Settings.from_environment(), engine)), actor


def _make(vouchers: Vouchers, batch: Batch, *, as_json: bool) -> None:
    for made in vouchers.make(batch.company_id, batch.id):
        batch = made
        if as_json:
            emit_json(to_value(messages.batch(batch)), indent=None)
        else:
            say(f"{batch.made} of {batch.quantity}")
    if not as_json:
        emit(f"batch {batch.id}: {batch.made} codes; get them with `dealwright voucher export {batch.id}`")


def _tell(batch: Batch, used: int | None = None, at_risk: int | None = None, *, as_json: bool) -> None:
    if as_json:
        emit_json(to_value(messages.batch(batch, used, at_risk)), indent=None)
        return
    parts = [f"{batch.id:>6}", batch.promotion_id, f"{batch.made} of {batch.quantity} {batch.origin}"]
    if batch.prefix:
        parts.append(batch.prefix)
    if used is not None:
        parts.append(f"{used} used")
    if batch.home_store_id is not None:
        parts.append(f"offline in {batch.home_store_id}")
    if batch.risk_cap is not None:
        parts.append(f"offline up to {batch.risk_cap} a till")
    if at_risk is not None:
        parts.append(f"{at_risk} uses at risk")
    if batch.disable_time:
        parts.append("disabled")
    elif batch.salt is None and batch.origin == "generated":
        parts.append("sealed")
    emit(visible("  ".join(parts)))


def _line(voucher: Voucher) -> str:
    parts = [f"...{voucher.last_four}", voucher.promotion_id, f"used {voucher.used} of {voucher.max_uses}"]
    if voucher.customer_id:
        parts.append(f"for {voucher.customer_id}")
    for word, moment in (("from", voucher.start_time), ("until", voucher.end_time)):
        if moment:
            parts.append(f"{word} {moment.isoformat(timespec='minutes')}")
    if voucher.disabled:
        parts.append("disabled")
    return visible("  ".join([*parts, f"batch {voucher.batch_id}"]))
