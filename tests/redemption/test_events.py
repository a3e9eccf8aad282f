"""What redemption does is told by events: all of it, once, and nothing else."""

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc
import grpc.aio
import pytest
from dealwright.v1.redemption_pb2 import LATE_COMMIT_HONOR, ON_REFUSED_DECLINE, Redemption
from dealwright.v1.redemption_service_pb2 import (
    CommitRequest,
    GetRedemptionRequest,
    ReleaseRequest,
    ReturnRequest,
)
from sqlalchemy import Connection, Engine, text

from server.documents import to_value
from server.events.service import EventType
from server.redemption import invariants
from server.redemption.exhaustion import LOW_PERCENT
from server.redemption.expiry import give_back_expired
from tests.access.calls import reason
from tests.redemption.conftest import Publish
from tests.redemption.shop import OFF_MINOR, Till, limited, noon_zone, redeem_request, reserve_request

Told = tuple[str, str, dict[str, Any]]


def told(engine: Engine, *, limits: bool = False) -> list[Told]:
    """The events of redemptions, or those of limits: type without its prefix, subject, data."""
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT type, subject, data FROM event ORDER BY time, type, subject"))
        found = [(kind.removeprefix("dealwright."), subject, data) for kind, subject, data in rows]
    wanted = ("budget.", "limit.") if limits else ("redemption.",)
    return [each for each in found if each[0].startswith(wanted)]


def types(events: Sequence[Told]) -> list[str]:
    return [kind for kind, _, _ in events]


async def seen(till: Till, redemption: Redemption) -> dict[str, Any]:
    """A redemption as the service gives it now."""
    found = await till("GetRedemption", GetRedemptionRequest(redemption_id=redemption.redemption_id))
    return to_value(found.redemption)


async def test_each_step_is_told_with_the_redemption_as_it_is_then(
    till: Till, publish: Publish, database: Engine
) -> None:
    await publish(limited(max_uses=10, budget=10 * OFF_MINOR))
    reserved = (await till("Reserve", reserve_request(customer="siti", quantity=2))).redemption
    expected = [("redemption.reserved", reserved.redemption_id, await seen(till, reserved))]
    await till("Commit", CommitRequest(idempotency_key="c", redemption_id=reserved.redemption_id))
    expected.append(("redemption.committed", reserved.redemption_id, await seen(till, reserved)))
    for key in ("first", "second"):
        request = ReturnRequest(idempotency_key=key, redemption_id=reserved.redemption_id)
        request.returned.add(line_id="latte", quantity=1)
        await till("Return", request)
        expected.append(("redemption.returned", reserved.redemption_id, await seen(till, reserved)))
    # Of no store and no customer.
    redeemed = (await till("Redeem", redeem_request(store=""))).redemption
    expected.append(("redemption.committed", redeemed.redemption_id, await seen(till, redeemed)))
    given_up = (await till("Reserve", reserve_request())).redemption
    expected.append(("redemption.reserved", given_up.redemption_id, await seen(till, given_up)))
    await till("Release", ReleaseRequest(idempotency_key="r", redemption_id=given_up.redemption_id))
    expected.append(("redemption.released", given_up.redemption_id, await seen(till, given_up)))

    assert told(database) == expected


async def test_what_expires_and_is_committed_late_is_told(
    till: Till, publish: Publish, database: Engine
) -> None:
    await publish(limited(max_uses=1))
    request = reserve_request()
    request.lifetime_seconds = 1
    reserved = (await till("Reserve", request)).redemption
    async with asyncio.timeout(60):
        while not give_back_expired(database) and types(told(database))[-1] != "redemption.expired":
            await asyncio.sleep(0.05)
    expired = ("redemption.expired", reserved.redemption_id, await seen(till, reserved))
    commit = CommitRequest(idempotency_key="c", redemption_id=reserved.redemption_id, late=LATE_COMMIT_HONOR)
    await till("Commit", commit)
    late = ("redemption.committed", reserved.redemption_id, await seen(till, reserved))

    assert told(database)[1:] == [expired, late]
    assert late[2]["late"] is True


async def test_what_takes_no_effect_is_not_told(till: Till, publish: Publish, database: Engine) -> None:
    await publish(limited(max_uses=1))
    request = redeem_request("bill-1")
    for _ in range(2):
        await till("Redeem", request)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await till("Redeem", redeem_request("bill-1"))
    assert reason(refused.value) == "ORDER_TAKEN"
    short = redeem_request("bill-2")
    short.on_refused = ON_REFUSED_DECLINE
    await till("Redeem", short)

    assert types(told(database)) == ["redemption.committed"]


