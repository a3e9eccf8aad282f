"""Returns of sales that tills granted on their own: limits get back what these took, once, overruns first."""

import asyncio
import random
from dataclasses import replace

import grpc
import grpc.aio
import pytest
from dealwright.codes import masked, skeleton
from dealwright.v1.cart_pb2 import Voucher
from dealwright.v1.journal_pb2 import JournalRecord
from dealwright.v1.redemption_pb2 import REDEMPTION_STATE_PARTLY_RETURNED, REDEMPTION_STATE_RETURNED
from dealwright.v1.redemption_service_pb2 import (
    GetRedemptionRequest,
    ListRedemptionsRequest,
    ReleaseRequest,
    ReturnRequest,
)
from dealwright.v1.refund_pb2 import (
    RETURN_POLICY_CLAW_BACK,
    RETURN_POLICY_KEEP,
    RETURN_POLICY_RE_EVALUATE,
    ReturnPolicy,
)
from sqlalchemy import Engine, text

from server.actors import Role
from server.definitions.service import Definitions
from server.keys.service import Pepper
from server.redemption import invariants
from server.redemption.totals import Totals
from server.runtime.app import Application
from server.runtime.settings import Settings
from server.vouchers.batches import BatchSpec
from server.vouchers.service import Vouchers
from tests.access.calls import PEPPER, owner, reason, token_for
from tests.redemption.conftest import Publish
from tests.redemption.shop import COMPANY, LATTE_MINOR, OFF_MINOR, Till, granted, limited, redeem_request
from tests.redemption.uploading import OfflineTill, back


@pytest.fixture
def offline(database: Engine, application: Application) -> OfflineTill:
    return OfflineTill(database, application)


def account(database: Engine, kind: str = "total") -> dict[str, int]:
    """What the accounts of one kind have together."""
    buckets = ("posted", "escrowed", "overrun")
    sums = ", ".join(f"coalesce(sum({name}), 0)::bigint AS {name}" for name in buckets)
    with database.connect() as connection:
        row = connection.execute(
            text(f"SELECT {sums} FROM limit_account WHERE kind = :kind"),
            {"kind": kind},
        ).one()
    return {name: amount for name, amount in row._mapping.items() if amount}


