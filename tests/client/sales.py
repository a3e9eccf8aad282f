"""A server for the tests of clients, in a thread of its own, and a cart."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from dealwright.v1.cart_pb2 import Cart
from sqlalchemy import Engine

from server.runtime.app import Application
from tests.access.calls import SETTINGS
from tests.evaluation.requests import latte_request

START_SECONDS = 60

LATTES: dict[str, Any] = {
    "id": "bill-1",
    "currency_code": "IDR",
    "lines": [{"id": "line-0", "product_id": "latte", "quantity": 2, "unit_price_minor": 2_500_000}],
}
"""Two lattes as a mapping; the same as `lattes`."""


def lattes() -> Cart:
    return latte_request().cart


@contextmanager
def served(engine: Engine, **changes: Any) -> Iterator[Application]:
    """A server on the database, which clients that block can call."""
    application, loop = Application(replace(SETTINGS, **changes), engine), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(application.start(), loop).result(START_SECONDS)
        yield application
    finally:
        asyncio.run_coroutine_threadsafe(application.stop(), loop).result(START_SECONDS)
        # What was begun in other threads ends before the database is let go.
        asyncio.run_coroutine_threadsafe(loop.shutdown_default_executor(), loop).result(START_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(START_SECONDS)
        loop.close()
