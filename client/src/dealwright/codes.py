"""Codes of vouchers as they are read, and as they are kept, where nobody can use a voucher."""

from __future__ import annotations

import hmac
import re
import secrets

import dealwright_engine

LAST_CHARS = 4
"""How much of a code is kept to be read, for support."""

ID_BYTES = 16
"""A voucher's id has so much of the MAC of its code, and so has the tag by which a till knows it: none of
2^64 codes is expected to share it."""

_LOOKALIKES = str.maketrans("o0i1", "qqll")
"""What is no letter of a code is read as the letter that it looks like."""

_MASKED = re.compile(rf"\*([0-9a-f]{{{2 * ID_BYTES}}})-[^-]*")


def skeleton(typed: str) -> str:
    """What is left of a code that doesn't depend on how it was typed; empty when there is nothing.

    It starts from the engine's form, so that two codes that are one to an evaluation are one here too.
    """
    letters = "".join(filter(str.isalnum, dealwright_engine.fold(typed)))
    return letters.translate(_LOOKALIKES)


def skeleton_of_made(text: str) -> str:
    """The skeleton of capital letters and digits, without asking the engine for each of millions."""
    return text.lower().translate(_LOOKALIKES)


def last_four(letters: str) -> str:
    """The end of a skeleton, as support asks for it."""
    return letters[-LAST_CHARS:].upper()


def tag(key: bytes, letters: str) -> bytes:
    """By what a till recognises a skeleton, under the key of its batch."""
    return hmac.digest(key, letters.encode(), "sha256")[:ID_BYTES]


def masked(voucher_id: bytes, letters: str) -> str:
    """What is shown and kept in place of a code: its voucher's id and its end."""
    return f"*{voucher_id.hex()}-{last_four(letters)}"


def masked_unknown(letters: str) -> str:
    """The same of a code whose voucher isn't known: what nobody can try codes against."""
    return masked(secrets.token_bytes(ID_BYTES), letters)


def voucher_of(code: str) -> str:
    """The id of the voucher that a masked code stands for, in hexadecimal; empty: it is none."""
    found = _MASKED.fullmatch(code)
    return found[1] if found else ""
