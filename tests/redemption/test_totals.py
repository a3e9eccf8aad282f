"""Daily totals: what became final is in them once, on the day of its store, whatever is killed meanwhile."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import grpc
import grpc.aio
import pytest
from dealwright.v1.daily_total_pb2 import DailyTotal, ListDailyTotalsRequest
from dealwright.v1.redemption_pb2 import LATE_COMMIT_HONOR
from dealwright.v1.redemption_service_pb2 import CommitRequest, ReleaseRequest, ReturnRequest
from sqlalchemy import Engine, text

from server.actors import Actor, Role
from server.definitions.service import Definitions
from server.redemption import totals as counting
from server.redemption.expiry import give_back_expired
from server.redemption.totals import Totals
from server.runtime.errors import Invalid
from tests.access.calls import owner, reason
from tests.redemption.conftest import Publish
from tests.redemption.shop import COMPANY, OFF_MINOR, Till, limited, redeem_request, reserve_request

WAIT_SECONDS = 60.0


def days(*zones: str) -> set[str]:
    """Which day it is in some zones."""
    return {datetime.now(ZoneInfo(zone)).date().isoformat() for zone in zones}


@pytest.fixture
def totals(database: Engine) -> Totals:
    return Totals(database, Definitions(database))


def listed(totals: Totals, actor: Actor | None = None, **asked: Any) -> list[DailyTotal]:
    found = totals.page(actor or owner(COMPANY), ListDailyTotalsRequest(**asked))
    return list(found.totals)


def amounts(total: DailyTotal) -> tuple[int, int, int, int]:
    return total.redemptions, total.discount_minor, total.cost_minor, total.returned_minor


def summed(totals: Totals, **asked: Any) -> tuple[int, ...]:
    """The amounts of all days together: a test may run over midnight."""
    return tuple(map(sum, zip(*map(amounts, listed(totals, **asked)), strict=True)))


async def test_what_is_final_is_counted_once_in_its_store_and_day(
    till: Till, publish: Publish, totals: Totals
) -> None:
    await publish(limited(budget=100 * OFF_MINOR), limited("other", code="OTHER"))
    before = days("Asia/Jakarta", "Asia/Makassar")
    for store in ("menteng", "menteng", "ubud", ""):
        await till("Redeem", redeem_request(store=store))
    reserved = await till("Reserve", reserve_request())
    given_up = await till("Reserve", reserve_request())
    await till(
        "Release", ReleaseRequest(idempotency_key="r", redemption_id=given_up.redemption.redemption_id)
    )
    counted = [totals.count(), totals.count()]

    assert {store: summed(totals, store_id=store) for store in ("menteng", "ubud")} == {
        "menteng": (2, 2 * OFF_MINOR, 2 * OFF_MINOR, 0),
        "ubud": (1, OFF_MINOR, OFF_MINOR, 0),
    }
    assert summed(totals) == (4, 4 * OFF_MINOR, 4 * OFF_MINOR, 0)
    assert {total.store_id for total in listed(totals)} == {"menteng", "ubud", ""}
    # The released one is looked at once too; the reservation waits.
    assert counted == [5, 0]
    assert {total.date for total in listed(totals)} <= before | days("Asia/Jakarta", "Asia/Makassar")
    assert {(total.promotion_id, total.currency_code) for total in listed(totals)} == {("offer", "IDR")}
    await till("Commit", CommitRequest(idempotency_key="c", redemption_id=reserved.redemption.redemption_id))
    assert totals.count() == 1
    assert summed(totals, store_id="menteng")[0] == 3


async def test_the_day_is_that_of_the_limits_in_the_zone_of_the_cart(
    till: Till, publish: Publish, totals: Totals, database: Engine
) -> None:
    """Fourteen hours ahead and ten behind: there it is never the same day."""
    await publish(limited(max_uses_per_day=10))
    for zone in ("Pacific/Kiritimati", "Pacific/Honolulu"):
        request = redeem_request()
        request.cart.time_zone = zone
        await till("Redeem", request)
    totals.count()

    with database.connect() as connection:
        keys = connection.scalars(text("SELECT key FROM limit_account WHERE kind = 'day' ORDER BY key")).all()
    assert len(keys) == 2
    assert [total.date for total in listed(totals)] == keys
    assert len(listed(totals, first_date=keys[1])) == 1
    assert len(listed(totals, last_date=keys[0])) == 1
    assert len(listed(totals, first_date=keys[0], last_date=keys[1])) == 2


async def test_what_comes_back_is_taken_off_the_budget_of_that_day(
    till: Till, publish: Publish, totals: Totals
) -> None:
    await publish(limited(budget=10 * OFF_MINOR))
    redeemed = (await till("Redeem", redeem_request(quantity=2))).redemption
    totals.count()
    assert summed(totals) == (1, OFF_MINOR, OFF_MINOR, 0)
    for number, back in ((1, OFF_MINOR // 2), (2, OFF_MINOR)):
        request = ReturnRequest(idempotency_key=f"back-{number}", redemption_id=redeemed.redemption_id)
        request.returned.add(line_id="latte", quantity=1)
        await till("Return", request)
        assert [totals.count(), totals.count()] == [1, 0]
        assert summed(totals) == (1, OFF_MINOR, OFF_MINOR, back)


async def test_a_late_commit_is_counted_though_its_end_was_seen(
    till: Till, publish: Publish, totals: Totals, database: Engine
) -> None:
    await publish(limited(max_uses=1))
    request = reserve_request()
    request.lifetime_seconds = 1
    reserved = (await till("Reserve", request)).redemption
    async with asyncio.timeout(WAIT_SECONDS):
        while not give_back_expired(database):
            await asyncio.sleep(0.05)
    assert (totals.count(), listed(totals)) == (1, [])
    commit = CommitRequest(idempotency_key="c", redemption_id=reserved.redemption_id, late=LATE_COMMIT_HONOR)
    await till("Commit", commit)

    assert totals.count() == 1
    assert summed(totals) == (1, OFF_MINOR, OFF_MINOR, 0)


async def test_a_run_that_dies_counts_nothing_twice(
    till: Till, publish: Publish, totals: Totals, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(limited())
    monkeypatch.setattr(counting, "COUNT_MAX", 2)
    for _ in range(5):
        await till("Redeem", redeem_request())
    mark: Callable[..., None] = counting._mark  # noqa: SLF001 - where the run dies
    runs = 0

    def die(*arguments: Any) -> None:
        nonlocal runs
        runs += 1
        mark(*arguments)
        if runs == 2:
            raise ConnectionError("killed")

    monkeypatch.setattr(counting, "_mark", die)
    with pytest.raises(ConnectionError):
        totals.count()
    assert summed(totals)[0] == 2

    assert totals.count() == 3
    assert summed(totals) == (5, 5 * OFF_MINOR, 5 * OFF_MINOR, 0)


async def test_several_workers_at_once_count_everything_once(
    till: Till, publish: Publish, totals: Totals, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(limited())
    monkeypatch.setattr(counting, "COUNT_MAX", 3)
    await asyncio.gather(*(till("Redeem", redeem_request()) for _ in range(30)))

    await asyncio.gather(*(asyncio.to_thread(totals.count) for _ in range(4)))
    totals.count()

    assert summed(totals) == (30, 30 * OFF_MINOR, 30 * OFF_MINOR, 0)


async def test_totals_come_in_pages_and_for_the_stores_of_a_token(
    till: Till, publish: Publish, totals: Totals
) -> None:
    await publish(limited())
    stores = ["", "a/b", "menteng", "ubud", "ä"]
    for store in stores:
        await till("Redeem", redeem_request(store=store))
    totals.count()
    seen, token = [], ""
    while True:
        page = totals.page(owner(COMPANY), ListDailyTotalsRequest(page_size=2, page_token=token))
        seen += [(total.date, total.store_id) for total in page.totals]
        token = page.next_page_token
        if not token:
            break

    assert sorted(store for _, store in seen) == sorted(stores)
    assert seen == sorted(seen, key=lambda each: (each[0], each[1].encode()))
    clerk = Actor("clerk", COMPANY, frozenset({Role.VIEWER}), "here", store_ids=frozenset({"ubud"}))
    assert [total.store_id for total in listed(totals, clerk)] == ["ubud"]
    assert listed(totals, clerk, store_id="menteng") == []
    assert listed(totals, owner("teh")) == []
    assert listed(totals, promotion_id="other") == []


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("first_date", "2027-5-1", "DATE_INVALID"),
        ("first_date", "20270501", "DATE_INVALID"),
        ("last_date", "2027-02-30", "DATE_INVALID"),
        ("last_date", "yesterday", "DATE_INVALID"),
        ("page_token", "x", "PAGE_TOKEN_INVALID"),
        ("page_token", "W10=", "PAGE_TOKEN_INVALID"),
        ("page_token", "bnVsbA==", "PAGE_TOKEN_INVALID"),
        ("page_token", "é", "PAGE_TOKEN_INVALID"),
        ("page_size", 501, "OUT_OF_RANGE"),
        ("page_size", -1, "OUT_OF_RANGE"),
    ],
)
def test_what_makes_no_sense_is_refused(totals: Totals, field: str, value: Any, why: str) -> None:
    with pytest.raises(Invalid) as refused:
        listed(totals, **{field: value})
    assert (refused.value.field, refused.value.reason) == (field, why)


async def test_totals_are_for_readers_over_grpc(
    till: Till, publish: Publish, totals: Totals, channel: grpc.aio.Channel
) -> None:
    await publish(limited())
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await till("ListDailyTotals", ListDailyTotalsRequest())
    assert reason(refused.value) == "ROLE_MISSING"
