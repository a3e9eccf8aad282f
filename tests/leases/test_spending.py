"""What journals tell of leases is booked once; what a till granted beyond its lease is overrun, and shown."""

from dataclasses import replace

import pytest
from dealwright.v1.lease_service_pb2 import LEASE_STATE_CLOSED, ListLeasesRequest
from sqlalchemy import Engine, text

from server.audit.service import Audit
from server.leases.reclaiming import AT_ONCE, reclaim_overdue
from server.redemption import invariants
from server.runtime.errors import Invalid
from tests.leases.lender import TILL, Book, Lender, wish
from tests.redemption.shop import COMPANY, OFF_MINOR, limited


def test_a_sale_is_taken_out_of_its_lease(lender: Lender, book: Book) -> None:
    lender.publish(limited(max_uses=100, budget=100 * OFF_MINOR))
    (lease,) = lender.renew(wish(5, idr=5 * OFF_MINOR)).leases
    book.sold("s1", lease.lease_id)
    book.sold("s2")

    book.upload()

    assert lender.account() == {"posted": 1, "escrowed": 4}
    assert lender.account("budget") == {"posted": OFF_MINOR, "escrowed": 4 * OFF_MINOR}
    assert book.alarms() == []


def test_the_same_sale_is_booked_once_however_often_it_comes(lender: Lender, book: Book) -> None:
    lender.publish(limited(max_uses=100))
    lease = lender.lent(5)
    for sale_id in ("s1", "s2", "s2"):
        book.sold(sale_id, lease.lease_id)

    assert [book.upload(book.entries[:1]), book.upload(), book.upload()] == [1, 2, 0]

    # A till writes a sale once; should it come in two entries, it counts once.
    assert lender.account() == {"posted": 2, "escrowed": 3}


def test_a_closed_lease_gives_back_what_is_left(lender: Lender, book: Book) -> None:
    lender.publish(limited(max_uses=100))
    lease = lender.lent(5)
    book.sold("s1", lease.lease_id)
    book.closed(lease.lease_id, lease.lease_id, "unknown")

    book.upload()
    book.upload()

    assert lender.account() == {"posted": 1}
    assert lender.states() == ["closed"]
    assert lender.lent(5).lease_id != lease.lease_id


def test_more_than_the_lease_had_is_overrun(lender: Lender, book: Book) -> None:
    lender.publish(limited(max_uses=100))
    lease = lender.lent(2)
    for number in range(4):
        book.sold(f"s{number}", lease.lease_id)

    book.upload()

    assert lender.account() == {"posted": 2, "overrun": 2}
    assert book.alarms() == [("overrun", 3), ("overrun", 4)]


def test_a_budget_is_overrun_by_what_it_lacked(lender: Lender, book: Book) -> None:
    lender.publish(limited(budget=1_000_000))
    (lease,) = lender.renew(wish(idr=100)).leases
    book.sold("s1", lease.lease_id, off=70)
    book.sold("s2", lease.lease_id, off=70)

    book.upload()

    assert lender.account("budget") == {"posted": 100, "overrun": 40}
    assert book.alarms() == [("overrun", 2)]


def test_a_sale_after_the_closing_is_overrun(lender: Lender, book: Book) -> None:
    lender.publish(limited(max_uses=100))
    lease = lender.lent(5)
    book.closed(lease.lease_id)
    book.sold("s1", lease.lease_id)

    book.upload()

    assert lender.account() == {"overrun": 1}
    assert book.alarms() == [("overrun", 2)]


def test_what_wasnt_granted_takes_nothing(lender: Lender, book: Book) -> None:
    lender.publish(limited(max_uses=100))
    lease = lender.lent(5)
    book.sold("s1", lease.lease_id)
    book.entries[0].record.sale.result.applications[0].promotion_id = "other"
    made, book.entries = book.entries[0].record, []
    book._write(made)  # noqa: SLF001 - chained anew

    book.upload()

    assert lender.account() == {"escrowed": 5}


@pytest.mark.parametrize("other", ["device", "journal", "unknown"])
def test_a_sale_from_a_lease_of_somebody_else_is_told_and_takes_nothing(lender: Lender, other: str) -> None:
    lender.publish(limited(max_uses=100))
    lease_id = lender.lent(5).lease_id
    book = Book(
        lender,
        device_id="till-2" if other == "device" else "till-1",
        journal_id="j2" if other == "journal" else "j1",
    )
    book.sold("s1", "no lease" if other == "unknown" else lease_id)

    book.upload()

    assert lender.account() == {"escrowed": 5}
    assert book.alarms() == [("lease", 1)]


