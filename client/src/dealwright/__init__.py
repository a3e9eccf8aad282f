"""Dealwright for Python.

`Client` and `AsyncClient` ask a server; `Till` prices carts itself, with or without a network. The messages
are in `dealwright.v1`, generated from the schema.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dealwright.aio import AsyncClient
    from dealwright.client import Client
    from dealwright.errors import CallFailed, DealwrightError
    from dealwright.granting import OutcomeUnknown
    from dealwright.till.till import Till

__all__ = ["AsyncClient", "CallFailed", "Client", "DealwrightError", "OutcomeUnknown", "Till"]

_HOMES = {
    "AsyncClient": "dealwright.aio",
    "CallFailed": "dealwright.errors",
    "Client": "dealwright.client",
    "DealwrightError": "dealwright.errors",
    "OutcomeUnknown": "dealwright.granting",
    "Till": "dealwright.till.till",
}


def __getattr__(name: str) -> Any:
    """Imports a name when it is first used: whoever needs messages alone doesn't wait for gRPC."""
    if name not in _HOMES:
        raise AttributeError(f"module 'dealwright' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
