"""Doing something in one process at a time, whichever."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, func, select


@contextmanager
def alone(engine: Engine, name: str) -> Iterator[bool]:
    """Whether this process is the one that may do what has this name. The lock dies with its connection.

    Between its statements the transaction holds no snapshot, so that it keeps nothing from being cleaned up.
    """
    number = int.from_bytes(hashlib.sha256(f"dealwright {name}".encode()).digest()[:8], signed=True)
    with engine.begin() as connection:
        yield bool(connection.scalar(select(func.pg_try_advisory_xact_lock(number))))
