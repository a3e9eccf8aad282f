"""What a till may grant of limited promotions on its own: its leases, and what it has spent of them."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from dealwright.codes import skeleton, voucher_of
from dealwright.grants import grants
from dealwright.till.chain import Entry, Place
from dealwright.till.limits import Limited
from dealwright.till.storage import Storage, replace
from dealwright.till.vouchers import Granting, HeldVouchers
from dealwright.v1.cart_pb2 import Cart, LimitState, PromotionLimitState, Voucher
from dealwright.v1.journal_pb2 import JournalSale
from dealwright.v1.lease_pb2 import HeldLease, HeldLeases, Lease

FILE = "leases"

Key = tuple[str, str]
"""A promotion and a store."""


@dataclass(slots=True)
class Held:
    """A lease and what was spent of it."""

    lease: Lease
    spent: int = 0
    spent_budgets: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    vouchers: HeldVouchers = field(init=False)

    def __post_init__(self) -> None:
        self.vouchers = HeldVouchers(self.lease.vouchers)

    @property
    def key(self) -> Key:
        return self.lease.promotion_id, self.lease.store_id

    @property
    def expire_time(self) -> float:
        """In Unix seconds."""
        return _seconds(self.lease.expire_time)

    @property
    def uses_left(self) -> int:
        return max(0, self.lease.uses - self.spent)

    def budget_left(self, currency_code: str) -> int:
        leased = {each.currency_code: each.minor for each in self.lease.budgets}
        return max(0, leased.get(currency_code, 0) - self.spent_budgets[currency_code])

    def usable(self, cart: Cart, now: float) -> bool:
        """Whether it may be spent for a cart of its store at a trusted time, in Unix seconds."""
        in_time = _seconds(self.lease.start_time) <= now < self.expire_time
        return in_time and (not self.lease.time_zone or cart.time_zone in ("", self.lease.time_zone))

    def spend(self, currency_code: str, cost_minor: int, voucher_id: str) -> None:
        """One order was granted the promotion, perhaps for a voucher."""
        self.spent += 1
        self.spent_budgets[currency_code] += cost_minor
        if voucher_id:
            self.vouchers.spend(bytes.fromhex(voucher_id))

    def renewed(self, lease: Lease) -> Held:
        """The same with what a server gives of it now."""
        renewed = Held(lease, self.spent, self.spent_budgets)
        renewed.vouchers.spent.update(self.vouchers.spent)
        return renewed

    def message(self) -> HeldLease:
        message = HeldLease(lease=self.lease, spent=self.spent)
        for currency, minor in sorted(self.spent_budgets.items()):
            message.spent_budgets.add(currency_code=currency, minor=minor)
        for (batch_id, voucher_id), uses in sorted(self.vouchers.spent.items()):
            message.spent_vouchers.add(batch_id=batch_id, voucher_id=voucher_id, uses=uses)
        return message

    @classmethod
    def of(cls, message: HeldLease) -> Held:
        held = cls(message.lease, message.spent)
        held.spent_budgets.update({each.currency_code: each.minor for each in message.spent_budgets})
        held.vouchers.spent.update(
            {(each.batch_id, each.voucher_id): each.uses for each in message.spent_vouchers}
        )
        return held


class Leases:
    """The leases that a till holds, on its disk and in memory. Any thread may use it.

    What is spent is certain once the journal has the sale: after a crash it is read there. What takes a place
    in the journal has to be called while nobody writes that, so that what is spent until there is counted.
    """

    def __init__(self, storage: Storage, journal_id: str, begin: Place, entries: Iterable[Entry]) -> None:
        """`entries` are those of the journal from a place on."""
        self._storage = storage
        self._journal_id = journal_id
        self._lock = threading.RLock()
        self._held: dict[Key, Held] = {}
        self._take_up(begin, list(entries))

    def held(self) -> dict[Key, Held]:
        """What is held now."""
        with self._lock:
            return dict(self._held)

    # Pricing and selling.

    def limit_state(self, limited: Mapping[str, Limited], cart: Cart, now: float) -> LimitState:
        """What the till may still grant a cart of promotions with limits."""
        state = LimitState()
        with self._lock:
            vouched = self.granting(cart, now)
            for promotion_id, limits in limited.items():
                if limits.concern(cart.currency_code):
                    held = self._usable(promotion_id, cart, now)
                    if limits.vouched and promotion_id not in vouched:
                        held = None
                    state.promotions.append(_left(promotion_id, limits, held, cart.currency_code))
        return state

    def vouchers(self, codes: Iterable[str], store_id: str, now: float) -> list[Voucher]:
        """Those of some codes that the till may grant now, each with its promotion."""
        found = []
        cart = Cart(store_id=store_id)
        with self._lock:
            usable = [held for held in self._held.values() if self._usable(held.key[0], cart, now) is held]
            for code in codes:
                letters = skeleton(code)
                granting = (held for held in usable if held.vouchers.find(letters, now) is not None)
                held = next(granting, None)
                if held is not None:
                    found.append(Voucher(code=code, promotion_id=held.lease.promotion_id))
        return found

    def granting(self, cart: Cart, now: float) -> dict[str, Granting]:
        """The vouchers of a cart that the till grants promotions for, one for each promotion."""
        found: dict[str, Granting] = {}
        with self._lock:
            for voucher in cart.vouchers:
                held = self._usable(voucher.promotion_id, cart, now)
                if held is not None and voucher.promotion_id not in found:
                    letters = skeleton(voucher.code)
                    leased = held.vouchers.find(letters, now)
                    if leased is not None:
                        found[voucher.promotion_id] = Granting(letters, leased.voucher_id)
        return found

    def taken_by(self, limited: Mapping[str, Limited], sale: JournalSale, now: float) -> list[str]:
        """The leases that a sale takes something of, which it has to name."""
        cart = sale.request.cart
        with self._lock:
            found = (
                self._usable(grant.promotion_id, cart, now)
                for grant in grants(sale.result)
                if grant.promotion_id in limited and limited[grant.promotion_id].concern(cart.currency_code)
            )
            return [held.lease.lease_id for held in found if held is not None]

    def spend(self, sale: JournalSale) -> None:
        """Counts a sale that the journal has."""
        with self._lock:
            self._spend(sale)

    # Holding.

    def unknown(self, given: Iterable[Lease]) -> list[str]:
        """The leases that the till has to close before it takes what a server gives: those for which there is
        another one now, and those of which it doesn't know what it spent.
        """
        closing = []
        with self._lock:
            for lease in given:
                known = self._held.get((lease.promotion_id, lease.store_id))
                if known is not None and known.lease.lease_id != lease.lease_id:
                    closing.append(known.lease.lease_id)
                if not lease.made and (known is None or known.lease.lease_id != lease.lease_id):
                    closing.append(lease.lease_id)
        return closing

    def take(self, given: Iterable[Lease], place: Place) -> None:
        """Takes leases from a server; they are on the disk before anything is spent of them."""
        with self._lock:
            fresh = dict(self._held)
            for lease in given:
                key = lease.promotion_id, lease.store_id
                known = fresh.get(key)
                if known is not None and known.lease.lease_id == lease.lease_id:
                    fresh[key] = known.renewed(lease)
                elif known is None and lease.made:
                    fresh[key] = Held(lease)
            self._write(fresh, place)
            self._held = fresh

    def drop(self, lease_ids: Collection[str], place: Place) -> None:
        """Holds leases no longer. The journal says already that they are closed."""
        with self._lock:
            self._drop(lease_ids)
            self._write(self._held, place)

    def keep(self, place: Place) -> None:
        """Writes down what was spent until a place in the journal, which may then begin a new file."""
        with self._lock:
            if self._held:
                self._write(self._held, place)

    def _usable(self, promotion_id: str, cart: Cart, now: float) -> Held | None:
        held = self._held.get((promotion_id, cart.store_id))
        return held if held is not None and held.usable(cart, now) else None

    def _spend(self, sale: JournalSale) -> None:
        costs = {grant.promotion_id: grant.cost_minor for grant in grants(sale.result)}
        for held in self._held.values():
            if held.lease.lease_id in sale.lease_ids and held.lease.promotion_id in costs:
                vouchers = sale.request.cart.vouchers
                named = (each for each in vouchers if each.promotion_id == held.lease.promotion_id)
                voucher_id = next((voucher_of(each.code) for each in named), "")
                held.spend(sale.request.cart.currency_code, costs[held.lease.promotion_id], voucher_id)

    def _take_up(self, begin: Place, entries: list[Entry]) -> None:
        kept = _read(self._storage.read(FILE))
        end = entries[-1].place.sequence if entries else begin.sequence
        if kept.journal_id != self._journal_id or not begin.sequence <= kept.sequence <= end:
            return
        self._held = {held.key: held for held in map(Held.of, kept.leases)}
        for entry in entries:
            if entry.record.sequence > kept.sequence:
                self._spend(entry.record.sale)
                self._drop(entry.record.closing.lease_ids)

    def _drop(self, lease_ids: Collection[str]) -> None:
        self._held = {key: held for key, held in self._held.items() if held.lease.lease_id not in lease_ids}

    def _write(self, held: Mapping[Key, Held], place: Place) -> None:
        leases = [each.message() for each in held.values()]
        kept = HeldLeases(journal_id=self._journal_id, sequence=place.sequence, leases=leases)
        replace(self._storage, FILE, kept.SerializeToString(deterministic=True))


def _left(promotion_id: str, limits: Limited, held: Held | None, currency_code: str) -> PromotionLimitState:
    """What is left of a lease. Where there is none, or none of a kind that is needed, it is nothing."""
    state = PromotionLimitState(promotion_id=promotion_id)
    if held is None:
        state.leased_uses_left = 0
        return state
    if limits.counts:
        state.leased_uses_left = held.uses_left
    if currency_code in limits.currencies:
        state.budget_left_minor = held.budget_left(currency_code)
    return state


def _read(data: bytes) -> HeldLeases:
    """A file that can't be read is as good as none."""
    try:
        return HeldLeases.FromString(data)
    except DecodeError:
        return HeldLeases()


def _seconds(moment: Timestamp) -> float:
    return moment.ToNanoseconds() / 1e9