async def refused(till: Till, request: ReturnRequest) -> tuple[grpc.StatusCode, str]:
    """How a return is refused."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await till("Return", request)
    return error.value.code(), reason(error.value)


async def test_a_sale_that_comes_back_whole_frees_what_it_took(
    till: Till, publish: Publish, database: Engine, offline: OfflineTill
) -> None:
    await publish(limited(max_uses=10, budget=10 * OFF_MINOR))
    lease_id = offline.lease(2, idr=2 * OFF_MINOR)
    offline.sell("s1", lease_id)
    offline.close(lease_id)
    assert account(database) == {"posted": 1}

    answer = await till("Return", back("s1"))

    assert answer.redemption.state == REDEMPTION_STATE_RETURNED
    assert answer.redemption.order_id == "till-1/s1"
    assert answer.refund.refund.minor == answer.redemption.payable_minor == LATTE_MINOR - OFF_MINOR
    assert account(database) == account(database, "budget") == {}
    assert await till("Return", back("s1")) == answer
    assert await refused(till, back("s1", key="again")) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "REDEMPTION_STATE",
    )
    assert account(database) == {}
    with database.connect() as connection:
        told = connection.execute(
            text("SELECT type, subject FROM event WHERE type LIKE 'dealwright.redemption.%'")
        ).all()
    assert [tuple(row) for row in told] == [
        ("dealwright.redemption.returned", answer.redemption.redemption_id)
    ]


@pytest.mark.parametrize("policy", [RETURN_POLICY_KEEP, RETURN_POLICY_CLAW_BACK])
async def test_units_come_back_one_after_another(
    till: Till, publish: Publish, database: Engine, offline: OfflineTill, policy: ReturnPolicy.ValueType
) -> None:
    await publish(limited(max_uses=10, budget=10 * OFF_MINOR))
    lease_id = offline.lease(2, idr=2 * OFF_MINOR)
    offline.sell("s1", lease_id, quantity=2)
    offline.close(lease_id)

    first = await till("Return", back("s1", policy=policy))

    assert first.redemption.state == REDEMPTION_STATE_PARTLY_RETURNED
    assert account(database, "budget") == {"posted": OFF_MINOR // 2}
    assert account(database) == {"posted": 1}

    # From now on it is a redemption like any other.
    again = ReturnRequest(idempotency_key="rest", redemption_id=first.redemption.redemption_id, policy=policy)
    again.returned.add(line_id="latte", quantity=1)
    second = await till("Return", again)

    assert second.redemption.refunded.minor == 2 * LATTE_MINOR - OFF_MINOR
    assert account(database, "budget") == account(database) == {}


async def test_re_evaluated_a_use_comes_back_when_the_rest_has_none(
    till: Till, publish: Publish, database: Engine, offline: OfflineTill
) -> None:
    offer = limited(max_uses=10, budget=10 * OFF_MINOR)
    offer.amount_discount.min_purchase.minimum.add(currency_code="IDR", minor=2 * LATTE_MINOR)
    await publish(offer)
    lease_id = offline.lease(1, idr=OFF_MINOR)
    offline.sell("s1", lease_id, quantity=2)
    offline.close(lease_id)

    answer = await till("Return", back("s1", policy=RETURN_POLICY_RE_EVALUATE))

    assert answer.refund.refund.minor == LATTE_MINOR - OFF_MINOR
    assert account(database) == account(database, "budget") == {}


async def test_what_the_till_left_out_is_not_granted_to_the_rest(
    till: Till, publish: Publish, offline: OfflineTill
) -> None:
    await publish(limited(), limited("killed"))
    offline.sell("s1", without=["killed"], quantity=2)

    answer = await till("Return", back("s1", policy=RETURN_POLICY_RE_EVALUATE))

    # What is kept costs as much as it would have cost alone at that till: 5 000 off, and not 10 000.
    assert answer.refund.refund.minor == LATTE_MINOR
    assert [each.promotion_id for each in answer.redemption.promotions] == ["offer"]


async def test_what_is_overrun_comes_back_before_anything_is_free(
    till: Till, publish: Publish, database: Engine, offline: OfflineTill
) -> None:
    await publish(limited(max_uses=1))
    lease_id = offline.lease(1)
    for number in range(3):
        offline.sell(f"s{number}", lease_id)
    assert account(database) == {"posted": 1, "overrun": 2}

    # The first one had its use of the lease, but nobody gets it while more is granted than there is.
    for number, left in enumerate(({"posted": 1, "overrun": 1}, {"posted": 1}, {})):
        assert granted(await till("Redeem", redeem_request())) == []
        await till("Return", back(f"s{number}"))
        assert account(database) == left

    assert granted(await till("Redeem", redeem_request())) == ["offer"]


async def test_a_budget_is_first_relieved_of_its_overrun(
    till: Till, publish: Publish, database: Engine, offline: OfflineTill
) -> None:
    await publish(limited(budget=OFF_MINOR + OFF_MINOR // 2))
    lease_id = offline.lease(idr=OFF_MINOR)
    lent = account(database, "budget")["escrowed"]
    for sale_id in ("s1", "s2"):
        offline.sell(sale_id, lease_id, quantity=2)
    over = 2 * OFF_MINOR - lent
    assert account(database, "budget") == {"posted": lent, "overrun": over}

    await till("Return", back("s2"))
    assert account(database, "budget") == {"posted": lent, "overrun": over - OFF_MINOR // 2}
    await till("Return", back("s1", 2))
    await till("Return", back("s2", key="rest"))
    assert account(database, "budget") == {}


async def test_what_an_order_overran_comes_back_with_any_other(
    till: Till, publish: Publish, database: Engine, offline: OfflineTill
) -> None:
    """Limits know no order of those who took them: a return of a server's sale relieves them as well."""
    await publish(limited(max_uses=10))
    redeemed = (await till("Redeem", redeem_request())).redemption
    lease_id = offline.lease(1)
    offline.close(lease_id)
    offline.sell("s1", lease_id)
    assert account(database) == {"posted": 1, "overrun": 1}

    request = ReturnRequest(idempotency_key="r", redemption_id=redeemed.redemption_id)
    request.returned.add(line_id="latte", quantity=1)
    await till("Return", request)

    assert account(database) == {"posted": 1}
    await till("Return", back("s1"))
    assert account(database) == {}