def test_an_expired_lease_is_waited_for_and_then_taken_back(lender: Lender, book: Book) -> None:
    lender.publish(limited(max_uses=100))
    lease = lender.lent(5)
    book.sold("s1", lease.lease_id)
    book.sold("s2", lease.lease_id)
    book.upload(book.entries[:1])

    lender.let_pass("95 hours")
    assert reclaim_overdue(lender.engine) == 0
    assert lender.account() == {"posted": 1, "escrowed": 4}

    lender.let_pass("2 hours")
    assert reclaim_overdue(lender.engine) == 1
    assert lender.account() == {"posted": 1}
    assert lender.states() == ["reclaimed"]

    # The till was away for longer than anybody waits.
    book.upload(book.entries[1:])
    assert lender.account() == {"posted": 1, "overrun": 1}
    assert book.alarms() == [("overrun", 2)]


def test_a_renewed_lease_is_waited_for_anew(lender: Lender) -> None:
    lender.publish(limited(max_uses=100))
    lender.lent(5)
    lender.let_pass("95 hours")
    lender.lent(5)
    lender.let_pass("20 hours")

    assert reclaim_overdue(lender.engine) == 0


def test_many_are_taken_back_in_pieces(lender: Lender) -> None:
    lender.publish(*(limited(f"offer-{number}", max_uses=100) for number in range(AT_ONCE + 1)))
    names = [f"offer-{number}" for number in range(AT_ONCE + 1)]
    lender.renew(*(wish(1, promotion=name) for name in names))
    lender.let_pass("97 hours")

    assert reclaim_overdue(lender.engine) == AT_ONCE + 1
    assert lender.account() == {}


def test_an_overrun_is_in_the_audit_log(lender: Lender, book: Book) -> None:
    lender.publish(limited(max_uses=100))
    book.sold("s1", lender.lent(1).lease_id)
    book.sold("s2", book.entries[0].record.sale.lease_ids[0])
    book.upload()

    comments = [entry.comment for entry in Audit(lender.engine).entries(COMPANY)]
    assert any("overrun" in comment for comment in comments)


def test_leases_are_listed_with_what_became_of_them(lender: Lender, book: Book) -> None:
    lender.publish(limited(max_uses=100), limited("other", max_uses=100))
    lease = lender.lent(3)
    lender.renew(wish(4, promotion="other"))
    for number in range(4):
        book.sold(f"s{number}", lease.lease_id)
    book.closed(lease.lease_id)
    book.upload()

    def listed(**asked: object) -> list[str]:
        found = lender.leases.page(TILL, ListLeasesRequest(**asked)).leases  # type: ignore[arg-type]
        return [each.promotion_id for each in found]

    assert listed() == ["other", "offer"]
    assert listed(page_size=1) == ["other"]
    assert listed(open_only=True) == ["other"]
    assert listed(overrun_only=True) == listed(promotion_id="offer") == ["offer"]
    assert listed(device_id="till-9") == []
    (found,) = lender.leases.page(TILL, ListLeasesRequest(overrun_only=True)).leases
    (amount,) = found.amounts
    assert (found.state, amount.kind, amount.unit) == (LEASE_STATE_CLOSED, "total", "use")
    assert (amount.leased, amount.spent, amount.returned, amount.overrun) == (3, 3, 0, 1)
    elsewhere = replace(TILL, store_ids=frozenset({"ubud"}))
    assert not lender.leases.page(elsewhere, ListLeasesRequest()).leases
    with pytest.raises(Invalid, match="page_size"):
        lender.leases.page(TILL, ListLeasesRequest(page_size=501))


@pytest.mark.parametrize(
    ("fault", "broken"),
    [
        ("UPDATE lease_part SET spent = 1", {"account_is_held", "lease_is_spends"}),
        ("UPDATE lease_part SET leased = 7", {"account_is_held"}),
        ("UPDATE limit_account SET escrowed = 0", {"account_is_held", "account_is_ledger"}),
        ("UPDATE lease SET state = 'closed', resolve_time = now()", {"lease_is_spends"}),
        ("UPDATE lease SET promotion_id = 'other'", {"one_unit"}),
        ("UPDATE lease SET company_id = 'other'", {"one_unit"}),
    ],
)
def test_invariants_find_what_somebody_changed_by_hand(
    database: Engine, fault: str, broken: set[str]
) -> None:
    lender = Lender(database)
    lender.publish(limited(max_uses=100))
    lender.lent(5)
    with database.begin() as connection:
        connection.execute(text(fault))

    assert {violation.invariant.name for violation in invariants.check(database)} == broken
