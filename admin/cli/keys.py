"""dealwright keys: what signs the bundles and streams of tills."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from admin.cli.groups import command_group
from admin.cli.output import EXIT_CODES, emit, say
from admin.cli.process import plain_failures, read_settings
from server.distribution import keys
from server.runtime.settings import Settings

group = command_group("keys", "Make and rotate the keys that sign what tills receive.")

RootOption = Annotated[
    Path | None,
    typer.Option("--root", metavar="DIR", help="Where the root key is. Default: beside the online key."),
]


@group.command("create", epilog=EXIT_CODES)
def create(root: RootOption = None) -> None:
    """Make a root key and a first online key, and print the key that tills trust.

    Keep the root key offline: a server needs only DEALWRIGHT_KEYS_DIR without root.key.
    """
    with plain_failures():
        folder = _folder(read_settings())
        keys.create(folder, root or folder, datetime.now(UTC))
        emit(keys.read_root_key(folder).hex())
        say(f"Tills trust this key. Keep {(root or folder) / keys.ROOT} away from servers.")


@group.command("rotate", epilog=EXIT_CODES)
def rotate(
    root: RootOption = None,
    stolen: Annotated[bool, typer.Option("--stolen", help="Trust no earlier key any more.")] = False,
) -> None:
    """Make a new online key. Servers sign with it within seconds; tills hear of it from them."""
    with plain_failures():
        folder = _folder(read_settings())
        keys.rotate(folder, root or folder, datetime.now(UTC), keep=0 if stolen else 1)
        signer = keys.load(folder)
        emit(f"version {signer.key_list_version}: {', '.join(key.key_id for key in signer.keys.listed.keys)}")


@group.command("show", epilog=EXIT_CODES)
def show() -> None:
    """Print the key that tills trust, which is no secret."""
    with plain_failures():
        emit(trusted_here().hex())


def ensured(settings: Settings) -> Path:
    """The folder of the settings; without one, that of the data, where keys are made at the first start."""
    folder = _folder(settings)
    if settings.keys_dir is None and not (folder / keys.LIST).exists():
        keys.create(folder, folder, datetime.now(UTC))
    return folder


def trusted_here() -> bytes:
    """The key that tills of this installation trust."""
    return keys.read_root_key(_folder(read_settings()))


def _folder(settings: Settings) -> Path:
    return settings.keys_dir or settings.data_dir / "keys"
