"""Reserve, commit, release, redeem: states, keys, orders, and what limits have left."""

import grpc
import grpc.aio
import pytest
from dealwright.v1.redemption_pb2 import (
    ON_REFUSED_DECLINE,
    REDEMPTION_STATE_COMMITTED,
    REDEMPTION_STATE_RELEASED,
    REDEMPTION_STATE_RESERVED,
)
from dealwright.v1.redemption_service_pb2 import (
    CommitRequest,
    GetRedemptionRequest,
    RedeemResponse,
    ReleaseRequest,
    ReserveResponse,
)
from dealwright.v1.result_pb2 import REASON_LIMIT

from tests.access.calls import ask, bearer, reason
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


async def test_a_reservation_holds_its_price_and_is_committed(till: Till, publish: Publish) -> None:
    await publish(limited(max_uses=1))

    reserved = await till("Reserve", reserve_request("bill-1"))

    assert reserved.redemption.state == REDEMPTION_STATE_RESERVED
    assert reserved.redemption.payable_minor == LATTE_MINOR - OFF_MINOR
    assert granted(reserved) == ["offer"]
    assert reserved.redemption.expire_time.seconds - reserved.redemption.create_time.seconds == 900
    redemption_id = reserved.redemption.redemption_id

    committed = await till("Commit", CommitRequest(idempotency_key="c", redemption_id=redemption_id))

    assert committed.redemption.state == REDEMPTION_STATE_COMMITTED
    assert committed.result == reserved.result
    found = await till("GetRedemption", GetRedemptionRequest(redemption_id=redemption_id))
    assert found.redemption == committed.redemption
    assert found.sale.result == reserved.result
    assert [operation.kind for operation in found.operations] == ["reserve", "commit"]


async def test_an_answer_has_no_message_in_two_pieces(
    channel: grpc.aio.Channel, token: str, publish: Publish
) -> None:
    """Protobuf says that they are one; protobuf.js forgets the first."""
    await publish(limited(max_uses=1))
    method, request = "/dealwright.v1.RedemptionService/Reserve", reserve_request().SerializeToString()

    first, again = [await ask(channel, method, request, metadata=bearer(token)) for _ in range(2)]

    assert first == again == ReserveResponse.FromString(first).SerializeToString(deterministic=True)


async def test_what_a_limit_refuses_is_priced_without_it(till: Till, publish: Publish) -> None:
    await publish(limited(max_uses=1))
    await till("Redeem", redeem_request())

    second = await till("Redeem", redeem_request())

    assert second.redemption.state == REDEMPTION_STATE_COMMITTED
    assert second.redemption.payable_minor == LATTE_MINOR
    assert [(verdict.promotion_id, verdict.reason) for verdict in second.refused] == [("offer", REASON_LIMIT)]


async def test_an_order_may_be_declined_when_a_limit_refuses(till: Till, publish: Publish) -> None:
    await publish(limited(max_uses=1))
    await till("Redeem", redeem_request())
    request = redeem_request()
    request.on_refused = ON_REFUSED_DECLINE

    declined: RedeemResponse = await till("Redeem", request)

    assert not declined.HasField("redemption")
    assert declined.result.totals.payable_minor == LATTE_MINOR
    assert await till("Redeem", request) == declined


async def test_a_release_gives_back(till: Till, publish: Publish) -> None:
    await publish(limited(max_uses=1))
    reserved = await till("Reserve", reserve_request("bill-1"))
    release = ReleaseRequest(idempotency_key="r", redemption_id=reserved.redemption.redemption_id)

    released = await till("Release", release)

    assert released.redemption.state == REDEMPTION_STATE_RELEASED
    assert await till("Release", release) == released
    # The order may be sold after all.
    assert granted(await till("Redeem", redeem_request("bill-1"))) == ["offer"]
    release.idempotency_key = "another"
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await till("Release", release)
    assert (refused.value.code(), reason(refused.value)) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "REDEMPTION_STATE",
    )


async def test_a_call_that_is_sent_again_takes_effect_once(till: Till, publish: Publish) -> None:
    await publish(limited(max_uses=2))
    request = redeem_request()

    first = await till("Redeem", request)

    assert (await till("Redeem", request)).SerializeToString() == first.SerializeToString()
    assert granted(await till("Redeem", redeem_request())) == ["offer"]
    request.cart.lines[0].quantity = 2
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await till("Redeem", request)
    assert (refused.value.code(), reason(refused.value)) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "IDEMPOTENCY_MISMATCH",
    )


async def test_an_order_is_redeemed_once_for_ever(till: Till, publish: Publish) -> None:
    await publish(limited())
    await till("Redeem", redeem_request("bill-1"))

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await till("Redeem", redeem_request("bill-1"))

    assert (refused.value.code(), reason(refused.value)) == (grpc.StatusCode.ALREADY_EXISTS, "ORDER_TAKEN")
    # Another store has bills of its own.
    await till("Redeem", redeem_request("bill-1", store="ubud"))