async def test_vouchers_come_back(
    till: Till, publish: Publish, database: Engine, application: Application
) -> None:
    await publish(limited(voucher=True))
    vouchers = Vouchers(database, Pepper(Settings(pepper=PEPPER), database))
    clerk = replace(owner(COMPANY), roles=frozenset({Role.ADMIN}))
    made = vouchers.create_batch(clerk, BatchSpec("offer", 1, risk_cap=1))
    for _ in vouchers.make(COMPANY, made.id):
        pass
    (code,) = [each.text for each in vouchers.export(clerk, made.id)[1]]
    (record,) = vouchers.look_up(clerk, code=code)
    kept = Voucher(code=masked(record.id, skeleton(code)), promotion_id="offer")
    tills = [OfflineTill(database, application, device_id) for device_id in ("till-1", "till-2")]
    for each in tills:
        each.sell("s1", each.lease(), vouchers=[kept])
    assert account(database, "voucher") == {"posted": 1, "overrun": 1}

    first = await till("Return", back("s1"))
    assert first.redemption.promotions[0].voucher_id == record.id.hex()
    assert account(database, "voucher") == {"posted": 1}
    await till("Return", back("s1", key="other", device_id="till-2"))
    assert account(database, "voucher") == {}
    assert vouchers.look_up(clerk, code=code)[0].used == 0


async def test_returns_at_the_same_moment_give_back_what_there_is(
    till: Till, publish: Publish, database: Engine, offline: OfflineTill
) -> None:
    await publish(limited(max_uses=10, budget=10 * OFF_MINOR))
    lease_id = offline.lease(1, idr=OFF_MINOR)
    offline.sell("s1", lease_id, quantity=4)
    offline.close(lease_id)

    answers = await asyncio.gather(
        *(till("Return", back("s1", key=f"k{number}")) for number in range(8)), return_exceptions=True
    )

    refunds = [each.refund.refund.minor for each in answers if not isinstance(each, BaseException)]
    assert len(refunds) == 4
    assert sum(refunds) == 4 * LATTE_MINOR - OFF_MINOR
    assert account(database) == account(database, "budget") == {}


@pytest.mark.parametrize("seed", range(2))
async def test_random_walks_stay_beside_the_model(
    till: Till, publish: Publish, database: Engine, offline: OfflineTill, seed: int
) -> None:
    """The model is what is out: that is posted and overrun together, after every step."""
    await publish(limited(max_uses=6, budget=6 * OFF_MINOR))
    lease_id = offline.lease(3, idr=3 * OFF_MINOR)
    chance = random.Random(seed)
    units: dict[str, int] = {}
    for step in range(20):
        match chance.choice(["sell", "redeem", "return", "return"]):
            case "sell":
                units[f"s{step}"] = quantity = chance.choice([1, 2, 4])
                offline.sell(f"s{step}", lease_id, quantity=quantity)
            case "redeem":
                order = (await till("Redeem", redeem_request())).redemption
                units |= {order.redemption_id: 1} if order.promotions else {}
            case "return" if units:
                name = chance.choice(sorted(units))
                request = back(name, chance.randint(1, units[name]), key=f"r{step}")
                units[name] -= request.returned[0].quantity
                if not name.startswith("s"):
                    request.ClearField("till_sale")
                    request.redemption_id = name
                await till("Return", request)
        units = {name: quantity for name, quantity in units.items() if quantity}
        has = account(database)
        assert has.get("posted", 0) + has.get("overrun", 0) == len(units)
        assert has.get("posted", 0) + has.get("escrowed", 0) <= 6


async def test_a_sale_without_leases_is_returned_too(
    till: Till, publish: Publish, offline: OfflineTill
) -> None:
    await publish(limited())
    offline.sell("s1")

    assert (await till("Return", back("s1"))).refund.refund.minor == LATTE_MINOR - OFF_MINOR


