"""Leases on a till's disk: spent once whatever crashes, and asked for as they are needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from dealwright import codes
from dealwright.till import chain
from dealwright.till import journal as journals
from dealwright.till.demand import AGAIN_SECONDS, Demand
from dealwright.till.journal import Journal
from dealwright.till.leases import FILE, Held, Leases
from dealwright.till.limits import Limited, limited
from dealwright.till.storage import DiskFailed
from dealwright.v1.cart_pb2 import Cart
from dealwright.v1.journal_pb2 import JournalClosing, JournalRecord, JournalSale
from dealwright.v1.lease_pb2 import Lease
from dealwright.v1.stacking_pb2 import SHORT_BUDGET_PARTIAL

from tests.client.disks import Crash, Disk, full
from tests.redemption import shop

NOON = 1_795_000_000.0
DAY = 86_400.0
KEY = ("offer", "menteng")
COUNTED = {"offer": Limited(counts=True, currencies=frozenset())}
PAID = {"offer": Limited(counts=False, currencies=frozenset({"IDR"}))}
CART = Cart(currency_code="IDR", store_id="menteng")


def lease(uses: int | None = 5, idr: int | None = None, *, lease_id: str = "l1", made: bool = True) -> Lease:
    message = Lease(lease_id=lease_id, promotion_id="offer", store_id="menteng", uses=uses, made=made)
    if idr is not None:
        message.budgets.add(currency_code="IDR", minor=idr)
    message.start_time.FromSeconds(int(NOON))
    message.expire_time.FromSeconds(int(NOON + DAY))
    return message


@dataclass
class Shop:
    """A journal and the leases beside it, as a till has them."""

    disk: Disk = field(default_factory=Disk)

    def __post_init__(self) -> None:
        self.journal = Journal(self.disk)
        self.leases = Leases(self.disk, self.journal.journal_id, self.journal.begin, self.journal.entries)
        self.journal.before_new_file = lambda: self.leases.keep(self.journal.place)

    def take(self, *given: Lease) -> None:
        self.leases.take(given, self.journal.place)

    def sell(self, sale_id: str, off: int = 100, limits: dict[str, Limited] = COUNTED) -> bool:
        """Whether a sale was granted the offer."""
        (state,) = self.leases.limit_state(limits, CART, NOON).promotions
        granted = (state.leased_uses_left > 0) if limits is COUNTED else state.budget_left_minor >= off
        sale = JournalSale(sale_id=sale_id)
        sale.request.cart.CopyFrom(CART)
        if granted:
            sale.result.applications.add(promotion_id="offer", discount_minor=off)
        sale.lease_ids.extend(self.leases.taken_by(limits, sale, NOON))
        assert bool(sale.lease_ids) == granted
        self.journal.append(JournalRecord(sale=sale))
        self.leases.spend(sale)
        return granted

    def left(self) -> int:
        return self.leases.held()[KEY].uses_left if KEY in self.leases.held() else 0

    def again(self, *, lucky: bool = False) -> Shop:
        """As it is after a power cut."""
        return Shop(self.disk.after_power_cut(lucky=lucky))


def test_it_is_spent_until_nothing_is_left() -> None:
    shop = Shop()
    assert not shop.sell("before")
    shop.take(lease(2))
    assert [shop.sell(f"s{number}") for number in range(4)] == [True, True, False, False]


def test_a_budget_is_spent_by_what_the_offer_costs() -> None:
    shop = Shop()
    shop.take(lease(None, idr=250))
    assert [shop.sell(f"s{number}", 100, PAID) for number in range(3)] == [True, True, False]
    assert shop.leases.held()[KEY].budget_left("IDR") == 50


@pytest.mark.parametrize("lucky", [False, True])
def test_after_a_crash_as_much_is_left_as_before(lucky: bool) -> None:
    shop = Shop()
    shop.take(lease(5))
    for number in range(3):
        shop.sell(f"s{number}")

    assert shop.again(lucky=lucky).left() == 2
    assert shop.again(lucky=lucky).again(lucky=lucky).left() == 2


@pytest.mark.parametrize("lucky", [False, True])
@pytest.mark.parametrize("step", range(1, 27))
def test_a_crash_anywhere_never_spends_twice(step: int, lucky: bool) -> None:
    """Sells, renews, closes and takes another lease, until the disk dies; then as much as is left is sold."""
    shop = Shop()
    sold = 0
    shop.disk.fail_at = shop.disk.steps + step
    try:
        shop.take(lease(3))
        for number in range(2):
            sold += shop.sell(f"first-{number}")
        shop.take(lease(4, made=False))
        sold += shop.sell("then")
        shop.journal.append(JournalRecord(closing=JournalClosing(lease_ids=["l1"])))
        shop.leases.drop(["l1"], shop.journal.place)
        shop.take(lease(2, lease_id="l2"))
        sold += shop.sell("last")
    except Crash:
        shop = shop.again(lucky=lucky)
    sold += sum(shop.sell(f"rest-{number}") for number in range(9))

    takings = [lease_id for entry in shop.again().journal.entries for lease_id in entry.record.sale.lease_ids]
    # A sale may be certain though the till died before it could say so.
    assert len(takings) - 1 <= sold <= len(takings)
    assert takings.count("l1") <= 4
    assert takings.count("l2") <= 2


def test_a_new_file_of_the_journal_forgets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "FILE_BYTES_MAX", 100)
    shop = Shop()
    shop.take(lease(5))
    for number in range(3):
        shop.sell(f"s{number}")
        shop.journal.note_sent(shop.journal.place.sequence)
    assert not shop.journal.entries

    assert shop.again().left() == 2


def test_leases_of_which_the_journal_lost_something_arent_spent() -> None:
    shop = Shop()
    shop.take(lease(5))
    shop.sell("s1")
    shop.take(lease(5, made=False))
    shop.disk.names["journal"].seen = shop.disk.names["journal"].seen[: chain.HEAD_BYTES]
    assert Shop(Disk({name: each.seen for name, each in shop.disk.names.items()})).left() == 0


@pytest.mark.parametrize("data", [b"", b"\xff\xff\xff", b"\x0a\x03abc"])
def test_a_file_that_says_nothing_is_as_good_as_none(data: bytes) -> None:
    shop = Shop()
    shop.take(lease(5))
    shop.disk.names[FILE].seen = data
    assert Shop(shop.disk).left() == 0


def test_a_full_disk_takes_no_lease() -> None:
    shop = Shop()
    shop.disk.fail_at, shop.disk.failure = shop.disk.steps + 1, full()
    with pytest.raises(DiskFailed):
        shop.take(lease(5))
    assert shop.left() == 0


def test_a_lease_that_it_doesnt_know_is_closed_and_not_spent() -> None:
    shop = Shop()
    given = [lease(5, made=False)]

    assert shop.leases.unknown(given) == ["l1"]
    shop.take(*given)
    assert shop.left() == 0


def test_a_lease_in_the_place_of_another_closes_that() -> None:
    shop = Shop()
    shop.take(lease(5))
    assert shop.leases.unknown([lease(5, lease_id="l2")]) == ["l1"]
    assert shop.leases.unknown([lease(9, made=False)]) == []


@pytest.mark.parametrize(
    ("change", "moment", "zone"),
    [
        (lambda given: None, NOON - 1, ""),
        (lambda given: None, NOON + DAY, ""),
        (lambda given: setattr(given, "time_zone", "Asia/Jakarta"), NOON, "Asia/Makassar"),
        (lambda given: setattr(given, "store_id", "ubud"), NOON, ""),
    ],
)
def test_it_is_spent_in_its_time_zone_and_store_alone(
    change: Callable[[Lease], None], moment: float, zone: str
) -> None:
    shop, given = Shop(), lease(5)
    change(given)
    shop.take(given)
    cart = Cart(currency_code="IDR", store_id="menteng", time_zone=zone)

    (state,) = shop.leases.limit_state(COUNTED, cart, moment).promotions
    assert (state.leased_uses_left, state.HasField("leased_uses_left")) == (0, True)


def test_a_lease_without_what_is_limited_now_allows_nothing() -> None:
    shop = Shop()
    shop.take(lease(None, idr=500))
    both = {"offer": Limited(counts=True, currencies=frozenset({"IDR"}))}
    (state,) = shop.leases.limit_state(both, CART, NOON).promotions
    assert (state.leased_uses_left, state.budget_left_minor) == (0, 500)


def test_which_promotions_have_limits() -> None:
    promotions = [
        shop.limited("uses", max_uses_per_day=1),
        shop.limited("budget", budget=5),
        shop.limited("none"),
        shop.limited("vouched"),
    ]
    promotions[3].trigger.voucher.SetInParent()
    promotions[1].limits.on_short_budget = SHORT_BUDGET_PARTIAL
    assert limited(promotions) == {
        "uses": Limited(counts=True, currencies=frozenset()),
        "budget": Limited(counts=False, currencies=frozenset({"IDR"})),
        "vouched": Limited(counts=False, currencies=frozenset(), vouched=True),
    }
    assert not limited(promotions)["budget"].concern("SGD")


class TestDemand:
    """How much is asked for, and when."""

    def held(self, uses: int = 10, spent: int = 0) -> Held:
        held = Held(lease(uses))
        held.spent = spent
        return held

    def test_in_the_beginning_the_server_decides(self) -> None:
        wish = Demand(KEY).wish(None, NOON)
        assert wish is not None
        assert not wish.HasField("uses")

    def test_nothing_is_asked_while_enough_is_left(self) -> None:
        demand = Demand(KEY)
        demand.renewed(self.held(), NOON)
        assert demand.wish(self.held(spent=5), NOON + 60) is None

    def test_what_goes_quickly_is_doubled(self) -> None:
        demand = Demand(KEY)
        demand.renewed(self.held(), NOON)
        wish = demand.wish(self.held(spent=6), NOON + 60)
        assert wish is not None
        assert wish.uses == 6 + 20

    def test_what_is_needed_in_a_day_is_asked_for(self) -> None:
        demand = Demand(KEY)
        demand.renewed(self.held(), NOON)
        wish = demand.wish(self.held(spent=6), NOON + DAY / 2)
        assert wish is not None
        assert wish.uses == 6 + 12

    def test_what_is_hardly_needed_is_taken_anew_and_smaller(self) -> None:
        demand = Demand(KEY)
        demand.renewed(self.held(100), NOON)
        assert not demand.shrinks(self.held(100, spent=2), NOON + DAY / 4)
        assert not demand.shrinks(self.held(100, spent=30), NOON + DAY / 2)
        assert demand.shrinks(self.held(100, spent=2), NOON + DAY / 2)
        wish = demand.wish(None, NOON + DAY / 2)
        assert wish is not None
        assert wish.uses == 25

    def test_where_nothing_is_left_it_is_asked_again_after_a_while(self) -> None:
        demand = Demand(KEY)
        demand.renewed(self.held(spent=10), NOON)
        assert demand.wish(self.held(spent=10), NOON + AGAIN_SECONDS - 1) is None
        assert demand.wish(self.held(spent=10), NOON + AGAIN_SECONDS) is not None

    def test_a_refusal_is_taken_for_a_while(self) -> None:
        demand = Demand(KEY)
        demand.refused(NOON)
        assert demand.wish(None, NOON + AGAIN_SECONDS - 1) is None
        assert demand.wish(None, NOON + AGAIN_SECONDS) is not None

    def test_a_budget_that_was_too_small_is_asked_for(self) -> None:
        demand = Demand(KEY, needed={"IDR": 700})
        held = Held(lease(None, idr=500))
        demand.renewed(held, NOON)
        wish = demand.wish(held, NOON + AGAIN_SECONDS)
        assert wish is not None
        assert [budget.minor for budget in wish.budgets] == [700]

    def test_after_a_restart_it_is_asked_at_once(self) -> None:
        wish = Demand(KEY).wish(self.held(spent=3), NOON)
        assert wish is not None
        assert wish.uses == 10


def vouched(risk: int | None = None, begin: float | None = None, end: float | None = None) -> Lease:
    """A lease of nothing but two vouchers, one of which is good twice."""
    message = lease(None)
    batch = message.vouchers.add(batch_id=1, key=b"k" * 32, risk_uses=risk)
    for number, (code, uses) in enumerate((("AAA", 1), ("BBB", 2))):
        voucher_id = bytes([number]) * codes.ID_BYTES
        voucher = batch.vouchers.add(
            voucher_id=voucher_id, tag=codes.tag(batch.key, codes.skeleton(code)), uses=uses
        )
        if begin is not None:
            voucher.start_time.FromSeconds(int(begin))
        if end is not None:
            voucher.end_time.FromSeconds(int(end))
    return message


def use(held: Held, code: str, now: float = NOON) -> bool:
    """Whether a code was granted."""
    found = held.vouchers.find(codes.skeleton(code), now)
    if found is not None:
        held.spend("IDR", 100, found.voucher_id.hex())
    return found is not None


def test_a_voucher_is_granted_as_often_as_it_may_be_also_after_a_renewal_and_a_restart() -> None:
    held = Held(vouched())
    assert [use(held, code) for code in ("aaa", "A-AA", "BBB", "CCC", "")] == [
        True,
        False,
        True,
        False,
        False,
    ]

    held = held.renewed(vouched())
    assert not use(held, "AAA")
    held = Held.of(held.message())
    assert [use(held, code) for code in ("AAA", "BBB", "BBB")] == [False, True, False]
    assert not held.vouchers.low


def test_at_risk_no_more_is_granted_than_the_cap_and_half_of_it_is_low() -> None:
    held = Held(vouched(risk=2))
    assert use(held, "BBB")
    assert not held.vouchers.low
    assert use(held, "BBB")
    assert held.vouchers.low
    assert not use(held, "AAA")
    # A server knows of both and fills the cap; codes that are used up it doesn't name any more.
    renewed = vouched(risk=4)
    del renewed.vouchers[0].vouchers[1]
    held = held.renewed(renewed)
    assert [use(held, "BBB"), use(held, "AAA")] == [False, True]
    assert Held.of(held.message()).vouchers.spent == held.vouchers.spent


@pytest.mark.parametrize(("seconds", "applies"), [(-1, False), (0, True), (9, True), (10, False)])
def test_a_voucher_applies_in_its_time(seconds: int, applies: bool) -> None:
    assert use(Held(vouched(begin=NOON, end=NOON + 10)), "AAA", NOON + seconds) is applies


def test_a_lease_of_vouchers_alone_is_renewed_and_never_too_large() -> None:
    demand = Demand(KEY)
    held = Held(vouched(risk=2))
    demand.renewed(held, NOON)
    later = NOON + 0.6 * DAY
    assert not demand.shrinks(held, later)
    assert demand.wish(held, NOON + 1) is None
    assert demand.wish(held, later) is not None
    use(held, "BBB")
    use(held, "BBB")
    assert demand.wish(held, NOON + 1) is not None
