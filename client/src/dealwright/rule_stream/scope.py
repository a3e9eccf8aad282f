"""What both sides of the rule stream agree on: its version, and the names of scopes."""

import hashlib
from collections.abc import Iterable

PROTOCOL = 1
"""The version of the protocol."""

BUNDLE_FORMAT = 1
"""The format of bundles that this version writes, and the newest that it reads."""

EVERY_STORE = "*"
"""The scope of tokens that are for all stores."""

SCOPE_ID_LENGTH_MAX = 64


def scope_id(store_ids: Iterable[str]) -> str:
    """The name of the scope of some stores; of all stores when there are none."""
    joined = "+".join(sorted(set(store_ids)))
    if len(joined) <= SCOPE_ID_LENGTH_MAX:
        return joined or EVERY_STORE
    return "+" + hashlib.sha256(joined.encode()).hexdigest()[:32]
