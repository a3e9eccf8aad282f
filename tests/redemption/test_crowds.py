"""Many orders at once, over real gRPC and several server processes: the limit is granted to the last."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc.aio
import pytest
from sqlalchemy import Engine, text

from server.actors import Role
from server.definitions.service import Definitions, Publication
from server.keys.service import Pepper
from server.redemption.invariants import check
from server.runtime.settings import Settings
from server.vouchers.service import Vouchers
from tests.access.calls import PEPPER, token_for
from tests.operations.processes import running
from tests.redemption.crowd import Crowd, orders
from tests.redemption.histories import Operation, Seen, is_legal
from tests.redemption.shop import COMPANY, OFF_MINOR, limited, noon_zone, settings
from tests.vouchers.conftest import SPRING
from tests.vouchers.test_batches import one_code

ORDERS = int(os.environ.get("DEALWRIGHT_CROWD", "40"))
LIMIT = 15

KINDS: list[tuple[str, dict[str, Any], dict[str, str]]] = [
    ("total", {"max_uses": LIMIT}, {}),
    ("customer", {"max_uses_per_customer": LIMIT}, {"customer": "ani"}),
    ("day", {"max_uses_per_day": LIMIT}, {"zone": noon_zone()}),
    ("store", {"max_uses_per_store": LIMIT}, {}),
    ("code", {"max_uses_per_code": LIMIT}, {}),
    ("budget", {"budget": LIMIT * OFF_MINOR + 1}, {}),
]


VOUCHERS = {"once": 1, "several times": LIMIT}
"""How often a voucher is good."""


@contextlib.contextmanager
def servers(count: int, database_url: str) -> Iterator[list[str]]:
    """Server processes on one database: their addresses."""
    with contextlib.ExitStack() as stack:
        announced = [
            stack.enter_context(
                running("serve", DEALWRIGHT_DATABASE_URL=database_url, DEALWRIGHT_PEPPER=PEPPER)
            )
            for _ in range(count)
        ]
        yield [addresses["grpc"] for _, addresses in announced]


@pytest.mark.process
async def test_exactly_the_limit_is_granted_whatever_it_counts(database: Engine, database_url: str) -> None:
    token = token_for(database, "till", Role.DEVICE)
    promotions = [limited(name, code=f"CODE-{name}", **limits) for name, limits, _ in KINDS]
    promotions.append(limited(SPRING, voucher=True))
    Definitions(database).publish(COMPANY, Publication(promotions, settings=settings()))
    vouchers = Vouchers(database, Pepper(Settings(pepper=PEPPER), database))

    with servers(2, database_url) as addresses:
        async with contextlib.AsyncExitStack() as stack:
            channels = [
                # Two connections to each.
                await stack.enter_async_context(
                    grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
                )
                for address in addresses * 2
            ]
            for name, _, how in KINDS:
                crowd = Crowd(channels, token)

                granted = await crowd.rush(orders(ORDERS, f"CODE-{name}", **how))

                assert granted == LIMIT, name
                assert is_legal(crowd.history, LIMIT), name
            for name, uses in VOUCHERS.items():
                crowd = Crowd(channels, token)

                granted = await crowd.rush(orders(ORDERS, voucher=one_code(vouchers, max_uses=uses)))

                assert granted == uses, name
                assert is_legal(crowd.history, uses), name
            # With room for all of them, all are granted.
            crowd = Crowd(channels, token)
            few = orders(LIMIT - 5, "CODE-customer", customer="budi")
            assert await crowd.rush(few) == len(few)


def test_counting_before_taking_grants_too_much(database: Engine) -> None:
    """The naive way, kept here to show that the tests would notice it: read, compare, then write."""
    with database.begin() as connection:
        connection.execute(text("CREATE TABLE naive (used int NOT NULL)"))
        connection.execute(text("INSERT INTO naive VALUES (0)"))
    everybody_has_read = threading.Barrier(4)
    history = []

    def order() -> None:
        invoked = time.monotonic()
        with database.begin() as connection:
            used = connection.scalar(text("SELECT used FROM naive"))
            everybody_has_read.wait(timeout=30)
            if used == 0:
                connection.execute(text("UPDATE naive SET used = used + 1"))
                history.append(Operation(invoked, time.monotonic(), Seen.GRANTED))

    threads = [threading.Thread(target=order) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    with database.connect() as connection:
        assert connection.scalar(text("SELECT used FROM naive")) == len(history) == 4
    assert not is_legal(history, limit=1)


def test_nothing_is_left_of_a_broken_promise_unseen(database: Engine) -> None:
    """An account that somebody changed by hand is found."""
    with database.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO limit_account"
                " (company_id, promotion_id, kind, key, lock_rank, unit, lim, posted)"
                " VALUES ('kopi', 'offer', 'total', '', 6, 'use', 10, 3)"
            )
        )
    assert {violation.invariant.name for violation in check(database)} == {
        "account_is_ledger",
        "account_is_held",
    }
    with database.begin() as connection:
        connection.execute(text("DELETE FROM limit_account"))
