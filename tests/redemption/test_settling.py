"""Commits for less and too late, expiry, and returns by the three policies."""

import grpc
import grpc.aio
import pytest
from dealwright.v1.primitives_pb2 import PHASE_ITEM
from dealwright.v1.redemption_pb2 import (
    LATE_COMMIT_HONOR,
    REDEMPTION_STATE_COMMITTED,
    REDEMPTION_STATE_EXPIRED,
    REDEMPTION_STATE_PARTLY_RETURNED,
    REDEMPTION_STATE_RETURNED,
)
from dealwright.v1.redemption_service_pb2 import (
    CommitRequest,
    GetRedemptionRequest,
    ListRedemptionsRequest,
    ReserveResponse,
    ReturnRequest,
)
from dealwright.v1.refund_pb2 import RETURN_POLICY_RE_EVALUATE
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from server.redemption.expiry import give_back_expired
from tests.access.calls import reason
from tests.redemption.conftest import Publish
from tests.redemption.shop import (
    LATTE_MINOR,
    OFF_MINOR,
    Till,
    granted,
    limited,
    redeem_request,
    reserve_request,
)


def let_expire(database: Engine, reserved: ReserveResponse) -> None:
    """Lets the time of a reservation be over."""
    with database.begin() as connection:
        connection.execute(
            text("UPDATE redemption SET expire_time = now() - interval '1 s' WHERE id = CAST(:id AS uuid)"),
            {"id": reserved.redemption.redemption_id},
        )


async def test_a_commit_for_less_gives_the_rest_back(till: Till, publish: Publish, database: Engine) -> None:
    offer = limited(budget=2 * OFF_MINOR)
    offer.ClearField("amount_discount")
    offer.percent_discount.phase = PHASE_ITEM
    offer.percent_discount.percent_off_ppm = 200_000
    await publish(offer)
    request = reserve_request(quantity=2)
    reserved = await till("Reserve", request)
    assert reserved.redemption.promotions[0].cost_minor == 2 * OFF_MINOR
    assert granted(await till("Redeem", redeem_request())) == []
    commit = CommitRequest(
        idempotency_key="c", redemption_id=reserved.redemption.redemption_id, cart=request.cart
    )
    commit.cart.lines[0].quantity = 1

    committed = await till("Commit", commit)

    assert committed.redemption.discount_minor == OFF_MINOR
    assert committed.redemption.payable_minor == LATTE_MINOR - OFF_MINOR
    assert await till("Commit", commit) == committed
    assert granted(await till("Redeem", redeem_request())) == ["offer"]


async def test_a_commit_for_more_gets_no_more_than_is_held(till: Till, publish: Publish) -> None:
    await publish(limited(max_uses=5), limited("second", code="MORE", max_uses=5))
    request = reserve_request()
    reserved = await till("Reserve", request)
    commit = CommitRequest(
        idempotency_key="c", redemption_id=reserved.redemption.redemption_id, cart=request.cart
    )
    commit.cart.codes.append("MORE")

    assert granted(await till("Commit", commit)) == ["offer"]


async def test_a_commit_is_for_the_same_customer(till: Till, publish: Publish) -> None:
    await publish(limited(max_uses_per_customer=1))
    request = reserve_request(customer="ani")
    reserved = await till("Reserve", request)
    commit = CommitRequest(
        idempotency_key="c", redemption_id=reserved.redemption.redemption_id, cart=request.cart
    )
    commit.cart.customer.id = "budi"

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await till("Commit", commit)

    assert (refused.value.code(), reason(refused.value)) == (grpc.StatusCode.INVALID_ARGUMENT, "CART_DIFFERS")


async def test_what_expired_is_refused_and_given_back(till: Till, publish: Publish, database: Engine) -> None:
    await publish(limited(max_uses=1))
    reserved = await till("Reserve", reserve_request())
    let_expire(database, reserved)
    redemption_id = reserved.redemption.redemption_id

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await till("Commit", CommitRequest(idempotency_key="c", redemption_id=redemption_id))

    assert (refused.value.code(), reason(refused.value)) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "RESERVATION_EXPIRED",
    )
    # Whoever is short gives back what has expired, without waiting for the sweeper.
    assert granted(await till("Redeem", redeem_request())) == ["offer"]
    found = await till("GetRedemption", GetRedemptionRequest(redemption_id=redemption_id))
    assert found.redemption.state == REDEMPTION_STATE_EXPIRED


@pytest.mark.parametrize("swept", [False, True])
async def test_a_late_commit_may_be_honoured_while_something_is_left(
    till: Till, publish: Publish, database: Engine, swept: bool
) -> None:
    await publish(limited(max_uses=1))
    reserved = await till("Reserve", reserve_request())
    let_expire(database, reserved)
    if swept:
        give_back_expired(database)
    commit = CommitRequest(
        idempotency_key="c", redemption_id=reserved.redemption.redemption_id, late=LATE_COMMIT_HONOR
    )

    committed = await till("Commit", commit)

    assert (committed.redemption.state, committed.redemption.late) == (REDEMPTION_STATE_COMMITTED, True)
    assert granted(await till("Redeem", redeem_request())) == []


