"""What a priced cart needs of which limits, and what is left of them as the engine reads it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from dealwright.grants import Grant
from dealwright.grants import grants as granted_by
from dealwright.v1.cart_pb2 import Cart, LimitState
from dealwright.v1.result_pb2 import REASON_BUDGET, REASON_LIMIT, Result, Verdict
from dealwright_engine import fold

from server.evaluation.limits import Limited, RulesetLimits
from server.redemption.tables import ACCOUNT_KINDS

USE = "use"
"""The unit of limits that count; the others are in a currency."""

_RANKS = {kind: rank for rank, kind in enumerate(ACCOUNT_KINDS)}


@dataclass(frozen=True, slots=True)
class Account:
    """One limit that is counted: a promotion's uses by somebody or somewhere, or its budget."""

    promotion_id: str
    kind: str
    key: str
    unit: str

    @property
    def lock_order(self) -> tuple[int, str, str]:
        """Where it comes when several are locked."""
        return (_RANKS[self.kind], self.promotion_id, self.key)


@dataclass(frozen=True, slots=True)
class Use:
    """The voucher that a promotion uses if it is granted, and how often it may be used in all."""

    voucher_id: str
    limit: int

    def account(self, promotion_id: str) -> Account:
        return Account(promotion_id, "voucher", self.voucher_id, USE)


Uses = Mapping[str, Use]
"""The vouchers of a cart, by promotion."""


def grants(result: Result, uses: Uses) -> list[Grant]:
    """What a result grants, by promotion."""
    return [
        replace(grant, voucher_id=uses[grant.promotion_id].voucher_id)
        if grant.promotion_id in uses
        else grant
        for grant in granted_by(result)
    ]


def accounts(
    limits: RulesetLimits, cart: Cart, at: datetime, promotion_ids: Iterable[str], uses: Uses
) -> dict[Account, int]:
    """The limits that bound promotions in a cart, each with its number."""
    bounding = {}
    for promotion_id in promotion_ids:
        use = uses.get(promotion_id)
        if use is not None:
            bounding[use.account(promotion_id)] = use.limit
        limited = limits.promotions.get(promotion_id)
        if limited is not None:
            for kind, key, unit, limit in _bounds(limited, limits, cart, at):
                bounding[Account(promotion_id, kind, key, unit)] = limit
    return bounding


def needs(granted: Sequence[Grant], bounding: Iterable[Account]) -> dict[Account, int]:
    """How much a cart needs of each limit: one use, or what the promotion costs."""
    costs = {grant.promotion_id: grant.cost_minor for grant in granted}
    needed = {
        account: 1 if account.unit == USE else costs[account.promotion_id]
        for account in bounding
        if account.promotion_id in costs
    }
    return {account: amount for account, amount in needed.items() if amount > 0}


def limit_state(left: Mapping[Account, int], currency_code: str) -> LimitState:
    """What is left of limits, for the evaluation of a cart in a currency."""
    uses: dict[str, int] = {}
    budgets: dict[str, int] = {}
    for account, amount in left.items():
        if account.unit == USE:
            uses[account.promotion_id] = min(amount, uses.get(account.promotion_id, amount))
        elif account.unit == currency_code:
            budgets[account.promotion_id] = amount
    state = LimitState()
    for promotion_id in sorted({*uses, *budgets}):
        state.promotions.add(
            promotion_id=promotion_id,
            uses_left=uses.get(promotion_id),
            budget_left_minor=budgets.get(promotion_id),
        )
    return state


def refused(result: Result) -> list[Verdict]:
    """The verdicts on promotions that a limit or a budget kept off."""
    return [verdict for verdict in result.verdicts if verdict.reason in (REASON_LIMIT, REASON_BUDGET)]


def _bounds(
    limited: Limited, limits: RulesetLimits, cart: Cart, at: datetime
) -> Iterator[tuple[str, str, str, int]]:
    definition = limited.limits
    if definition.HasField("max_uses"):
        yield "total", "", USE, definition.max_uses
    if definition.HasField("max_uses_per_customer"):
        yield "customer", cart.customer.id, USE, definition.max_uses_per_customer
    if definition.HasField("max_uses_per_day"):
        yield "day", limits.day(cart, at).isoformat(), USE, definition.max_uses_per_day
    if definition.HasField("max_uses_per_store"):
        yield "store", fold(cart.store_id), USE, definition.max_uses_per_store
    # Uses of an individual voucher are counted with the voucher.
    if definition.HasField("max_uses_per_code") and limited.codes:
        yield "code", _code(limited, cart), USE, definition.max_uses_per_code
    for budget in definition.budget:
        if budget.currency_code == cart.currency_code:
            yield "budget", budget.currency_code, budget.currency_code, budget.minor


def _code(limited: Limited, cart: Cart) -> str:
    """The public code of a promotion that a cart gave first, as its definition spells it.

    Where the engine sees a code that isn't found here, it is counted as the first, and never as a new one.
    """
    by_fold = {fold(code): code for code in reversed(limited.codes)}
    given = (by_fold.get(fold(code)) for code in cart.codes)
    return next((code for code in given if code is not None), limited.codes[0])
