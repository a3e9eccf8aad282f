"""dealwright bundle: what tills have, as a file for USB sticks and CDNs."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from admin.cli.groups import command_group
from admin.cli.keys import ensured, trusted_here
from admin.cli.local import CompanyOption, local_database, only_company
from admin.cli.output import EXIT_CODES, ExitCode, JsonOption, emit, emit_json, say, visible
from admin.cli.process import plain_failures, read_settings
from server.definitions.service import Definitions
from server.distribution import keys
from server.distribution.files import Files
from server.distribution.key_folder import KeyFolder
from server.distribution.log import Scope
from server.runtime.errors import NotReady

group = command_group("bundle", "Write and check the signed files that tills price with.")

StoreOption = Annotated[
    list[str] | None,
    typer.Option("--store", metavar="ID", help="For this store. May be repeated. Default: for all of them."),
]


@group.command("export", epilog=EXIT_CODES)
def export(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it.")],
    store: StoreOption = None,
    company: CompanyOption = None,
) -> None:
    """Write what is in force now as one signed file."""
    with plain_failures(), local_database() as engine:
        files = Files(engine, Definitions(engine), KeyFolder(ensured(read_settings())))
        company_id = company or only_company(engine)
        try:
            data = files.get(company_id, Scope.of(store or ())).data or b""
        except NotReady as error:
            say(visible(f"nothing is published for {company_id}"))
            raise typer.Exit(ExitCode.FINDINGS) from error
    try:
        _write(path, data)
    except OSError as error:
        raise _failed(f"{path} can't be written: {error.strerror}") from error
    say(f"{path}: {len(data)} bytes")


@group.command("verify", epilog=EXIT_CODES)
def verify(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The bundle.")],
    root_key: Annotated[
        str | None,
        typer.Option(metavar="HEX", help="What tills trust. Default: the key of this machine."),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a file as a till does, and say what it is."""
    from dealwright.rule_stream import Refused, open_bundle, scope_id
    from dealwright.v1.rule_stream_service_pb2 import NackReason

    with plain_failures():
        trusted = keys.parse_key(root_key, "--root-key") if root_key else trusted_here()
        scope = scope_id(store) if store else None
        try:
            manifest, _ = open_bundle(_read(path), trusted, time.time(), scope_id=scope)
        except Refused as refused:
            reason = NackReason.Name(refused.reason).removeprefix("NACK_REASON_")
            say(f"{path} is refused: {reason}: {refused.detail}")
            raise typer.Exit(ExitCode.FINDINGS) from refused
    told = {
        "company": manifest.company_id,
        "scope": manifest.scope_id,
        "epoch": manifest.epoch,
        "revision": manifest.revision,
        "promotions": manifest.promotion_count,
        "root": manifest.root.hex(),
        "issued": _time(manifest.issue_time.seconds),
        "expires": _time(manifest.expire_time.seconds),
    }
    if as_json:
        emit_json(told)
        return
    for name, value in told.items():
        emit(f"{name:12}{value}")


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all: a stick may be pulled out."""
    temporary = path.with_name(path.name + ".new")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _failed(f"{path} can't be read: {error.strerror}") from error


def _failed(sentence: str) -> typer.Exit:
    say(visible(sentence))
    return typer.Exit(ExitCode.FAILED)


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
