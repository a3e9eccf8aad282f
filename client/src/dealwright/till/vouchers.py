"""The vouchers of a lease: which codes a till may grant, which it has granted, and how they are written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from dealwright_engine import fold

from dealwright.codes import masked, masked_unknown, skeleton, tag
from dealwright.v1.cart_pb2 import Cart, Voucher
from dealwright.v1.lease_pb2 import LeasedVoucher, LeasedVouchers

CODE_CHARS_MAX = 200
"""What is longer is no code, and the engine refuses it."""

Spent = tuple[int, bytes]
"""A batch and a voucher of it."""


@dataclass(frozen=True, slots=True)
class Granting:
    """A voucher of a cart that the till grants a promotion for."""

    letters: str
    voucher_id: bytes


class HeldVouchers:
    """What a server lets the till grant, and what was granted of it. Not for several threads at once."""

    def __init__(self, given: Iterable[LeasedVouchers]) -> None:
        self._batches = tuple(given)
        self._by_tag = [{each.tag: each for each in batch.vouchers} for batch in self._batches]
        self._batch_of = {
            each.voucher_id: batch.batch_id for batch in self._batches for each in batch.vouchers
        }
        self.spent: Counter[Spent] = Counter()
        """Uses, also of vouchers that a server doesn't name any more."""

    def find(self, letters: str, now: float) -> LeasedVoucher | None:
        """The voucher of a code that may be granted at a trusted time, in Unix seconds."""
        for batch, by_tag in zip(self._batches, self._by_tag, strict=True):
            found = by_tag.get(tag(batch.key, letters))
            if found is not None:
                return found if self._is_left(batch, found) and _in_force(found, now) else None
        return None

    def spend(self, voucher_id: bytes) -> None:
        """An order was granted the promotion for a voucher."""
        self.spent[self._batch_of.get(voucher_id, 0), voucher_id] += 1

    @property
    def low(self) -> bool:
        """Whether half of what the till may grant at risk is gone."""
        return any(
            batch.HasField("risk_uses") and 2 * self._risk_left(batch) < batch.risk_uses
            for batch in self._batches
        )

    def _is_left(self, batch: LeasedVouchers, voucher: LeasedVoucher) -> bool:
        used = self.spent[batch.batch_id, voucher.voucher_id]
        return used < voucher.uses and (not batch.HasField("risk_uses") or self._risk_left(batch) > 0)

    def _risk_left(self, batch: LeasedVouchers) -> int:
        spent = sum(uses for (batch_id, _), uses in self.spent.items() if batch_id == batch.batch_id)
        return batch.risk_uses - spent


def written(cart: Cart, granting: Mapping[str, Granting], public: Collection[str]) -> Cart:
    """A cart as it is written down, with what stands for codes that aren't public.

    Of the vouchers of a promotion only the one is left that it is granted for, if there is one.
    """
    masks = {each.letters: masked(each.voucher_id, each.letters) for each in granting.values()}

    def kept(code: str) -> str:
        letters = skeleton(code)
        if not letters or len(code) > CODE_CHARS_MAX or fold(code) in public:
            return code
        return masks.setdefault(letters, masked_unknown(letters))

    copy = Cart()
    copy.CopyFrom(cart)
    copy.codes[:] = map(kept, cart.codes)
    del copy.vouchers[:]
    granted: set[str] = set()
    for voucher in cart.vouchers:
        promotion_id = voucher.promotion_id
        if promotion_id in granting:
            if promotion_id in granted or granting[promotion_id].letters != skeleton(voucher.code):
                continue
            granted.add(promotion_id)
        copy.vouchers.append(Voucher(code=kept(voucher.code), promotion_id=promotion_id))
    return copy


def _in_force(voucher: LeasedVoucher, now: float) -> bool:
    begun = not voucher.HasField("start_time") or voucher.start_time.ToNanoseconds() / 1e9 <= now
    return begun and (not voucher.HasField("end_time") or now < voucher.end_time.ToNanoseconds() / 1e9)
