"""Orders with vouchers: which are used, what is kept of their codes, and what comes back when."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import grpc.aio
import pytest
from dealwright.v1.evaluation_service_pb2 import ReplayRequest, ReplayResponse
from dealwright.v1.redemption_pb2 import LATE_COMMIT_HONOR, ON_REFUSED_DECLINE
from dealwright.v1.redemption_service_pb2 import (
    CommitRequest,
    GetRedemptionRequest,
    ListRedemptionsRequest,
    ReleaseRequest,
    ReturnRequest,
)
from dealwright.v1.result_pb2 import CODE_OUTCOME_APPLIED
from sqlalchemy import Engine, text

from server.keys.service import Pepper
from server.redemption.expiry import give_back_expired
from server.runtime.settings import Settings
from server.vouchers.service import Vouchers
from server.vouchers.throttling import CODES_MAX, LOCKOUTS, Kind
from tests.access.calls import PEPPER, reason
from tests.evaluation.requests import REPLAY, call
from tests.redemption.conftest import Publish
from tests.redemption.shop import (
    LATTE_MINOR,
    OFF_MINOR,
    Till,
    granted,
    limited,
    name,
    redeem_request,
    reserve_request,
)
from tests.redemption.test_settling import let_expire
from tests.vouchers.conftest import SPRING
from tests.vouchers.test_batches import BEN, make, one_code, texts

SECOND = timedelta(seconds=1)


@pytest.fixture
async def vouchers(publish: Publish, database: Engine) -> Vouchers:
    """The vouchers of the shop, whose promotion they set off."""
    await publish(limited(SPRING, voucher=True))
    return Vouchers(database, Pepper(Settings(pepper=PEPPER), database))


def used(vouchers: Vouchers, code: str) -> int:
    (found,) = vouchers.look_up(BEN, code=code)
    return found.used


def refused(response: Any) -> list[int]:
    return [voucher.index for voucher in response.refused_vouchers]


async def test_a_code_is_good_for_one_order(till: Till, vouchers: Vouchers) -> None:
    code = one_code(vouchers)

    first = await till("Redeem", name(redeem_request(), f" {code.lower()} "))
    second = await till("Redeem", name(redeem_request(), code))

    assert granted(first) == [SPRING]
    assert [each.outcome for each in first.result.codes] == [CODE_OUTCOME_APPLIED]
    assert (granted(second), refused(second)) == ([], [0])
    assert second.redemption.payable_minor == LATTE_MINOR
    assert second.refused_vouchers[0].last_four == code.replace("-", "")[-4:]
    (found,) = vouchers.look_up(BEN, code=code)
    assert (found.id.hex(), found.used) == (first.redemption.promotions[0].voucher_id, 1)
    listed = await till("ListRedemptions", ListRedemptionsRequest(voucher_id=found.id.hex()))
    assert list(listed.redemptions) == [first.redemption]


async def test_a_code_is_good_for_as_many_orders_as_it_says(till: Till, vouchers: Vouchers) -> None:
    code = one_code(vouchers, max_uses=2)

    answers = [await till("Redeem", name(redeem_request(), code)) for _ in range(3)]

    assert [granted(answer) for answer in answers] == [[SPRING], [SPRING], []]
    assert used(vouchers, code) == 2


async def test_a_promotion_may_allow_fewer_uses_of_a_code(
    till: Till, vouchers: Vouchers, publish: Publish
) -> None:
    await publish(limited(SPRING, voucher=True, max_uses_per_code=1))
    code = one_code(vouchers, max_uses=5)

    answers = [await till("Redeem", name(redeem_request(), code)) for _ in range(2)]

    assert [granted(answer) for answer in answers] == [[SPRING], []]


async def test_whatever_is_wrong_with_a_code_the_answer_is_the_same(
    till: Till, vouchers: Vouchers, publish: Publish
) -> None:
    await publish(limited(SPRING, voucher=True), limited("automatic"))
    now = datetime.now(UTC)
    spent, disabled = one_code(vouchers), one_code(vouchers)
    await till("Redeem", name(redeem_request(), spent))
    vouchers.disable_code(BEN, disabled)
    batch = make(vouchers, quantity=1)
    vouchers.disable_batch(BEN, batch.id)
    wrong = {
        "unknown": "MAY-K7RM2QX9TB4H-8F",
        "somebody else's": one_code(vouchers, customer_ids=("ben",)),
        "disabled": disabled,
        "disabled with its batch": texts(vouchers, batch.id)[0],
        "not begun": one_code(vouchers, start_time=now + timedelta(hours=1)),
        "ended": one_code(vouchers, start_time=now - timedelta(hours=1), end_time=now - SECOND),
        "used": spent,
    }
    for why, code in wrong.items():
        answer = await till("Redeem", name(redeem_request(customer="ann"), code))

        assert (granted(answer), refused(answer)) == (["automatic"], [0]), why
        assert answer.result.totals.discount_minor == OFF_MINOR, why
        assert not answer.refused, why
    theirs = name(redeem_request(customer="ben"), wrong["somebody else's"])
    assert granted(await till("Redeem", theirs)) == ["automatic", SPRING]
    for promotion_id in ("automatic", "unheard-of"):
        good = one_code(vouchers)
        answer = await till("Redeem", name(redeem_request(), good, promotion_id=promotion_id))
        assert (granted(answer), refused(answer), used(vouchers, good)) == (["automatic"], [0], 0)


async def test_an_order_uses_one_voucher_of_a_promotion(till: Till, vouchers: Vouchers) -> None:
    spent, first, second = texts(vouchers, make(vouchers, quantity=3).id)
    await till("Redeem", name(redeem_request(), spent))

    answer = await till("Redeem", name(redeem_request(), spent, first, first.lower(), second))

    assert (granted(answer), refused(answer)) == ([SPRING], [0, 2, 3])
    assert [used(vouchers, code) for code in (first, second)] == [1, 0]


async def test_a_voucher_whose_promotion_is_not_applied_is_not_used(
    till: Till, vouchers: Vouchers, publish: Publish
) -> None:
    await publish(limited(SPRING, voucher=True, budget=OFF_MINOR - 1))
    code = one_code(vouchers)

    answer = await till("Redeem", name(redeem_request(), code))

    assert (granted(answer), refused(answer)) == ([], [])
    assert [verdict.promotion_id for verdict in answer.refused] == [SPRING]
    assert used(vouchers, code) == 0
    # Nor where it takes none any more.
    await publish(limited(SPRING))
    answer = await till("Redeem", name(redeem_request(), code))
    assert (granted(answer), refused(answer), used(vouchers, code)) == ([SPRING], [0], 0)


async def test_an_order_may_be_declined_when_a_voucher_is_refused(till: Till, vouchers: Vouchers) -> None:
    code = one_code(vouchers)
    await till("Redeem", name(redeem_request(), code))
    request = name(redeem_request(), code)
    request.on_refused = ON_REFUSED_DECLINE

    declined = await till("Redeem", request)

    assert not declined.HasField("redemption")
    assert (refused(declined), declined.result.totals.payable_minor) == ([0], LATTE_MINOR)


async def test_a_call_that_is_sent_again_has_the_same_answer(till: Till, vouchers: Vouchers) -> None:
    request = name(redeem_request(), one_code(vouchers))

    answers = [await till("Redeem", request) for _ in range(2)]

    assert granted(answers[0]) == [SPRING]
    assert answers[0].SerializeToString() == answers[1].SerializeToString()
    request.cart.vouchers[0].code = one_code(vouchers)
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await till("Redeem", request)
    assert reason(error.value) == "IDEMPOTENCY_MISMATCH"


async def test_no_code_is_kept_and_the_sale_is_priced_again_with_the_same_bytes(
    till: Till, vouchers: Vouchers, publish: Publish, channel: grpc.aio.Channel, database: Engine
) -> None:
    await publish(limited(SPRING, voucher=True), limited("public", code="HELLO"))
    code, unnamed = one_code(vouchers), one_code(vouchers)
    request = name(redeem_request(), code)
    request.cart.codes.extend([" hello ", unnamed, ""])
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await till("Redeem", request)
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    request.cart.codes.pop()

    sold = await till("Redeem", request)

    assert granted(sold) == ["public", SPRING]
    tables = ("redemption", "redemption_sale", "redemption_promotion", "idempotency_key", "limit_account")
    with database.connect() as connection:
        rows = [row for table in tables for row in connection.execute(text(f"SELECT * FROM {table}"))]
    kept = repr(rows).encode().upper()
    assert b"HELLO" in kept
    for secret in (code, unnamed):
        assert secret.encode() not in kept
        assert secret.replace("-", "").encode() not in kept
        assert secret.replace("-", "")[-4:].encode() in kept
    found = await till("GetRedemption", GetRedemptionRequest(redemption_id=sold.redemption.redemption_id))
    assert found.sale.result == sold.result
    replay = ReplayRequest(
        revision=found.sale.revision, request=found.sale.request, result_hash=sold.result.result_hash
    )
    assert ReplayResponse.FromString(await call(channel, REPLAY, replay.SerializeToString())).matches
    # What stands for a code is no code.
    copied = redeem_request()
    copied.cart.codes.extend(found.sale.request.cart.codes)
    copied.cart.vouchers.extend(found.sale.request.cart.vouchers)
    assert refused(await till("Redeem", copied)) == [0]


Settle = Callable[[Till, Any, Engine], Any]


async def release(till: Till, reserved: Any, database: Engine) -> None:
    redemption_id = reserved.redemption.redemption_id
    await till("Release", ReleaseRequest(idempotency_key="settle", redemption_id=redemption_id))


async def expire(till: Till, reserved: Any, database: Engine) -> None:
    let_expire(database, reserved)
    give_back_expired(database)


async def let_time_be_over(till: Till, reserved: Any, database: Engine) -> None:
    let_expire(database, reserved)


async def take_all_back(till: Till, reserved: Any, database: Engine) -> None:
    redemption_id = reserved.redemption.redemption_id
    await till("Commit", CommitRequest(idempotency_key="settle", redemption_id=redemption_id))
    back = ReturnRequest(idempotency_key="return", redemption_id=redemption_id)
    back.returned.add(line_id="latte", quantity=1)
    await till("Return", back)


GIVEN_BACK: list[Settle] = [release, expire, let_time_be_over, take_all_back]


@pytest.mark.parametrize("settle", GIVEN_BACK, ids=[settle.__name__ for settle in GIVEN_BACK])
async def test_a_code_that_was_given_back_is_good_again(
    till: Till, vouchers: Vouchers, database: Engine, settle: Settle
) -> None:
    code = one_code(vouchers)
    reserved = await till("Reserve", name(reserve_request(), code))
    assert (granted(reserved), used(vouchers, code)) == ([SPRING], 1)
    assert refused(await till("Redeem", name(redeem_request(), code))) == [0]

    await settle(till, reserved, database)

    assert granted(await till("Redeem", name(redeem_request(), code))) == [SPRING]
    assert used(vouchers, code) == 1


async def test_a_part_that_comes_back_leaves_a_code_used(till: Till, vouchers: Vouchers) -> None:
    code = one_code(vouchers)
    sold = await till("Redeem", name(redeem_request(quantity=2), code))
    back = ReturnRequest(idempotency_key="return", redemption_id=sold.redemption.redemption_id)
    back.returned.add(line_id="latte", quantity=1)

    await till("Return", back)

    assert used(vouchers, code) == 1


async def test_what_a_commit_does_not_need_any_more_is_given_back(
    till: Till, vouchers: Vouchers, publish: Publish
) -> None:
    offer = limited(SPRING, voucher=True)
    offer.amount_discount.min_purchase.minimum.add(currency_code="IDR", minor=2 * LATTE_MINOR)
    await publish(offer)
    code = one_code(vouchers)
    request = name(reserve_request(quantity=2), code)
    reserved = await till("Reserve", request)
    assert granted(reserved) == [SPRING]
    commit = CommitRequest(
        idempotency_key="c", redemption_id=reserved.redemption.redemption_id, cart=request.cart
    )
    commit.cart.lines[0].quantity = 1

    assert granted(await till("Commit", commit)) == []
    assert used(vouchers, code) == 0


@pytest.mark.parametrize("masked", [False, True])
async def test_a_commit_brings_no_other_voucher(till: Till, vouchers: Vouchers, masked: bool) -> None:
    code, other = texts(vouchers, make(vouchers, quantity=2).id)
    request = name(reserve_request(quantity=2), code)
    reserved = await till("Reserve", request)
    redemption_id = reserved.redemption.redemption_id
    commit = CommitRequest(idempotency_key="c", redemption_id=redemption_id, cart=request.cart)
    if masked:
        pinned = await till("GetRedemption", GetRedemptionRequest(redemption_id=redemption_id))
        commit.cart.CopyFrom(pinned.sale.request.cart)
    commit.cart.lines[0].quantity = 1
    name(commit, other)

    committed = await till("Commit", commit)

    assert granted(committed) == [SPRING]
    assert [used(vouchers, each) for each in (code, other)] == [1, 0]


async def test_a_reservation_without_vouchers_is_committed_without(till: Till, vouchers: Vouchers) -> None:
    code = one_code(vouchers)
    request = reserve_request()
    reserved = await till("Reserve", request)
    commit = CommitRequest(
        idempotency_key="c", redemption_id=reserved.redemption.redemption_id, cart=request.cart
    )

    assert granted(await till("Commit", name(commit, code))) == []
    assert used(vouchers, code) == 0


async def test_a_late_commit_is_honoured_beyond_the_uses_of_a_code(
    till: Till, vouchers: Vouchers, database: Engine
) -> None:
    code = one_code(vouchers)
    reserved = await till("Reserve", name(reserve_request(), code))
    let_expire(database, reserved)
    assert granted(await till("Redeem", name(redeem_request(), code))) == [SPRING]

    late = CommitRequest(
        idempotency_key="c", redemption_id=reserved.redemption.redemption_id, late=LATE_COMMIT_HONOR
    )

    assert granted(await till("Commit", late)) == [SPRING]
    assert used(vouchers, code) == 1
    with database.connect() as connection:
        assert connection.execute(text("SELECT posted, overrun FROM limit_account")).one() == (1, 1)


async def test_who_guesses_in_orders_waits_but_hears_again_what_was_answered(
    till: Till, vouchers: Vouchers
) -> None:
    bought = name(redeem_request(customer="ann"), one_code(vouchers))
    answer = await till("Redeem", bought)
    good = one_code(vouchers)
    guesses = [f"MAY-{number:08}" for number in range(LOCKOUTS[Kind.CUSTOMER].free + 1)]
    guess = await till("Redeem", name(redeem_request(customer="ann"), *guesses))
    assert refused(guess) == list(range(len(guesses)))

    with pytest.raises(grpc.aio.AioRpcError) as error:
        await till("Redeem", name(redeem_request(customer="ann"), good))

    assert (error.value.code(), reason(error.value)) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "VOUCHER_CHECKS_PAUSED",
    )
    assert await till("Redeem", bought) == answer
    assert granted(await till("Redeem", redeem_request(customer="ann"))) == []
    assert granted(await till("Redeem", name(redeem_request(customer="ben"), good))) == [SPRING]


async def test_who_wants_a_code_that_is_used_up_does_not_guess(till: Till, vouchers: Vouchers) -> None:
    spent = one_code(vouchers)
    for _ in range(LOCKOUTS[Kind.CUSTOMER].free + 3):
        await till("Redeem", name(redeem_request(customer="ann"), spent))

    good = name(redeem_request(customer="ann"), one_code(vouchers))
    assert granted(await till("Redeem", good)) == [SPRING]


BROKEN = [
    (["A" * 8] * (CODES_MAX + 1), SPRING, "OUT_OF_RANGE"),
    ([""], SPRING, "REQUIRED"),
    (["A" * 8], "", "REQUIRED"),
    (["A" * 201], SPRING, "TOO_LONG"),
]


@pytest.mark.parametrize(("codes", "promotion_id", "why"), BROKEN)
async def test_vouchers_are_few_and_named(
    till: Till, vouchers: Vouchers, codes: list[str], promotion_id: str, why: str
) -> None:
    request = redeem_request()
    for code in codes:
        request.cart.vouchers.add(code=code, promotion_id=promotion_id)

    with pytest.raises(grpc.aio.AioRpcError) as error:
        await till("Redeem", request)

    assert (error.value.code(), reason(error.value)) == (grpc.StatusCode.INVALID_ARGUMENT, why)
