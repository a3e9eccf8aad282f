"""Each kind of limit, one past it; budgets in whole and in part; what reaches the engine."""

from datetime import UTC, datetime
from typing import Any

import grpc
import grpc.aio
import pytest
from dealwright.v1.evaluation_service_pb2 import (
    EvaluateRequest,
    EvaluateResponse,
    ExplainRequest,
    ExplainResponse,
    ReplayRequest,
    ReplayResponse,
)
from dealwright.v1.redemption_service_pb2 import GetLimitStateRequest
from dealwright.v1.stacking_pb2 import SHORT_BUDGET_PARTIAL
from sqlalchemy import Engine, text

from server.access.rules import REDEMPTION_SERVICE
from server.runtime.app import Application
from tests.access.calls import reason
from tests.evaluation.requests import EVALUATE, EXPLAIN, REPLAY, call
from tests.redemption.conftest import Publish
from tests.redemption.shop import (
    OFF_MINOR,
    Till,
    granted,
    limited,
    noon_zone,
    redeem_request,
    reserve_request,
)

ONE_PAST: list[tuple[dict[str, int], dict[str, str], dict[str, str]]] = [
    ({"max_uses": 2}, {}, {}),
    ({"max_uses_per_customer": 2}, {"customer": "ani"}, {"customer": "budi"}),
    ({"max_uses_per_day": 2}, {"zone": noon_zone()}, {}),
    ({"max_uses_per_store": 2}, {"store": "Menteng"}, {"store": "ubud"}),
    ({"budget": 2 * OFF_MINOR + OFF_MINOR // 2}, {}, {}),
]


@pytest.mark.parametrize(
    ("limits", "order", "other"), ONE_PAST, ids=["total", "customer", "day", "store", "budget"]
)
async def test_a_limit_holds_one_past_it(
    till: Till, publish: Publish, limits: dict[str, Any], order: dict[str, str], other: dict[str, str]
) -> None:
    await publish(limited(**limits))

    answers = [await till("Redeem", redeem_request(**order)) for _ in range(3)]

    assert [granted(answer) for answer in answers] == [["offer"], ["offer"], []]
    assert [verdict.promotion_id for verdict in answers[-1].refused] == ["offer"]
    if other:
        assert granted(await till("Redeem", redeem_request(**other))) == ["offer"]


async def test_spellings_of_a_store_are_one_store(till: Till, publish: Publish) -> None:
    await publish(limited(max_uses_per_store=1))
    await till("Redeem", redeem_request(store="menteng"))

    assert granted(await till("Redeem", redeem_request(store=" MENTENG"))) == []


async def test_a_code_is_counted_however_it_is_typed(till: Till, publish: Publish) -> None:
    await publish(limited(code="HELLO", max_uses_per_code=2))

    answers = []
    for typed in ("hello", " HELLO ", "\uff28\uff25\uff2c\uff2c\uff2f"):
        request = redeem_request()
        request.cart.codes.append(typed)
        answers.append(granted(await till("Redeem", request)))

    assert answers == [["offer"], ["offer"], []]


async def test_a_budget_may_be_given_to_the_last_unit(till: Till, publish: Publish) -> None:
    promotion = limited(budget=OFF_MINOR + 1)
    promotion.limits.on_short_budget = SHORT_BUDGET_PARTIAL
    await publish(promotion)

    amounts = [(await till("Redeem", redeem_request())).redemption.discount_minor for _ in range(3)]

    assert amounts == [OFF_MINOR, 1, 0]


async def test_a_limit_that_was_raised_grants_again(till: Till, publish: Publish) -> None:
    await publish(limited(max_uses=1))
    await till("Redeem", redeem_request())
    assert granted(await till("Redeem", redeem_request())) == []

    await publish(limited(max_uses=2))

    assert granted(await till("Redeem", redeem_request())) == ["offer"]
    await publish(limited(max_uses=1))
    assert granted(await till("Redeem", redeem_request())) == []


async def test_what_has_run_out_leaves_evaluation_and_the_answer_can_be_replayed(
    application: Application, channel: grpc.aio.Channel, till: Till, publish: Publish
) -> None:
    await publish(limited(max_uses=1), limited("other"))
    request = EvaluateRequest(cart=redeem_request().cart)
    request.evaluate_time.FromDatetime(datetime.now(UTC))
    before = EvaluateResponse.FromString(await call(channel, EVALUATE, request.SerializeToString()))
    assert before.result.totals.discount_minor == 2 * OFF_MINOR
    assert not before.HasField("limit_state")
    await till("Redeem", redeem_request())
    await application.exhaustion.refresh()

    # A limit state of the caller's stands beside what the server knows.
    own = request.limit_state.promotions.add(promotion_id="offer", uses_left=5)
    after = EvaluateResponse.FromString(await call(channel, EVALUATE, request.SerializeToString()))

    assert after.result.totals.discount_minor == OFF_MINOR
    assert [each.uses_left for each in after.limit_state.promotions] == [0]
    request.limit_state.MergeFrom(after.limit_state)
    replay = ReplayRequest(revision=1, request=request, result_hash=after.result.result_hash)
    replayed = ReplayResponse.FromString(await call(channel, REPLAY, replay.SerializeToString()))
    assert replayed.matches
    assert own.uses_left == 5
    explained = ExplainRequest(cart=request.cart)
    answer = ExplainResponse.FromString(await call(channel, EXPLAIN, explained.SerializeToString()))
    assert answer.limit_state == after.limit_state
    assert answer.result.totals.discount_minor == OFF_MINOR


async def test_what_has_run_out_in_one_store_or_on_one_day_stays_elsewhere(
    application: Application, channel: grpc.aio.Channel, till: Till, publish: Publish, database: Engine
) -> None:
    await publish(limited("by-store", max_uses_per_store=1), limited("by-day", max_uses_per_day=1))
    await till("Redeem", redeem_request(store="menteng"))
    await application.exhaustion.refresh()

    async def discount(store: str, **time: Any) -> int:
        request = EvaluateRequest(cart=redeem_request(store=store).cart)
        if time:
            request.evaluate_time.FromDatetime(datetime(2031, 1, 1, tzinfo=UTC))
        answer = EvaluateResponse.FromString(await call(channel, EVALUATE, request.SerializeToString()))
        return answer.result.totals.discount_minor

    assert await discount("menteng") == 0
    assert await discount("menteng", other_day=True) == OFF_MINOR
    with database.connect() as connection:
        day = connection.scalar(text("SELECT key FROM limit_account WHERE kind = 'day'"))
    assert day is not None
    assert len(day) == len("2031-01-01")


async def test_a_customer_is_told_what_is_left(
    till: Till, publish: Publish, application: Application
) -> None:
    await publish(limited(max_uses_per_customer=3), limited("once", max_uses=1))
    await till("Redeem", redeem_request(customer="ani"))
    await application.exhaustion.refresh()

    told = await till("GetLimitState", GetLimitStateRequest(customer_id="ani", store_id="menteng"))

    left = {each.promotion_id: each.uses_left for each in told.limit_state.promotions}
    assert left == {"offer": 2, "once": 0}


async def test_reserved_uses_count_and_limits_metrics_have_no_ids(
    till: Till, publish: Publish, application: Application
) -> None:
    await publish(limited(max_uses=1))
    await till("Reserve", reserve_request())

    assert granted(await till("Redeem", redeem_request())) == []
    await application.exhaustion.refresh()
    value = application.metrics.registry.get_sample_value(
        "dealwright_limits_left", {"kind": "total", "left_percent": "0"}
    )
    assert value == 1


BROKEN = [
    ("idempotency_key", "", "REQUIRED"),
    ("idempotency_key", "k" * 256, "TOO_LONG"),
    ("idempotency_key", "a\nb", "NOT_PRINTABLE"),
    ("order_id", "", "REQUIRED"),
    ("order_id", "o" * 256, "TOO_LONG"),
    ("lifetime_seconds", -1, "OUT_OF_RANGE"),
    ("lifetime_seconds", 604_801, "OUT_OF_RANGE"),
]


@pytest.mark.parametrize(("field", "value", "code"), BROKEN)
async def test_what_is_wrong_is_refused_with_a_reason(
    till: Till, publish: Publish, field: str, value: object, code: str
) -> None:
    await publish(limited())
    request = reserve_request()
    setattr(request, field, value)

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await till("Reserve", request)

    assert (refused.value.code(), reason(refused.value)) == (grpc.StatusCode.INVALID_ARGUMENT, code)


async def test_redemption_always_needs_a_token(channel: grpc.aio.Channel, publish: Publish) -> None:
    await publish(limited())

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(channel, f"/{REDEMPTION_SERVICE}/Redeem", redeem_request().SerializeToString())

    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
