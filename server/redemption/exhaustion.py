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


class Exhaustion:
    """What is left of the limits that concern many customers, where it is little."""

    def __init__(self, engine: Engine, holder: RulesetHolder, metrics: Metrics) -> None:
        self.added = Added()
        """What is put behind each request that asks for a price."""
        self._state = LimitState()
        self._engine = engine
        self._holder = holder
        self._metrics = metrics
        self._failing = False

    def state(self, store_id: str) -> LimitState:
        """What has run out, as far as it may concern carts of a store."""
        return LimitState(
            promotions=[each for each in self._state.promotions if each.store_id in ("", fold(store_id))]
        )

    async def refresh(self) -> None:
        """Asks the database. When it is away, what was known goes on."""
        active = self._holder.active
        if active is None:
            return
        try:
            used = await asyncio.to_thread(self._used, active) if active.limits.promotions else {}
        except DatabaseUnavailable as error:
            if not self._failing:
                log.error("limits_refresh_failed", error=str(error))
            self._failing = True
            return
        self._failing = False
        left = _left(active.limits, used)
        self._state = LimitState(promotions=_entries(left))
        self.added = Added(self._state)
        self._tell(left)

    def _used(self, active: Active) -> dict[Account, int]:
        now = datetime.now(UTC)
        zones = {"", *active.limits.store_zones.values()}
        days = {active.limits.day_in(zone, now).isoformat() for zone in zones}
        with plain_errors(self._engine), self._engine.connect() as connection:
            return store.usage(connection, active.company_id, days=days)

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
