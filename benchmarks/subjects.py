"""What is measured, by the name that `make bench B=` knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module

from benchmarks.ratios import Ratio


@dataclass(frozen=True)
class Subject:
    """One part of the performance page."""

    tables: Callable[[], Iterator[str]]
    ratios: tuple[Ratio, ...]


MODULES = {
    "engine": "engine",
    "peers": "matching",
    "search": "search",
    "memory": "memory",
    "till": "till",
    "boundary": "boundary",
    "checks": "checks",
    "definitions": "definitions",
    "transport": "transport",
    "transports": "transports",
    "load": "load",
    "vouchers": "vouchers",
    "redemption": "redemption",
    "streams": "streams",
}


def subject(name: str) -> Subject:
    """Imports only what this subject needs: some of it is large, and would weigh on the others' figures."""
    module = import_module(f"benchmarks.{MODULES[name]}")
    return Subject(module.tables, module.RATIOS)
