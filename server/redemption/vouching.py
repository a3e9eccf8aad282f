"""The vouchers of an order: which apply, which one a promotion uses, and how their codes are kept.

No code that isn't public gets past this file: what is priced, kept and answered has what stands for it. So a
sale is priced later with the same bytes, and whoever reads it can use no voucher.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from dealwright.v1.cart_pb2 import Cart
from dealwright.v1.redemption_pb2 import RefusedVoucher
from dealwright_engine import fold

from server.evaluation.limits import RulesetLimits
from server.redemption.limits import Account, Use, Uses
from server.redemption.store import Hold
from server.runtime.errors import Invalid
from server.vouchers.checks import TYPED_CHARS_MAX
from server.vouchers.code import last_four, skeleton
from server.vouchers.service import Given, Voucher, VoucherRefusal
from server.vouchers.throttling import CODES_MAX

Mask = Callable[[str], str]
"""From a code to what stands for it."""

Answer = Voucher | VoucherRefusal


@dataclass(frozen=True, slots=True)
class Vouched:
    """A cart whose vouchers were looked up."""

    cart: Cart
    """As it is priced and kept."""
    uses: Uses
    refused: Sequence[RefusedVoucher]
    answers: Sequence[Answer]
    """What each voucher of the caller's cart is."""


def require_few(cart: Cart) -> None:
    """Refuses more vouchers than an order may have: each may be a guess."""
    if len(cart.vouchers) > CODES_MAX:
        raise Invalid("OUT_OF_RANGE", f"an order has up to {CODES_MAX} vouchers", field="cart.vouchers")
    for index, voucher in enumerate(cart.vouchers):
        at = f"cart.vouchers[{index}]"
        if not voucher.code or not voucher.promotion_id:
            raise Invalid("REQUIRED", "a voucher has a code and a promotion_id", field=at)
        if len(voucher.code) > TYPED_CHARS_MAX:
            raise Invalid("TOO_LONG", f"a code has up to {TYPED_CHARS_MAX} characters", field=f"{at}.code")


def given(cart: Cart) -> list[Given]:
    """The vouchers that a cart names."""
    return [Given(voucher.code, voucher.promotion_id) for voucher in cart.vouchers]


def masked(cart: Cart, mask: Mask, spared: Collection[str] = frozenset()) -> Cart:
    """A cart with what stands for its codes, except for some, which are given folded.

    What has no letters or is too long to be a code is left to the engine, which refuses it.
    """

    def kept(code: str) -> str:
        is_code = len(code) <= TYPED_CHARS_MAX and skeleton(code)
        return mask(code) if is_code and fold(code) not in spared else code

    copy = Cart()
    copy.CopyFrom(cart)
    copy.codes[:] = [kept(code) for code in cart.codes]
    for voucher in copy.vouchers:
        voucher.code = kept(voucher.code)
    return copy


def vouched(cart: Cart, answers: Sequence[Answer], limits: RulesetLimits, mask: Mask) -> Vouched:
    """The cart with the first voucher of each promotion that applies, and which ones those are."""
    uses: dict[str, Use] = {}
    refused = []
    for index, (voucher, answer) in enumerate(zip(cart.vouchers, answers, strict=True)):
        use = _use(answer, limits)
        if use is None or voucher.promotion_id in uses:
            end = last_four(skeleton(voucher.code))
            refused.append(RefusedVoucher(index=index, promotion_id=voucher.promotion_id, last_four=end))
        else:
            uses[voucher.promotion_id] = use
    kept = masked(cart, mask, limits.codes)
    for voucher_refused in reversed(refused):
        del kept.vouchers[voucher_refused.index]
    return Vouched(kept, uses, refused, answers)


def accounts(answers: Sequence[Answer], limits: RulesetLimits) -> dict[Account, int]:
    """The limits of all vouchers that apply, also of those that an order doesn't use yet."""
    found = [answer for answer in answers if isinstance(answer, Voucher)]
    uses = [(voucher.promotion_id, _use(voucher, limits)) for voucher in found]
    return {use.account(promotion_id): use.limit for promotion_id, use in uses if use is not None}


def for_commit(pinned: Cart, cart: Cart, mask: Mask, limits: RulesetLimits) -> Cart:
    """The cart that a reservation is committed for, which adds no vouchers to those that it was pinned with.

    Its codes may be those that the customer gave, or what stands for them in the reservation.
    """
    known = {fold(code) for code in (*pinned.codes, *(voucher.code for voucher in pinned.vouchers))}
    kept = masked(cart, mask, limits.codes | known)
    vouchers = {(fold(voucher.code), voucher.promotion_id) for voucher in pinned.vouchers}
    for index in reversed(range(len(kept.vouchers))):
        voucher = kept.vouchers[index]
        if (fold(voucher.code), voucher.promotion_id) not in vouchers:
            del kept.vouchers[index]
    return kept


def held_uses(cart: Cart, holds: Sequence[Hold]) -> Uses:
    """The vouchers that a reservation holds. Of other promotions there is none that could be granted."""
    held = {hold.account.promotion_id: hold.account.key for hold in holds if hold.account.kind == "voucher"}
    return {
        voucher.promotion_id: Use(held.get(voucher.promotion_id, ""), limit=0) for voucher in cart.vouchers
    }


def _use(answer: Answer, limits: RulesetLimits) -> Use | None:
    """How a voucher can be used; None where it can't."""
    if not isinstance(answer, Voucher) or answer.promotion_id not in limits.vouched:
        return None
    limited = limits.promotions.get(answer.promotion_id)
    most = answer.max_uses
    if limited is not None and limited.limits.HasField("max_uses_per_code"):
        most = min(most, limited.limits.max_uses_per_code)
    return Use(answer.id.hex(), most) if answer.used < most else None
