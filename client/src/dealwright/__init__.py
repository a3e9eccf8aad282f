"""Dealwright for Python.

`Client` and `AsyncClient` ask a server. The messages are in `dealwright.v1`, generated from the schema; its
services are in the modules that end in `_pb2_grpc`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dealwright.aio import AsyncClient
    from dealwright.client import Client
    from dealwright.errors import CallFailed, DealwrightError

__all__ = ["AsyncClient", "CallFailed", "Client", "DealwrightError"]

_HOMES = {
    "AsyncClient": "dealwright.aio",
    "CallFailed": "dealwright.errors",
    "Client": "dealwright.client",
    "DealwrightError": "dealwright.errors",
}


def __getattr__(name: str) -> Any:
    """Imports a name when it is first used: whoever needs messages alone doesn't wait for gRPC."""
    if name not in _HOMES:
        raise AttributeError(f"module 'dealwright' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