async def test_a_budget_is_low_once_and_again_when_something_came_back(
    till: Till, publish: Publish, database: Engine
) -> None:
    """Ten orders use it up; the ninth leaves a tenth."""
    assert LOW_PERCENT == 10
    await publish(limited(budget=10 * OFF_MINOR))
    for _ in range(8):
        await till("Redeem", redeem_request())
    assert told(database, limits=True) == []
    reserved = (await till("Reserve", reserve_request())).redemption
    low = {
        "promotion_id": "offer",
        "kind": "budget",
        "key": "IDR",
        "unit": "IDR",
        "limit": str(10 * OFF_MINOR),
        "left": str(OFF_MINOR),
    }
    assert told(database, limits=True) == [("budget.low", "offer", low)]
    await till("Redeem", redeem_request())
    exhausted = {**low, "left": "0"}
    assert told(database, limits=True)[1:] == [("limit.exhausted", "offer", exhausted)]

    await till("Release", ReleaseRequest(idempotency_key="r", redemption_id=reserved.redemption_id))
    await till("Redeem", redeem_request())

    assert types(told(database, limits=True)) == ["budget.low", "limit.exhausted", "limit.exhausted"]


@pytest.mark.parametrize(
    ("limit", "key"),
    [("max_uses", None), ("max_uses_per_store", "menteng"), ("max_uses_per_day", "")],
    ids=["total", "store", "day"],
)
async def test_a_limit_of_many_customers_that_runs_out_is_told(
    till: Till, publish: Publish, database: Engine, limit: str, key: str | None
) -> None:
    limits: dict[str, Any] = {limit: 2}
    await publish(limited(**limits))
    zone = noon_zone()
    await till("Redeem", redeem_request(zone=zone))
    assert told(database, limits=True) == []
    await till("Redeem", redeem_request(zone=zone))

    ((kind, subject, data),) = told(database, limits=True)
    assert (kind, subject, data["unit"], data["limit"], data["left"]) == (
        *("limit.exhausted", "offer", "use"),
        *("2", "0"),
    )
    assert data.get("key") == key if key != "" else len(data["key"]) == len("2026-11-21")


async def test_what_one_customer_has_used_up_is_not_told(
    till: Till, publish: Publish, database: Engine
) -> None:
    await publish(limited(max_uses_per_customer=1))
    await till("Redeem", redeem_request(customer="siti"))

    assert told(database, limits=True) == []


async def test_a_budget_as_large_as_it_can_be_is_counted(
    till: Till, publish: Publish, database: Engine
) -> None:
    await publish(limited(budget=10**15))
    await till("Redeem", redeem_request())

    assert types(told(database)) == ["redemption.committed"]
    assert told(database, limits=True) == []


async def test_an_event_that_is_missing_or_too_many_breaks_an_invariant(
    till: Till, publish: Publish, database: Engine
) -> None:
    await publish(limited())
    redeemed = (await till("Redeem", redeem_request())).redemption.redemption_id
    insert = (
        "INSERT INTO event (company_id, type, subject, data, time)"
        " SELECT company_id, type, subject, data, time FROM event WHERE subject = :id"
    )
    for change in (
        "DELETE FROM event WHERE subject = :id",
        insert,
        f"UPDATE event SET type = '{EventType.REDEMPTION_RETURNED}' WHERE subject = :id",
    ):
        with database.connect() as connection, connection.begin() as transaction:
            connection.execute(text(change), {"id": redeemed})
            broken = invariants.violations(connection)
            transaction.rollback()
        assert [violation.invariant.name for violation in broken] == ["told_once"]
        assert set(broken[0].named) == {redeemed}


async def test_telling_reads_no_more_rows_the_more_there_are(
    till: Till, publish: Publish, database: Engine
) -> None:
    """A plan that was made for a few rows is kept by its connection, and has to be as good for many."""
    await publish(limited())

    async def redeem() -> str:
        redeemed: str = (await till("Redeem", redeem_request())).redemption.redemption_id
        return redeemed

    with database.connect() as connection:
        for count in (1, 30):
            ids = await asyncio.gather(*(redeem() for _ in range(count)))
            assert rows_read(connection, ids) == 0


def rows_read(connection: Connection, redemption_ids: Sequence[str]) -> int:
    """How many rows of tables that grow are read, beside those that an index finds, to tell."""
    connection.execute(
        text(
            "INSERT INTO ledger_transaction (company_id, redemption_id, kind, principal, token_id, time)"
            " SELECT 'kopi', id, 'return', '', '', clock_timestamp() FROM unnest(CAST(:ids AS uuid[])) AS id"
        ),
        {"ids": list(redemption_ids)},
    )
    read = connection.scalar(
        text(
            "SELECT sum(seq_tup_read)::int FROM pg_stat_xact_user_tables"
            " WHERE relname IN ('redemption', 'redemption_promotion')"
        )
    )
    connection.rollback()
    return int(read or 0)
