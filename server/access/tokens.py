"""What a token is: a mark to recognise it by, an id, and a secret of 256 random bits."""

import hashlib
import re
import secrets

MARK = "dw"
"""What every token begins with, so that people and scanners of leaked secrets know one when they see it."""

SESSION_MARK = "dws"
"""What the secret of a session begins with."""

INVITATION_MARK = "dwi"
"""What the code of an invitation begins with."""

SECRET_BYTES = 32

_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
_ID_LENGTH = 10
_FORM = re.compile(rf"{MARK}_([a-z0-9]{{{_ID_LENGTH}}})_[A-Za-z0-9_-]{{43}}")


def new_token(mark: str = MARK) -> tuple[str, str]:
    """The id of a new token, and the token itself. Only its owner ever has it."""
    token_id = "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))
    return token_id, f"{mark}_{token_id}_{secrets.token_urlsafe(SECRET_BYTES)}"


def digest(token: str) -> bytes:
    """What is kept of a token. A secret of this length needs no slow hash: there is nothing to guess."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


def looks_like_one(token: str) -> bool:
    return _FORM.fullmatch(token) is not None
