"""The signing keys as files: a root key, which belongs offline, and online keys that it has listed.

A folder of a server has `online.key` and `keys.list`; the root key is needed only to make the next list.
"""

from __future__ import annotations

import secrets
import stat
from datetime import datetime
from pathlib import Path

import dealwright_engine
from dealwright.rule_stream.trust import Keys, Untrusted
from dealwright.v1.bundle_pb2 import KeyList, Signed, SigningKey
from google.protobuf.message import DecodeError

from server.distribution.signer import Signer, sign
from server.runtime.settings import SettingsError

ROOT, ONLINE, LIST, ROOT_PUBLIC = "root.key", "online.key", "keys.list", "root.pub"

SECRET_BYTES = 32

LISTED_MAX = 8
"""How many keys a list names at most."""


class KeysUnusable(SettingsError):
    """Keys that can't be used; the text names the file and what to do."""


def create(folder: Path, root_folder: Path, now: datetime) -> None:
    """Makes a root key and a first online key; refuses where there is one."""
    for path in (root_folder / ROOT, folder / ONLINE, folder / LIST):
        if path.exists():
            raise KeysUnusable(f"{path} exists; it is never overwritten")
    for each in (folder, root_folder):
        each.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_secret(root_folder / ROOT, secrets.token_bytes(SECRET_BYTES))
    root_public = dealwright_engine.public_key(_secret(root_folder / ROOT))
    (folder / ROOT_PUBLIC).write_text(root_public.hex() + "\n")
    _renew(folder, root_folder, (), now)


def rotate(folder: Path, root_folder: Path, now: datetime, *, keep: int = 1) -> None:
    """Makes a new online key and a list that names it before the newest of those that there were.

    `keep` says how many of these stay valid, for what they have signed already; 0 when one was stolen.
    """
    listed = load(folder).keys.listed.keys
    _renew(folder, root_folder, tuple(listed)[: min(keep, LISTED_MAX - 1)], now)


def load(folder: Path) -> Signer:
    """The online key and its list."""
    root_public = read_root_key(folder)
    try:
        signed = Signed.FromString((folder / LIST).read_bytes())
        keys = Keys.none(root_public).renewed(signed)
    except FileNotFoundError as error:
        raise KeysUnusable(f"{folder / LIST} is missing; make keys with `dealwright keys create`") from error
    except (DecodeError, Untrusted) as error:
        raise KeysUnusable(f"{folder / LIST} isn't signed by the root key of {ROOT_PUBLIC}") from error
    secret = _secret(folder / ONLINE)
    if not keys.knows(dealwright_engine.key_id(dealwright_engine.public_key(secret))):
        raise KeysUnusable(f"{folder / ONLINE} isn't in {LIST}; run `dealwright keys rotate`")
    return Signer(secret, keys)


def read_root_key(folder: Path) -> bytes:
    """The public half of the root key, which tills trust."""
    path = folder / ROOT_PUBLIC
    try:
        return parse_key(path.read_text(), str(path))
    except FileNotFoundError as error:
        raise KeysUnusable(f"{path} is missing; make keys with `dealwright keys create`") from error


def parse_key(text: str, name: str) -> bytes:
    """A key as it is written down."""
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != SECRET_BYTES:
        raise KeysUnusable(f"{name} is no key of 64 hexadecimal digits")
    return key


def _renew(folder: Path, root_folder: Path, kept: tuple[SigningKey, ...], now: datetime) -> None:
    """A new online key, and the list with it and those that are kept. The list is written first: the key is
    of no use without it."""
    root = _secret(root_folder / ROOT)
    if dealwright_engine.public_key(root) != read_root_key(folder):
        raise KeysUnusable(f"{root_folder / ROOT} isn't the root key of {folder / ROOT_PUBLIC}")
    secret = secrets.token_bytes(SECRET_BYTES)
    public = dealwright_engine.public_key(secret)
    version = load(folder).key_list_version + 1 if (folder / LIST).exists() else 1
    newest = SigningKey(key_id=dealwright_engine.key_id(public), public_key=public)
    listed = KeyList(version=version, keys=(newest, *kept))
    listed.issue_time.FromDatetime(now)
    _replace(folder / LIST, sign(root, listed).SerializeToString(), 0o644)
    _replace(folder / ONLINE, secret.hex().encode() + b"\n", 0o600)


def _secret(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        text = path.read_text()
    except FileNotFoundError as error:
        raise KeysUnusable(f"{path} is missing") from error
    # A group may: that is how orchestrators let a process that isn't root read what they mount.
    if stat.S_IMODE(mode) & stat.S_IRWXO:
        raise KeysUnusable(f"{path} can be read by others; run `chmod 600 {path}`")
    return parse_key(text, str(path))


def _write_secret(path: Path, secret: bytes) -> None:
    _replace(path, secret.hex().encode() + b"\n", 0o600)


def _replace(path: Path, data: bytes, mode: int) -> None:
    """Puts a file into place whole, and never readable by more than it should be."""
    temporary = path.with_name(path.name + ".new")
    temporary.touch(mode=mode)
    temporary.chmod(mode)
    temporary.write_bytes(data)
    temporary.replace(path)
