"""The hash chain: each entry's hash covers its own fields and the hash of the entry before."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

FIRST_HASH = b""
"""What stands before the first entry of a company."""

HASHED = (
    *("company_id", "number", "time", "actor", "token_id", "source", "action", "subject", "subject_id"),
    *("version", "revision", "comment", "before", "after"),
)
"""The fields that a hash covers, which is all of them. One that is unset is left out."""


def chained(previous_hash: bytes, row: Mapping[str, Any]) -> bytes:
    """SHA-256 over the previous hash and the canonical JSON of an entry."""
    fields = {name: _canonical(row[name]) for name in HASHED if row.get(name) is not None}
    text = json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(previous_hash + text.encode()).digest()


def _canonical(value: Any) -> Any:
    return value.astimezone(UTC).isoformat(timespec="microseconds") if isinstance(value, datetime) else value
