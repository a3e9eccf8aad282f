"""Passwords: which are good enough, and what is kept of them."""

import threading
import unicodedata
from functools import cache

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from server.runtime.errors import Invalid

LENGTH_MIN = 12
"""In characters. Length makes guessing dear; demands for digits and signs get passwords written down."""

LENGTH_MAX = 128
"""In characters: sentences fit, and nobody makes the server hash megabytes."""

DISTINCT_MIN = 5
"""How many different characters there are at least without the name: `aaaaaaaaaaaa` is no password."""

MEMORY_KIB = 64 * 1024
"""Memory of one hash. It is what a graphics card has too little of to try many at once (RFC 9106)."""

PASSES = 3
"""Over that memory: the second choice that RFC 9106 recommends, for servers that do other work too."""

LANES = 1
"""One, since a lane is a thread, and the processors of this machine price carts."""

HASHES_AT_ONCE = 2
"""A crowd at the door waits, and takes neither the memory nor the processors from pricing."""

_HASHER = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES, type=Type.ID)
_ROOM = threading.BoundedSemaphore(HASHES_AT_ONCE)


def require_good(password: str, name: str) -> None:
    """Refuses a password that is short, endless, or all but given away by the name."""
    plain = _normal(password)
    if not LENGTH_MIN <= len(plain) <= LENGTH_MAX:
        raise Invalid(
            "PASSWORD_LENGTH", f"a password needs {LENGTH_MIN} to {LENGTH_MAX} characters", field="password"
        )
    if len(set(plain.casefold().replace(name.casefold(), ""))) < DISTINCT_MIN:
        raise Invalid(
            "PASSWORD_WEAK",
            f"a password needs {DISTINCT_MIN} different characters besides the user's name",
            field="password",
        )


def hashed(password: str) -> str:
    """What is kept of a password: argon2id with its parameters and a salt of its own."""
    with _ROOM:
        return _HASHER.hash(_bytes(password))


def matches(password: str, kept: str | None) -> bool:
    """Whether it is the password. Where none is kept the same work is done, and the answer is no."""
    nobodys = _nobodys()
    with _ROOM:
        try:
            _HASHER.verify(nobodys if kept is None else kept, _bytes(password))
        except (VerificationError, InvalidHashError):
            return False
    return kept is not None


def outdated(kept: str) -> bool:
    """Whether it was hashed with other parameters than those of now."""
    return _HASHER.check_needs_rehash(kept)


@cache
def _nobodys() -> str:
    return hashed("the password of nobody")


def _bytes(password: str) -> bytes:
    """What is hashed. Half a character, which JSON can say, is no reason to fail."""
    return _normal(password).encode(errors="surrogatepass")


def _normal(password: str) -> str:
    """One writing for what looks the same, whatever keyboard typed it; cut, so that hashing is bounded."""
    return unicodedata.normalize("NFKC", password[: LENGTH_MAX * 4])
