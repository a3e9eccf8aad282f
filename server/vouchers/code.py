"""What a code is: its letters, its check symbols, how it is read when it is typed, and what is kept of it.

    PREFIX-RANDOM-CC        SPRING-K7RM2QX9TB4H-8F; without a prefix K7RM2QX9TB4H-8F

The first check symbol makes the letters a code word over GF(32): every single wrong letter and every swap of
neighbours is found, without any secret. The second is keyed, so that who doesn't have the key finds it for
one guess in 32. A code that fails either was never made here.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from dealwright import codes
from dealwright.codes import ID_BYTES, LAST_CHARS, last_four, skeleton, skeleton_of_made

if TYPE_CHECKING:
    from server.keys.service import Pepper

__all__ = [
    "ALPHABET",
    "CHECK_CHARS",
    "CODE_CHARS_MAX",
    "ID_BYTES",
    "LAST_CHARS",
    "Codes",
    "last_four",
    "random_letters",
    "skeleton",
    "skeleton_of_made",
]

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Digits and letters without 0, O, 1 and I: 32 of them, so that each is worth 5 bits."""

CHECK_CHARS = 2
CODE_CHARS_MAX = 64
"""Longest code, without spaces and dashes."""

_LETTER_OF_BYTE = bytes(ord(ALPHABET[byte % 32]) for byte in range(256))
_VALUE_OF = {letter: value for value, letter in enumerate(ALPHABET.lower())}
_TIMES_ALPHA = tuple((value << 1) ^ (0b100101 if value & 16 else 0) for value in range(32))
"""Multiplication by the generator of GF(32), modulo x^5 + x^2 + 1."""


def random_letters(random: bytes, count: int) -> str:
    """The first letters that random bytes stand for, all equally likely."""
    return random[:count].translate(_LETTER_OF_BYTE).decode("ascii")


class Codes:
    """The codes of one company."""

    def __init__(self, pepper: Pepper, company_id: str) -> None:
        self._check_key = hmac.digest(pepper.key("voucher check"), company_id.encode(), "sha256")
        self._till_key = hmac.digest(pepper.key("voucher till"), company_id.encode(), "sha256")
        self._id_key = hmac.digest(pepper.key("voucher id"), company_id.encode(), "sha256")

    def complete(self, prefix: str, random: str) -> str:
        """A code of a prefix and random letters, with its check symbols."""
        check = self._check(skeleton_of_made(prefix + random))
        return "-".join(filter(None, (prefix, random, check)))

    def is_made(self, letters: str) -> bool:
        """Whether a skeleton could be that of a code made here."""
        body, check = letters[:-CHECK_CHARS], letters[-CHECK_CHARS:].upper()
        if not body or not _VALUE_OF.keys() >= set(body):
            return False
        return hmac.compare_digest(self._check(body).encode(), check.encode())

    def voucher_id(self, letters: str) -> bytes:
        """What is kept of a skeleton in its place."""
        return hmac.digest(self._id_key, letters.encode(), "sha256")[:ID_BYTES]

    def masked(self, letters: str) -> str:
        """What is shown and kept in place of a code: its voucher's id and its end, which nobody can use."""
        return codes.masked(self.voucher_id(letters), letters)

    def till_key(self, batch_id: int) -> bytes:
        """The key by which tills recognise the codes of a batch."""
        return hmac.digest(self._till_key, str(batch_id).encode(), "sha256")

    def _check(self, body: str) -> str:
        remainder = 0
        for letter in body:
            remainder = _TIMES_ALPHA[remainder] ^ _VALUE_OF[letter]
        open_check = ALPHABET[_TIMES_ALPHA[remainder]]
        keyed = hmac.digest(self._check_key, f"{body}{open_check}".encode(), "sha256")[0]
        return open_check + ALPHABET[keyed % 32]
