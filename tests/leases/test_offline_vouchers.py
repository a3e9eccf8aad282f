"""Vouchers that tills grant without a network: in their home store alone, or at risk up to a cap."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from dealwright.codes import masked, skeleton, tag
from dealwright.v1.cart_pb2 import Voucher as CartVoucher
from dealwright.v1.lease_pb2 import Lease, LeasedVouchers
from dealwright.v1.lease_service_pb2 import (
    LEASE_REFUSAL_REASON_EXHAUSTED,
    LEASE_REFUSAL_REASON_ONLINE_ONLY,
    ListLeasesRequest,
)
from sqlalchemy import text

from server.actors import Role
from server.leases.reclaiming import reclaim_overdue
from server.runtime.errors import Invalid, Refusal
from server.vouchers.batches import OFFLINE_CHARS_MIN, OFFLINE_QUANTITY_MAX, RISK_CAP_MAX, BatchSpec, checked
from server.vouchers.service import Batch, Given, Voucher, VoucherRefusal
from tests.access.calls import owner
from tests.leases.lender import TILL, Book, Lender, wish
from tests.redemption.shop import COMPANY, OFF_MINOR, limited

OWNER = replace(owner(COMPANY), roles=frozenset({Role.ADMIN}))
OTHER_TILL = replace(TILL, name="till-2")


def batch(lender: Lender, quantity: int = 3, **terms: Any) -> tuple[Batch, list[str]]:
    """A batch of codes of `offer`, and the codes."""
    made = lender.vouchers.create_batch(OWNER, BatchSpec("offer", quantity, **terms))
    for _ in lender.vouchers.make(COMPANY, made.id):
        pass
    return made, [code.text for code in lender.vouchers.export(OWNER, made.id)[1]]


def publish(lender: Lender, **limits: Any) -> None:
    lender.publish(limited(voucher=True, **limits))


def uses(lease: Lease) -> dict[bytes, int]:
    return {each.tag: each.uses for lent in lease.vouchers for each in lent.vouchers}


def lent(lease: Lease) -> LeasedVouchers:
    (found,) = lease.vouchers
    return found


def sell(book: Book, sale_id: str, lease: Lease, code: str) -> None:
    """A sale that was granted the offer for a code, as a till writes it down."""
    found = {each.tag: each.voucher_id for each in lent(lease).vouchers}
    letters = skeleton(code)
    kept = masked(found[tag(lent(lease).key, letters)], letters)
    book.sold(sale_id, lease.lease_id, vouchers=[CartVoucher(code=kept, promotion_id="offer")])


def applying(lender: Lender, codes: Iterable[str]) -> list[bool]:
    """Which codes a server would grant."""
    given = [Given(code, "offer") for code in codes]
    with lender.engine.connect() as connection:
        found = lender.vouchers.applying(connection, COMPANY, given, "")
    assert {each for each in found if not isinstance(each, Voucher)} <= {VoucherRefusal.USED}
    return [isinstance(each, Voucher) for each in found]


def test_unless_a_batch_says_so_its_codes_are_for_online_alone(lender: Lender) -> None:
    publish(lender)
    batch(lender)

    (refused,) = lender.renew(wish()).refused

    assert refused.reason == LEASE_REFUSAL_REASON_ONLINE_ONLY


def test_codes_of_a_home_store_lie_at_one_till_and_nobody_else_has_them(lender: Lender, book: Book) -> None:
    publish(lender)
    made, codes = batch(lender, home_store_id="menteng")

    lease = lender.lent()

    assert uses(lease) == {tag(lent(lease).key, skeleton(code)): 1 for code in codes}
    assert not lent(lease).HasField("risk_uses")
    assert not lease.HasField("uses")
    assert applying(lender, codes) == [False, False, False]
    assert [
        each.reason
        for each in (
            *lender.renew(wish(), device="till-2", journal="j2", actor=OTHER_TILL).refused,
            *lender.renew(wish(store="ubud"), device="till-2", journal="j2", actor=OTHER_TILL).refused,
        )
    ] == [LEASE_REFUSAL_REASON_EXHAUSTED, LEASE_REFUSAL_REASON_ONLINE_ONLY]

    sell(book, "s1", lease, codes[0])
    book.upload()
    assert lender.account("voucher") == {"posted": 1, "escrowed": 2}
    again = lender.lent()
    assert (again.lease_id, uses(again)) == (lease.lease_id, uses(lease))

    book.closed(lease.lease_id)
    book.upload()
    assert lender.account("voucher") == {"posted": 1}
    assert applying(lender, codes) == [False, True, True]
    assert len(uses(lender.lent(device="till-2", journal="j2", actor=OTHER_TILL))) == 2
    assert lender.vouchers.batch(OWNER, made.id)[1:] == (3, None)
    assert book.alarms() == []


def test_a_code_that_was_used_twice_at_home_is_overrun(lender: Lender, book: Book) -> None:
    publish(lender)
    _, codes = batch(lender, home_store_id="menteng")
    lease = lender.lent()
    for sale_id in ("s1", "s2"):
        sell(book, sale_id, lease, codes[0])

    book.upload()

    assert lender.account("voucher") == {"posted": 1, "escrowed": 2, "overrun": 1}
    assert book.alarms() == [("overrun", 2)]


def test_a_till_that_is_not_heard_of_loses_the_codes_of_its_store(lender: Lender, book: Book) -> None:
    publish(lender)
    _, codes = batch(lender, home_store_id="menteng")
    lease = lender.lent()
    sell(book, "s1", lease, codes[0])
    lender.let_pass("97 hours")
    assert reclaim_overdue(lender.engine) == 1
    assert applying(lender, codes) == [True, True, True]

    book.upload()

    # It granted one in time, which is told too late: whoever has it now may use it once more.
    assert lender.account("voucher") == {"overrun": 1}
    assert book.alarms() == [("overrun", 1)]


def test_other_limits_of_the_promotion_hold_as_well(lender: Lender, book: Book) -> None:
    publish(lender, max_uses=100, budget=10 * OFF_MINOR)
    _, codes = batch(lender, home_store_id="menteng")
    (lease,) = lender.renew(wish(5, idr=5 * OFF_MINOR)).leases
    assert (lease.uses, [budget.minor for budget in lease.budgets]) == (5, [3 * OFF_MINOR - OFF_MINOR // 2])
    sell(book, "s1", lease, codes[0])

    book.upload()

    assert lender.account() == {"posted": 1, "escrowed": 4}
    assert lender.account("budget")["posted"] == OFF_MINOR
    (record,) = lender.leases.page(TILL, ListLeasesRequest()).leases
    assert {each.kind: (each.leased, each.spent) for each in record.amounts if each.unit == "use"} == {
        "total": (5, 1),
        "voucher": (3, 1),
    }


def test_at_risk_two_tills_grant_one_code_and_the_second_is_overrun(lender: Lender, book: Book) -> None:
    publish(lender)
    made, codes = batch(lender, risk_cap=2)
    other = Book(lender, "j2", "till-2")
    first = lender.lent()
    second = lender.lent(device="till-2", journal="j2", actor=OTHER_TILL)
    assert lent(first).risk_uses == lent(second).risk_uses == 2
    # Nothing is held: a server goes on granting them.
    assert applying(lender, codes) == [True, True, True]
    assert lender.vouchers.batch(OWNER, made.id)[2] == 4

    sell(book, "s1", first, codes[0])
    sell(other, "s1", second, codes[0])
    book.upload()
    other.upload(actor=OTHER_TILL)
    other.upload(actor=OTHER_TILL)

    assert lender.account("voucher") == {"posted": 1, "overrun": 1}
    assert book.alarms() == [("overrun", 1)]
    assert applying(lender, codes) == [False, True, True]
    # What is known is no risk any more, until the caps are full again.
    assert lender.vouchers.batch(OWNER, made.id)[2] == 2
    assert len(uses(lender.lent())) == 2
    assert lent(lender.lent()).risk_uses == 3
    assert lender.vouchers.batch(OWNER, made.id)[2] == 3
    other.closed(second.lease_id)
    other.upload(actor=OTHER_TILL)
    assert lender.vouchers.batch(OWNER, made.id)[2] == 2


def test_more_than_the_cap_is_told(lender: Lender, book: Book) -> None:
    publish(lender)
    made, codes = batch(lender, risk_cap=2)
    lease = lender.lent()
    for code in codes:
        sell(book, code, lease, code)

    book.upload()

    assert lender.account("voucher") == {"posted": 3}
    assert book.alarms() == [("overrun", 3)]
    assert lender.vouchers.batch(OWNER, made.id)[2] == 0


def test_a_voucher_that_no_lease_has_is_told_and_takes_nothing(lender: Lender, book: Book) -> None:
    publish(lender)
    batch(lender, home_store_id="menteng")
    _, codes = batch(lender, risk_cap=1)
    lease = lender.lent()
    voucher = CartVoucher(code=masked(bytes(16), skeleton(codes[0])), promotion_id="offer")
    book.sold("s1", lease.lease_id, vouchers=[voucher])

    book.upload()

    assert lender.account("voucher") == {"escrowed": 3}
    assert book.alarms() == [("lease", 1)]


def test_codes_that_are_disabled_are_lent_no_longer(lender: Lender, book: Book) -> None:
    publish(lender)
    made, codes = batch(lender, risk_cap=1)
    kept, _ = batch(lender, 1, home_store_id="menteng")
    lender.vouchers.disable_code(OWNER, codes[0])
    assert len(uses(lender.lent())) == 3
    lender.vouchers.disable_batch(OWNER, made.id)

    assert [each.batch_id for each in lender.lent().vouchers] == [kept.id]


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        ({"home_store_id": "menteng", "risk_cap": 1}, "offline"),
        ({"home_store_id": ""}, "offline.home_store_id"),
        ({"home_store_id": "x" * 256}, "offline.home_store_id"),
        ({"risk_cap": 0}, "offline.risk_cap"),
        ({"risk_cap": RISK_CAP_MAX + 1}, "offline.risk_cap"),
        ({"risk_cap": 1, "customer_ids": ("ani", "budi", "siti")}, "customer_ids"),
        ({"risk_cap": 1, "random_chars": OFFLINE_CHARS_MIN - 1}, "random_chars"),
        ({"risk_cap": 1, "quantity": OFFLINE_QUANTITY_MAX + 1}, "quantity"),
    ],
)
def test_what_makes_no_sense_is_refused(terms: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        checked(BatchSpec(**{"promotion_id": "offer", "quantity": 3, **terms}))
    assert refused.value.field == field


def test_tills_keep_no_more_codes_of_a_company_than_they_can(lender: Lender) -> None:
    publish(lender)
    most = lender.vouchers.create_batch(OWNER, BatchSpec("offer", OFFLINE_QUANTITY_MAX, risk_cap=1))
    with pytest.raises(Refusal) as refused:
        lender.vouchers.create_batch(OWNER, BatchSpec("offer", 1, risk_cap=1))
    assert refused.value.reason == "OFFLINE_CODES_MANY"

    lender.vouchers.disable_batch(OWNER, most.id)
    assert lender.vouchers.create_batch(OWNER, BatchSpec("offer", 1, risk_cap=1)).random_chars == 16


def test_codes_that_are_for_online_alone_have_nothing_that_a_till_knows(lender: Lender) -> None:
    publish(lender)
    batch(lender, 2)
    batch(lender, 2, risk_cap=1)
    with lender.engine.connect() as connection:
        tags = connection.scalar(text("SELECT count(tag) FROM voucher"))
    assert tags == 2
