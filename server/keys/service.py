"""The pepper: one secret of an installation that lies outside of its database.

Every key is derived from it by its purpose, so that one secret is to be kept, and a copy of the database
alone opens nothing. Without it no voucher can be recognised again: it belongs into the backup, apart from the
database.
"""

import hmac
import os
import secrets
import tempfile
from functools import cached_property
from pathlib import Path

from sqlalchemy import Engine

from server.db.engine import plain_errors
from server.keys import store
from server.runtime.errors import Refusal
from server.runtime.settings import Settings

PEPPER_BYTES = 32
KEEP_IT = "bring it from the machine that made it, as DEALWRIGHT_PEPPER_FILE or DEALWRIGHT_PEPPER"


class Pepper:
    """The pepper of an installation. It is read when the first key is needed."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self._settings = settings
        self._engine = engine

    def key(self, purpose: str) -> bytes:
        """The key for a purpose, 32 bytes."""
        return _derived(self._secret, purpose)

    @cached_property
    def _secret(self) -> bytes:
        with plain_errors(self._engine), self._engine.begin() as connection:
            known = store.mark(connection)
            secret = self._given() or self._kept(may_make=known is None)
            mark = _derived(secret, "mark")
            if known is None:
                store.keep_mark(connection, mark)
                known = store.mark(connection)
        if known is None or not hmac.compare_digest(known, mark):
            raise Refusal(
                "PEPPER_DIFFERS", f"the pepper is another than this database was used with; {KEEP_IT}"
            )
        return secret

    def _given(self) -> bytes | None:
        given = self._settings.pepper
        return None if given is None else bytes.fromhex(given)

    def _kept(self, *, may_make: bool) -> bytes:
        file = self._settings.pepper_file or self._settings.data_dir / "pepper"
        if not file.exists():
            if not may_make:
                raise Refusal(
                    "PEPPER_MISSING", f"{file} isn't there, but this database needs its pepper; {KEEP_IT}"
                )
            _make(file)
        try:
            secret = bytes.fromhex(file.read_text(encoding="ascii").strip())
        except (OSError, ValueError) as error:
            raise Refusal("PEPPER_UNREADABLE", f"{file} can't be read as hexadecimal digits") from error
        if len(secret) < PEPPER_BYTES:
            raise Refusal("PEPPER_UNREADABLE", f"{file} has fewer than {2 * PEPPER_BYTES} hexadecimal digits")
        return secret


def _make(file: Path) -> None:
    """Makes a pepper that only this user can read. Of several processes that do so at once, one does."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # mkstemp makes it readable for its owner alone.
        handle, name = tempfile.mkstemp(prefix="pepper-", dir=file.parent)
        try:
            with os.fdopen(handle, "w", encoding="ascii") as unfinished:
                unfinished.write(secrets.token_hex(PEPPER_BYTES) + "\n")
                unfinished.flush()
                os.fsync(unfinished.fileno())
            Path(file).hardlink_to(name)
        except FileExistsError:
            return
        finally:
            Path(name).unlink()
    except OSError as error:
        raise Refusal("PEPPER_UNWRITABLE", f"{file} can't be written: {error.strerror}") from error


def _derived(secret: bytes, purpose: str) -> bytes:
    return hmac.digest(secret, f"dealwright/{purpose}".encode(), "sha256")