async def test_a_sale_that_a_journal_has_twice_comes_back_once(
    till: Till, publish: Publish, database: Engine, offline: OfflineTill
) -> None:
    await publish(limited(max_uses=10))
    lease_id = offline.lease(2)
    sale = offline.sell("s1", lease_id)
    offline.upload(JournalRecord(sale=sale))
    offline.close(lease_id)

    await till("Return", back("s1"))

    assert account(database) == {}
    assert (await refused(till, back("s1", key="again")))[1] == "REDEMPTION_STATE"


async def test_it_is_found_as_other_redemptions_are(
    till: Till, publish: Publish, database: Engine, offline: OfflineTill, definitions: Definitions
) -> None:
    await publish(limited())
    offline.sell("s1", customer="ani")
    listed = ListRedemptionsRequest(order_id="till-1/s1", customer_id="ani", promotion_id="offer")
    assert not (await till("ListRedemptions", listed)).redemptions

    answer = await till("Return", back("s1"))

    assert list((await till("ListRedemptions", listed)).redemptions) == [answer.redemption]
    redemption_id = answer.redemption.redemption_id
    found = await till("GetRedemption", GetRedemptionRequest(redemption_id=redemption_id))
    assert [each.kind for each in found.operations] == ["return"]
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await till("Release", ReleaseRequest(idempotency_key="x", redemption_id=redemption_id))
    assert reason(error.value) == "REDEMPTION_STATE"
    # Daily totals are of what was granted here.
    Totals(database, definitions).count()
    with database.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM daily_total")) == 0


async def test_an_order_of_the_same_name_is_another_one(
    till: Till, publish: Publish, database: Engine, offline: OfflineTill
) -> None:
    await publish(limited(max_uses=10))
    await till("Redeem", redeem_request("till-1/s1"))
    lease_id = offline.lease(1)
    offline.sell("s1", lease_id)

    assert await refused(till, back("s1")) == (grpc.StatusCode.ALREADY_EXISTS, "ORDER_TAKEN")
    assert account(database)["posted"] == 2


async def test_what_makes_no_sense_is_refused(till: Till, publish: Publish, offline: OfflineTill) -> None:
    await publish(limited())
    offline.sell("s1")
    both = back("s1")
    both.redemption_id = "5d2f1d0c-4c1b-4d8e-9a39-7a1c2f0b6e55"
    nothing = back("s1")
    del nothing.returned[:]
    invalid, missing = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND

    assert await refused(till, both) == (invalid, "ONE_OF")
    assert await refused(till, nothing) == (invalid, "REQUIRED")
    assert await refused(till, back("")) == (invalid, "REQUIRED")
    assert await refused(till, back("s1", device_id="")) == (invalid, "REQUIRED")
    assert await refused(till, back("s2")) == (missing, "TILL_SALE_NOT_FOUND")
    assert await refused(till, back("s1", device_id="till-2")) == (missing, "TILL_SALE_NOT_FOUND")
    assert (await refused(till, back("s1", 2, key="more")))[0] is invalid
    # What was refused left nothing behind.
    assert not (await till("ListRedemptions", ListRedemptionsRequest())).redemptions


async def test_a_token_of_another_store_does_not_see_the_sale(
    publish: Publish,
    database: Engine,
    offline: OfflineTill,
    application: Application,
    channel: grpc.aio.Channel,
) -> None:
    await publish(limited())
    offline.sell("s1")
    elsewhere = Till(channel, token_for(database, "elsewhere", Role.DEVICE, store_ids=("ubud",)))
    await application.grants.refresh()

    assert await refused(elsewhere, back("s1")) == (grpc.StatusCode.NOT_FOUND, "TILL_SALE_NOT_FOUND")


async def test_invariants_find_what_somebody_changed_by_hand(
    till: Till, publish: Publish, database: Engine, offline: OfflineTill
) -> None:
    await publish(limited(max_uses=10))
    offline.sell("s1", offline.lease(2))
    await till("Return", back("s1"))
    for fault, broken in (
        ("UPDATE limit_hold SET reserved = 2, posted = 2", {"till_sale_is_spends"}),
        ("DELETE FROM limit_hold", {"till_sale_is_spends", "account_is_held"}),
        ("UPDATE lease_spend SET spent = 2", {"till_sale_is_spends", "lease_is_spends"}),
    ):
        with database.connect() as connection:
            connection.execute(text(fault))
            assert {each.invariant.name for each in invariants.violations(connection)} == broken
            connection.rollback()
