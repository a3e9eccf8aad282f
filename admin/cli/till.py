"""dealwright till: a till on the terminal, which goes on selling when the network is gone."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from admin.cli.demo_company import CARTS
from admin.cli.findings import plain_findings
from admin.cli.output import ExitCode, emit, say, visible

if TYPE_CHECKING:
    from admin.cli.till_desk import Desk


def till(
    folder: Annotated[
        Path, typer.Option("--folder", metavar="DIR", help="Where the till keeps its bundle and its journal.")
    ] = Path(".dealwright/till"),
    device: Annotated[str, typer.Option("--device", metavar="ID", help="The name of the till.")] = "till-1",
    root_key: Annotated[
        Path | None,
        typer.Option("--root-key", metavar="FILE", help="The public root key, 64 hexadecimal digits."),
    ] = None,
    server: Annotated[
        str,
        typer.Option("--server", metavar="HOST:PORT", help="The service. Default: stay offline."),
    ] = "",
    tls_ca: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The authorities to believe, as PEM. Default: those that the machine trusts."
        ),
    ] = None,
    tls_certificate: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The till's own certificate, for servers that ask for one."),
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="The key of that certificate.")] = None,
    plaintext: Annotated[
        bool, typer.Option("--plaintext", help="Call other machines without TLS, as behind a proxy.")
    ] = False,
    store: Annotated[str, typer.Option("--store", metavar="ID", help="The store that sells.")] = "",
    every_store: Annotated[
        bool, typer.Option("--every-store", help="The token is for every store, not for --store alone.")
    ] = False,
    carts: Annotated[
        Path, typer.Option("--carts", metavar="DIR", help="Carts that show what there is to scan.")
    ] = CARTS,
    language: Annotated[str, typer.Option("--language", "-l", help="Language of the texts.")] = "en",
    script: Annotated[
        Path | None,
        typer.Option("--script", metavar="FILE", help="Read commands from a file, or from -."),
    ] = None,
) -> None:
    """Scan, sell, pull the network, go on selling, and bring the journal back. The token is DEALWRIGHT_TOKEN.

    With --script it ends with 1 at the first command that fails.
    """
    from dealwright import DealwrightError, Till
    from dealwright.connection import tls
    from dealwright.v1.cart_pb2 import Cart

    from admin.cli.till_desk import Desk, products
    from server.documents import read_cart

    with plain_findings():
        shown = [read_cart(path).request.cart for path in sorted(carts.glob("*.yaml"))]
    if not shown:
        raise typer.BadParameter(f"there are no carts in {carts}", param_hint="--carts")
    currency = shown[0].currency_code
    begin = Cart(id=device, currency_code=currency, store_id=store, channel="take_away")
    stores = (store,) if store and not every_store else ()
    own_tls = any(path is not None for path in (tls_ca, tls_certificate, tls_key))
    try:
        with Till(
            folder,
            device,
            _root_key(root_key),
            server,
            token=os.environ.get("DEALWRIGHT_TOKEN", ""),
            store_ids=stores,
            plaintext=plaintext or None,
            credentials=tls(tls_ca, tls_certificate, tls_key) if own_tls else None,
        ) as opened:
            desk = Desk(opened, products(shown), begin, language)
            if script is not None:
                _run(desk, script)
            else:
                _talk(desk)
    except DealwrightError as error:
        say(visible(str(error)))
        raise typer.Exit(ExitCode.FAILED) from error


def _root_key(path: Path | None) -> bytes:
    if path is None:
        raise typer.BadParameter("give the public root key of the installation", param_hint="--root-key")
    try:
        key = bytes.fromhex(path.read_text().strip())
    except (OSError, ValueError):
        key = b""
    if len(key) != 32:
        raise typer.BadParameter(f"{path} has no key of 64 hexadecimal digits", param_hint="--root-key")
    return key


def _run(desk: Desk, script: Path) -> None:
    """Carries out each line of a script, and stops at the first that fails."""
    from dealwright import DealwrightError

    from admin.cli.till_desk import NotUnderstood

    for number, line in enumerate(_lines(script), start=1):
        if not line:
            continue
        try:
            emit(desk.do(line))
        except (NotUnderstood, DealwrightError) as error:
            say(visible(f"{script}:{number}: {error}"))
            raise typer.Exit(ExitCode.FINDINGS) from error
        if desk.over:
            return


def _lines(script: Path) -> Iterator[str]:
    """The commands of a script; empty lines and comments stand for nothing."""
    source = sys.stdin if str(script) == "-" else script.open(encoding="utf-8")
    with source as lines:
        for line in lines:
            yield line.partition("#")[0].strip()


def _talk(desk: Desk) -> None:
    """Talks with a cashier until they leave."""
    from dealwright import DealwrightError
    from rich.console import Console
    from rich.markup import escape
    from rich.panel import Panel
    from rich.text import Text

    from admin.cli.till_desk import HELP, NotUnderstood

    console = Console(highlight=False)
    # A screen that can't be drawn on gets line after line.
    drawing = console.is_terminal and not console.is_dumb_terminal
    said = HELP
    while not desk.over:
        if drawing:
            console.clear()
        console.print(Panel(Text.from_ansi(said)) if drawing else Text.from_ansi(said))
        console.print(f"[dim]{escape(desk.status())}[/dim]")
        try:
            line = console.input("> ").strip()
        except (EOFError, KeyboardInterrupt):
            return
        if not line:
            continue
        try:
            said = desk.do(line)
        except (NotUnderstood, DealwrightError) as error:
            said = visible(str(error))
    console.print(said)