async def test_what_is_honoured_beyond_a_limit_is_overrun(
    till: Till, publish: Publish, database: Engine
) -> None:
    await publish(limited(max_uses=1))
    reserved = await till("Reserve", reserve_request())
    let_expire(database, reserved)
    assert granted(await till("Redeem", redeem_request())) == ["offer"]
    redemption_id = reserved.redemption.redemption_id

    await till(
        "Commit", CommitRequest(idempotency_key="c", redemption_id=redemption_id, late=LATE_COMMIT_HONOR)
    )

    with database.connect() as connection:
        assert connection.execute(text("SELECT posted, overrun FROM limit_account")).one() == (1, 1)
    back = ReturnRequest(idempotency_key="r", redemption_id=redemption_id)
    back.returned.add(line_id="latte", quantity=1)
    await till("Return", back)
    with database.connect() as connection:
        assert connection.execute(text("SELECT posted, overrun FROM limit_account")).one() == (1, 0)


async def test_units_come_back_with_what_they_cost_the_budget(
    till: Till, publish: Publish, database: Engine
) -> None:
    await publish(limited(budget=OFF_MINOR, max_uses=1))
    sold = await till("Redeem", redeem_request(quantity=2))
    paid = 2 * LATTE_MINOR - OFF_MINOR
    back = ReturnRequest(idempotency_key="r1", redemption_id=sold.redemption.redemption_id)
    back.returned.add(line_id="latte", quantity=1)

    first = await till("Return", back)

    assert first.redemption.state == REDEMPTION_STATE_PARTLY_RETURNED
    assert first.refund.refund.minor == paid // 2
    assert first.redemption.promotions[0].returned_minor == OFF_MINOR // 2
    assert await till("Return", back) == first
    with database.connect() as connection:
        used = connection.execute(text("SELECT kind, posted FROM limit_account ORDER BY kind"))
        assert [tuple(row) for row in used] == [("budget", OFF_MINOR // 2), ("total", 1)]

    back.idempotency_key = "r2"
    second = await till("Return", back)

    assert second.redemption.state == REDEMPTION_STATE_RETURNED
    assert second.redemption.refunded.minor == paid
    with database.connect() as connection:
        assert connection.scalar(text("SELECT sum(posted) FROM limit_account")) == 0
    back.idempotency_key = "r3"
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await till("Return", back)
    assert reason(refused.value) == "REDEMPTION_STATE"


async def test_re_evaluated_a_use_comes_back_when_the_rest_has_none(
    till: Till, publish: Publish, database: Engine
) -> None:
    offer = limited(max_uses=1, budget=OFF_MINOR)
    offer.amount_discount.min_purchase.minimum.add(currency_code="IDR", minor=2 * LATTE_MINOR)
    await publish(offer)
    sold = await till("Redeem", redeem_request(quantity=2))
    assert granted(sold) == ["offer"]
    back = ReturnRequest(
        idempotency_key="r",
        redemption_id=sold.redemption.redemption_id,
        policy=RETURN_POLICY_RE_EVALUATE,
    )
    back.returned.add(line_id="latte", quantity=1)

    answer = await till("Return", back)

    assert answer.refund.refund.minor == LATTE_MINOR - OFF_MINOR
    with database.connect() as connection:
        assert connection.scalar(text("SELECT sum(posted) FROM limit_account")) == 0


async def test_more_than_was_sold_does_not_come_back(till: Till, publish: Publish) -> None:
    await publish(limited())
    sold = await till("Redeem", redeem_request())
    back = ReturnRequest(idempotency_key="r", redemption_id=sold.redemption.redemption_id)
    back.returned.add(line_id="latte", quantity=2)

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await till("Return", back)

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_redemptions_are_listed_by_what_is_known_of_them(till: Till, publish: Publish) -> None:
    await publish(limited(max_uses=1))
    for number in range(3):
        await till("Redeem", redeem_request(f"bill-{number}", customer="ani" if number else "budi"))

    page = await till("ListRedemptions", ListRedemptionsRequest(page_size=2))
    rest = await till("ListRedemptions", ListRedemptionsRequest(page_size=2, page_token=page.next_page_token))
    listed = [redemption.order_id for redemption in (*page.redemptions, *rest.redemptions)]
    assert listed == ["bill-2", "bill-1", "bill-0"]
    assert rest.next_page_token == ""
    for asked, orders in (
        (ListRedemptionsRequest(promotion_id="offer"), ["bill-0"]),
        (ListRedemptionsRequest(customer_id="ani"), ["bill-2", "bill-1"]),
        (ListRedemptionsRequest(order_id="bill-1"), ["bill-1"]),
        (ListRedemptionsRequest(store_id="ubud"), []),
        (ListRedemptionsRequest(states=[REDEMPTION_STATE_RETURNED]), []),
    ):
        found = await till("ListRedemptions", asked)
        assert [redemption.order_id for redemption in found.redemptions] == orders


async def test_the_ledger_balances_and_is_never_changed(
    till: Till, publish: Publish, database: Engine
) -> None:
    await publish(limited(max_uses=1))
    await till("Redeem", redeem_request())
    tries = (
        "UPDATE ledger_entry SET amount = 2",
        "DELETE FROM ledger_transaction",
        "TRUNCATE ledger_entry",
        "UPDATE limit_account SET posted = lim + 1",
        "INSERT INTO ledger_entry SELECT transaction_id, account_id, 'excess', unit, 1 FROM ledger_entry",
    )
    for statement in tries:
        with pytest.raises(DBAPIError), database.begin() as connection:
            connection.execute(text(statement))
