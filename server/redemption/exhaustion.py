"""Which limits have run out, as every server has it in memory: pricing a cart asks no database."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import structlog
from dealwright.v1.cart_pb2 import LimitState, PromotionLimitState
from dealwright.v1.stacking_pb2 import Limits
from dealwright_engine import fold
from sqlalchemy import Engine

from server.db.engine import DatabaseUnavailable, plain_errors
from server.evaluation.limits import RulesetLimits
from server.evaluation.service import Active, Added, RulesetHolder
from server.redemption import store
from server.redemption.limits import USE, Account
from server.runtime.metrics import Metrics

log = structlog.get_logger()

REFRESH_SECONDS = 0.5
"""How often the database is asked what has run out; a promotion leaves evaluation within a second."""

LOW_PERCENT = 10
"""From here on it is told what a budget has left: before, no cart comes near it."""

LEFT_PERCENTS = (0, 2, 10, 50, 100)
"""How much limits have left, as the metric tells it: none, up to so much, ..."""


class _Spent:
    """What has run out of the limits of a ruleset."""

    def __init__(self, state: LimitState | None = None) -> None:
        self.state = state or LimitState()
        self.added = Added(self.state)
        """What is put behind each request that asks for a price."""


class Exhaustion:
    """What is left of the limits that concern many customers, where it is little."""

    def __init__(self, engine: Engine, holder: RulesetHolder, metrics: Metrics) -> None:
        self._general = self._candidate = _Spent()
        self._engine = engine
        self._holder = holder
        self._metrics = metrics
        self._failing = False
        self._refreshing = asyncio.Lock()
        """What was read earlier must not replace what was read later."""

    def added(self, active: Active) -> Added:
        """What is put behind each request that asks for a price with a ruleset."""
        return self._of(active).added

    def state(self, active: Active, store_id: str) -> LimitState:
        """What has run out of a ruleset's limits, as far as it may concern carts of a store."""
        known = self._of(active).state.promotions
        return LimitState(promotions=[each for each in known if each.store_id in ("", fold(store_id))])

    def _of(self, active: Active) -> _Spent:
        return self._candidate if active is self._holder.candidate else self._general

    async def refresh(self) -> None:
        """Asks the database. When it is away, what was known goes on."""
        async with self._refreshing:
            await self._refresh()

    async def _refresh(self) -> None:
        active, candidate = self._holder.active, self._holder.candidate
        if active is None:
            return
        limited = [each for each in (active, candidate) if each is not None and each.limits.promotions]
        try:
            used = await asyncio.to_thread(self._used, limited) if limited else {}
        except DatabaseUnavailable as error:
            if not self._failing:
                log.error("limits_refresh_failed", error=str(error))
            self._failing = True
            return
        self._failing = False
        left = _left(active.limits, used)
        self._general = _Spent(LimitState(promotions=_entries(left)))
        self._candidate = self._general
        if candidate is not None:
            self._candidate = _Spent(LimitState(promotions=_entries(_left(candidate.limits, used))))
        self._tell(left)

    def _used(self, limited: list[Active]) -> dict[Account, int]:
        now = datetime.now(UTC)
        days = {
            active.limits.day_in(zone, now).isoformat()
            for active in limited
            for zone in {"", *active.limits.store_zones.values()}
        }
        with plain_errors(self._engine), self._engine.connect() as connection:
            return store.usage(connection, limited[0].company_id, days=days)

    def _tell(self, left: Mapping[Account, tuple[int, int]]) -> None:
        counts = Counter((account.kind, _percent(*amounts)) for account, amounts in left.items())
        self._metrics.limits_left.clear()
        for (kind, percent), count in counts.items():
            self._metrics.limits_left.labels(kind, str(percent)).set(count)


def _left(limits: RulesetLimits, used: Mapping[Account, int]) -> dict[Account, tuple[int, int]]:
    """What is left of each limit of which something was used, and the limit."""
    left = {}
    for account, amount in used.items():
        limited = limits.promotions.get(account.promotion_id)
        limit = _limit(limited.limits, account) if limited else None
        if limit is not None:
            left[account] = (max(0, limit - amount), limit)
    return left


def _limit(limits: Limits, account: Account) -> int | None:
    """What a definition says about an account; None where it has no such limit any more."""
    if account.kind == "budget":
        budgets = {budget.currency_code: budget.minor for budget in limits.budget}
        return budgets.get(account.key)
    by_kind = {"total": limits.max_uses, "day": limits.max_uses_per_day, "store": limits.max_uses_per_store}
    return by_kind[account.kind] or None


def _entries(left: Mapping[Account, tuple[int, int]]) -> Iterable[PromotionLimitState]:
    for account, (amount, limit) in sorted(left.items(), key=lambda item: item[0].lock_order):
        if account.unit == USE and amount == 0:
            yield PromotionLimitState(
                promotion_id=account.promotion_id,
                uses_left=0,
                store_id=account.key if account.kind == "store" else "",
                date=account.key if account.kind == "day" else "",
            )
        elif account.unit != USE and amount * 100 <= limit * LOW_PERCENT:
            yield PromotionLimitState(
                promotion_id=account.promotion_id, budget_left_minor=amount, currency_code=account.key
            )


def _percent(amount: int, limit: int) -> int:
    return next(percent for percent in LEFT_PERCENTS if amount * 100 <= limit * percent)
