"""Leases come out of what is left of limits, and together with everything else never exceed them."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dealwright.v1.lease_service_pb2 import (
    LEASE_REFUSAL_REASON_EXHAUSTED,
    LEASE_REFUSAL_REASON_ONLINE_ONLY,
    LEASE_REFUSAL_REASON_UNLIMITED,
    LeaseWish,
    RenewLeasesRequest,
)

from server.actors import Actor, Role
from server.leases.service import LASTS, WISHES_MAX
from server.leases.sizes import FIRST_MIN
from server.leases.terms import Terms, terms
from server.runtime.errors import Denied, Invalid, NotReady, Refusal
from tests.leases.lender import TILL, Lender, wish
from tests.redemption.shop import COMPANY, limited


def test_a_lease_is_taken_from_what_is_left(lender: Lender) -> None:
    lender.publish(limited(max_uses=100))

    lease = lender.lent()

    assert (lease.promotion_id, lease.store_id, lease.uses, lease.made) == (
        "offer",
        "menteng",
        FIRST_MIN,
        True,
    )
    assert lender.account() == {"escrowed": FIRST_MIN}
    assert lease.expire_time.ToDatetime(UTC) - lease.start_time.ToDatetime(UTC) == LASTS


def test_the_same_wish_again_changes_nothing_but_how_long_it_lasts(lender: Lender) -> None:
    lender.publish(limited(max_uses=100))
    first = lender.lent(7)
    lender.let_pass("10 hours")

    again = lender.lent(7)

    assert (again.lease_id, again.uses, again.made) == (first.lease_id, 7, False)
    assert again.expire_time.ToDatetime() > first.expire_time.ToDatetime()
    assert lender.account() == {"escrowed": 7}


def test_a_larger_wish_enlarges_it_and_a_smaller_one_takes_nothing_away(lender: Lender) -> None:
    lender.publish(limited(max_uses=100))
    assert [lender.lent(uses).uses for uses in (4, 9, 2)] == [4, 9, 9]
    assert lender.account() == {"escrowed": 9}


def test_at_most_a_quarter_of_what_is_left_is_lent_at_once(lender: Lender) -> None:
    lender.publish(limited(max_uses=100))
    assert [lender.lent(1000, device=f"till-{number}").uses for number in range(4)] == [25, 19, 14, 11]


def test_many_tills_together_have_the_limit_and_no_more(lender: Lender) -> None:
    lender.publish(limited(max_uses=10))
    answers = [lender.renew(wish(4), device=f"till-{number}") for number in range(20)]

    assert sum(lease.uses for answer in answers for lease in answer.leases) == 10
    assert [each.reason for each in answers[-1].refused] == [LEASE_REFUSAL_REASON_EXHAUSTED]
    assert lender.account() == {"escrowed": 10}


def test_a_crowd_at_the_same_moment_has_the_limit_and_no_more(lender: Lender) -> None:
    lender.publish(limited(max_uses=12))
    barrier, given = threading.Barrier(6), []

    def ask(device: str) -> None:
        barrier.wait()
        answers = [lender.renew(wish(total), device=device) for total in range(1, 7)]
        given.append(sum(lease.uses for lease in answers[-1].leases))

    threads = [threading.Thread(target=ask, args=(f"till-{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(given) == 6
    assert sum(given) == 12
    assert lender.account() == {"escrowed": 12}


@pytest.mark.parametrize(
    ("limits", "kinds"),
    [
        ({"max_uses": 40, "max_uses_per_store": 8}, {"total": 2, "store": 2}),
        ({"max_uses": 4, "max_uses_per_store": 80}, {"total": 1, "store": 1}),
        ({"max_uses_per_day": 40}, {"day": 5}),
        ({"max_uses_per_code": 40, "code": "WEEKEND20"}, {"code": 5}),
        ({"budget": 1_000_000}, {"budget": 50_000}),
        ({"budget": 1_000_000, "max_uses": 40}, {"budget": 50_000, "total": 5}),
    ],
)
def test_every_limit_that_an_order_would_count_on_is_lent(
    lender: Lender, limits: dict[str, Any], kinds: dict[str, int]
) -> None:
    lender.publish(limited(**limits))

    lease = lender.lent(5)

    assert {kind: lender.account(kind).get("escrowed", 0) for kind in kinds} == kinds
    assert lease.HasField("uses") == (set(kinds) != {"budget"})
    assert [budget.minor for budget in lease.budgets] == ([50_000] if "budget" in kinds else [])


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"max_uses_per_customer": 1}, LEASE_REFUSAL_REASON_ONLINE_ONLY),
        ({"max_uses": 5, "max_uses_per_customer": 1}, LEASE_REFUSAL_REASON_ONLINE_ONLY),
        ({"max_uses_per_code": 5, "code": "A, B"}, LEASE_REFUSAL_REASON_ONLINE_ONLY),
        ({}, LEASE_REFUSAL_REASON_UNLIMITED),
    ],
)
def test_what_cant_be_lent_is_refused(lender: Lender, limits: dict[str, Any], reason: int) -> None:
    lender.publish(limited(**limits))

    answer = lender.renew(wish(), wish(promotion="unknown"))

    assert [(each.promotion_id, each.reason) for each in answer.refused] == [
        ("offer", reason),
        ("unknown", LEASE_REFUSAL_REASON_UNLIMITED),
    ]
    assert not answer.leases
    assert lender.states() == []


def test_vouchers_arent_lent(lender: Lender) -> None:
    promotion = limited(max_uses=100)
    promotion.trigger.voucher.SetInParent()
    lender.publish(promotion)

    assert [each.reason for each in lender.renew(wish()).refused] == [LEASE_REFUSAL_REASON_ONLINE_ONLY]


def test_a_lease_of_a_days_uses_ends_with_the_day(lender: Lender) -> None:
    lender.publish(limited(max_uses_per_day=40))

    lease = lender.lent(5)

    zone = ZoneInfo("Asia/Jakarta")
    begin, end = (moment.ToDatetime(UTC).astimezone(zone) for moment in (lease.start_time, lease.expire_time))
    assert lease.time_zone == "Asia/Jakarta"
    assert (end.hour, end.minute, end.date()) == (0, 0, begin.date() + timedelta(days=1))


def test_another_day_is_another_lease(lender: Lender) -> None:
    lender.publish(limited(max_uses_per_day=40))
    lease = lender.lent(5)
    with lender.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE limit_account SET key = '2000-01-01'")

    other = lender.lent(5)

    assert other.lease_id != lease.lease_id
    assert other.made
    assert lender.account("day") == {"escrowed": 10}


def test_the_day_of_a_lease_ends_at_the_midnight_after_a_clock_change(lender: Lender) -> None:
    lender.publish(limited(max_uses_per_day=40))
    limits = replace(
        lender.leases._limits(TILL),  # noqa: SLF001 - what it has in force
        store_zones={"paris": "Europe/Paris"},
    )
    found = terms(limits, "offer", "paris", datetime(2026, 3, 29, 0, 30, tzinfo=UTC), vouchers=False)

    assert isinstance(found, Terms)
    assert found.day_end == datetime(2026, 3, 29, 22, tzinfo=UTC)


def test_a_store_leases_budgets_of_its_own_currency(lender: Lender) -> None:
    promotion = limited(budget=1_000_000)
    promotion.limits.budget.add(currency_code="SGD", minor=1_000)
    lender.publish(promotion)

    assert [each.currency_code for each in lender.lent().budgets] == ["IDR"]
    assert [each.currency_code for each in lender.lent(store="nowhere").budgets] == ["IDR", "SGD"]


def test_other_limits_make_another_lease(lender: Lender) -> None:
    lender.publish(limited(max_uses=100))
    first = lender.lent(5)
    lender.publish(limited(max_uses=100, max_uses_per_store=50))

    second = lender.lent(5)

    assert second.made
    assert second.lease_id != first.lease_id
    assert lender.account("store") == {"escrowed": 5}
    assert lender.account() == {"escrowed": 10}


def test_a_limit_below_what_is_lent_lends_no_more(lender: Lender) -> None:
    lender.publish(limited(max_uses=40))
    lender.lent(10)
    lender.publish(limited(max_uses=8))

    assert lender.lent(20).uses == 10
    assert lender.renew(wish(), device="till-2").refused[0].reason == LEASE_REFUSAL_REASON_EXHAUSTED
    lender.publish(limited(max_uses=100))
    assert lender.lent(20).uses == 20


def test_a_till_that_lost_its_disk_has_other_leases(lender: Lender) -> None:
    lender.publish(limited(max_uses=100))
    assert lender.lent(5).lease_id != lender.lent(5, journal="j2").lease_id
    assert lender.account() == {"escrowed": 10}


def test_nobody_leases_for_the_till_of_another_token(lender: Lender) -> None:
    lender.publish(limited(max_uses=100))
    lender.lent(5)

    with pytest.raises(Denied) as refusal:
        lender.renew(wish(5), actor=replace(TILL, name="other"))
    assert refusal.value.reason == "OTHER_DEVICE"
    assert lender.lent(5, actor=Actor("boss", COMPANY, frozenset({Role.ADMIN}), "here")).uses == 5


def test_a_token_for_some_stores_leases_for_these(lender: Lender) -> None:
    lender.publish(limited(max_uses=100))
    mine = replace(TILL, store_ids=frozenset({"menteng"}))

    assert lender.lent(5, actor=mine).uses == 5
    with pytest.raises(Denied) as refusal:
        lender.renew(wish(5, store="ubud"), actor=mine)
    assert refusal.value.reason == "OTHER_STORE"


@pytest.mark.parametrize(
    ("request_", "reason", "field"),
    [
        (RenewLeasesRequest(journal_id="j"), "ID_INVALID", "device_id"),
        (RenewLeasesRequest(device_id="t", journal_id="a b"), "ID_INVALID", "journal_id"),
        ([LeaseWish(store_id="menteng")], "REQUIRED", "wishes[0].promotion_id"),
        ([wish(), wish()], "DUPLICATE", "wishes[1]"),
        ([wish(-1)], "OUT_OF_RANGE", "wishes[0]"),
        ([wish(idr=-1)], "OUT_OF_RANGE", "wishes[0]"),
        ([wish(store="a\nb")], "ID_INVALID", "wishes[0].store_id"),
        ([wish(promotion=str(number)) for number in range(WISHES_MAX + 1)], "TOO_MANY", "wishes"),
    ],
)
def test_what_makes_no_sense_is_refused(
    lender: Lender, request_: RenewLeasesRequest | list[LeaseWish], reason: str, field: str
) -> None:
    lender.publish(limited(max_uses=100))
    sent = (
        RenewLeasesRequest(device_id="t", journal_id="j", wishes=request_)
        if isinstance(request_, list)
        else request_
    )
    with pytest.raises(Invalid) as refusal:
        lender.leases.renew(TILL, sent)
    assert (refusal.value.reason, refusal.value.field) == (reason, field)


def test_a_currency_twice_is_refused(lender: Lender) -> None:
    lender.publish(limited(budget=100))
    twice = wish(idr=1)
    twice.budgets.add(currency_code="IDR", minor=2)
    with pytest.raises(Refusal, match="twice"):
        lender.renew(twice)


def test_without_rules_and_for_another_company_nothing_is_lent(lender: Lender) -> None:
    with pytest.raises(NotReady):
        lender.lent()
    lender.publish(limited(max_uses=100))
    with pytest.raises(Denied) as refusal:
        lender.lent(actor=replace(TILL, company_id="other"))
    assert refusal.value.reason == "OTHER_COMPANY"
