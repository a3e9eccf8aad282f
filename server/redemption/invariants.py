"""What always holds of redemptions, whatever was killed when: each invariant is a query for what breaks it.

Tests run them after everything, `dealwright doctor` when it is asked, and each server from time to time.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, text

from server.db.engine import DatabaseUnavailable, plain_errors
from server.events import service as events
from server.events.service import EventType
from server.runtime.metrics import Metrics

log = structlog.get_logger()

LOOK_SECONDS = 300.0
"""How often a server looks: reading everything isn't free."""

TOLD_DAYS = events.KEEP_DAYS - 1
"""How far back events are looked for: later they may be deleted."""

SHOWN_MAX = 20
"""How many violations of one invariant are shown."""


@dataclass(frozen=True, slots=True)
class Invariant:
    """A query that finds nothing as long as the invariant holds. Its first column names what breaks it."""

    name: str
    says: str
    query: str


INVARIANTS = (
    Invariant(
        "within_limit",
        "posted, pending and escrowed uses together never exceed the limit",
        "SELECT id::text FROM limit_account WHERE posted + pending + escrowed > lim"
        " OR least(posted, pending, escrowed, overrun) < 0",
    ),
    Invariant(
        "account_is_ledger",
        "what an account says is the sum of its ledger entries",
        """
        SELECT account.id::text FROM limit_account account
        LEFT JOIN (
            SELECT account_id,
                   coalesce(sum(amount) FILTER (WHERE bucket = 'posted'), 0) AS posted,
                   coalesce(sum(amount) FILTER (WHERE bucket = 'pending'), 0) AS pending,
                   coalesce(sum(amount) FILTER (WHERE bucket = 'escrowed'), 0) AS escrowed,
                   coalesce(sum(amount) FILTER (WHERE bucket = 'overrun'), 0) AS overrun
            FROM ledger_entry GROUP BY account_id
        ) ledger ON ledger.account_id = account.id
        WHERE (account.posted, account.pending, account.escrowed, account.overrun) IS DISTINCT FROM
              (coalesce(ledger.posted, 0), coalesce(ledger.pending, 0),
               coalesce(ledger.escrowed, 0), coalesce(ledger.overrun, 0))
        """,
    ),
    Invariant(
        "account_is_held",
        "what an account says is the sum of what redemptions and leases have of it",
        """
        SELECT account.id::text FROM limit_account account
        LEFT JOIN (
            SELECT account_id, sum(leased - spent - returned) AS escrowed, sum(spent + overrun) AS used
            FROM lease_part GROUP BY account_id
        ) lent ON lent.account_id = account.id
        LEFT JOIN (
            SELECT hold.account_id,
                   sum(hold.reserved) FILTER (WHERE redemption.state = 'reserved') AS pending,
                   sum(CASE WHEN redemption.sequence IS NULL THEN hold.posted + hold.overrun ELSE 0 END
                       - hold.returned) AS used
            FROM limit_hold hold JOIN redemption ON redemption.id = hold.redemption_id
            GROUP BY hold.account_id
        ) held ON held.account_id = account.id
        WHERE account.pending <> coalesce(held.pending, 0)
           OR account.escrowed <> coalesce(lent.escrowed, 0)
           OR account.posted + account.overrun <> coalesce(held.used, 0) + coalesce(lent.used, 0)
        """,
    ),
    Invariant(
        "voucher_is_redemptions",
        "a voucher was used as often as redemptions and leases have it, never more often than it may be",
        """
        SELECT coalesce(encode(voucher.id, 'hex'), held.key)
        FROM (SELECT company_id, id, used, max_uses FROM voucher WHERE used > 0) voucher
        FULL JOIN (
            SELECT account.company_id, account.key, sum(had.uses) - account.overrun AS uses
            FROM limit_account account
            JOIN (
                SELECT hold.account_id,
                       CASE WHEN redemption.state = 'reserved' THEN hold.reserved ELSE 0 END
                       + CASE WHEN redemption.sequence IS NULL THEN hold.posted + hold.overrun ELSE 0 END
                       - hold.returned AS uses
                FROM limit_hold hold JOIN redemption ON redemption.id = hold.redemption_id
                UNION ALL
                SELECT account_id, leased - returned + overrun FROM lease_part
            ) had ON had.account_id = account.id
            WHERE account.kind = 'voucher' GROUP BY account.id
        ) held ON held.company_id = voucher.company_id AND held.key = encode(voucher.id, 'hex')
        WHERE coalesce(voucher.used, 0) <> coalesce(held.uses, 0) OR voucher.used > voucher.max_uses
        """,
    ),
    Invariant(
        "voucher_is_promotion",
        "a redemption names the voucher of a promotion that it holds, and no other",
        """
        SELECT granted.redemption_id::text FROM redemption_promotion granted
        JOIN redemption ON redemption.id = granted.redemption_id
        WHERE granted.voucher_id <> '' AND NOT EXISTS (
            SELECT FROM limit_hold hold JOIN limit_account account ON account.id = hold.account_id
            WHERE hold.redemption_id = granted.redemption_id AND account.kind = 'voucher'
            AND account.promotion_id = granted.promotion_id AND account.key = granted.voucher_id
        )
        """,
    ),
    Invariant(
        "ledger_balances",
        "each ledger transaction sums to zero on each account",
        "SELECT transaction_id::text FROM ledger_entry"
        " GROUP BY transaction_id, account_id HAVING sum(amount) <> 0",
    ),
    Invariant(
        "one_unit",
        "uses and currencies are never mixed on an account",
        """
        SELECT entry.account_id::text FROM ledger_entry entry
        JOIN limit_account account ON account.id = entry.account_id
        JOIN ledger_transaction posting ON posting.id = entry.transaction_id
        LEFT JOIN redemption ON redemption.id = posting.redemption_id
        LEFT JOIN lease ON lease.id = posting.lease_id
        WHERE entry.unit <> account.unit
           OR (account.kind = 'budget' AND redemption.currency_code <> account.unit)
           OR posting.company_id <> account.company_id
           OR posting.company_id <> coalesce(redemption.company_id, lease.company_id)
           OR lease.promotion_id <> account.promotion_id
        """,
    ),
    Invariant(
        "settled_once",
        "a reservation is committed, released or expired once",
        """
        SELECT redemption_id::text FROM ledger_transaction
        WHERE kind IN ('redeem', 'commit', 'release', 'expire')
        GROUP BY redemption_id HAVING count(*) > 1
        """,
    ),
    Invariant(
        "lease_is_spends",
        "what a lease lost is what journals brought and at most what it had; one that ended holds nothing",
        """
        SELECT lease.id::text FROM lease
        JOIN lease_part part ON part.lease_id = lease.id
        LEFT JOIN (
            SELECT lease_id, account_id, sum(spent) AS spent, sum(overrun) AS overrun
            FROM lease_spend GROUP BY lease_id, account_id
        ) brought ON brought.lease_id = part.lease_id AND brought.account_id = part.account_id
        WHERE part.spent <> coalesce(brought.spent, 0) OR part.overrun <> coalesce(brought.overrun, 0)
           OR part.spent + part.returned > part.leased OR least(part.spent, part.returned, part.overrun) < 0
           OR (lease.state <> 'open' AND part.spent + part.returned <> part.leased)
        """,
    ),
    Invariant(
        "till_sale_is_spends",
        "a redemption of a till's sale holds what that sale spent of leases",
        """
        SELECT coalesce(redemption.id, spend.redemption_id)::text
        FROM redemption
        JOIN limit_hold hold ON hold.redemption_id = redemption.id
        FULL JOIN (
            SELECT sold.id AS redemption_id, spend.account_id, spend.spent, spend.overrun
            FROM lease_spend spend
            JOIN redemption sold USING (company_id, device_id, journal_id, sequence)
        ) spend ON spend.redemption_id = redemption.id AND spend.account_id = hold.account_id
        WHERE (redemption.id IS NULL OR redemption.sequence IS NOT NULL)
            AND (hold.posted, hold.overrun) IS DISTINCT FROM (spend.spent, spend.overrun)
        """,
    ),
    Invariant(
        "state_is_ledger",
        "the state of a redemption is what its ledger transactions made of it",
        """
        SELECT redemption.id::text FROM redemption
        LEFT JOIN (
            SELECT redemption_id, array_agg(kind ORDER BY id) AS kinds
            FROM ledger_transaction GROUP BY redemption_id
        ) ledger ON ledger.redemption_id = redemption.id
        WHERE ledger.kinds IS NULL OR redemption.state <> ALL (CASE ledger.kinds[cardinality(ledger.kinds)]
            WHEN 'reserve' THEN ARRAY['reserved']
            WHEN 'release' THEN ARRAY['released']
            WHEN 'expire' THEN ARRAY['expired']
            WHEN 'return' THEN ARRAY['partly_returned', 'returned']
            ELSE ARRAY['committed'] END)
        """,
    ),
    Invariant(
        "one_effect",
        "a call with a key took effect once, and an effect has its key while keys are kept",
        """
        SELECT key.key FROM idempotency_key key
        LEFT JOIN redemption ON redemption.id = key.redemption_id AND redemption.company_id = key.company_id
        WHERE (key.redemption_id IS NOT NULL AND redemption.id IS NULL) OR key.response = ''
        """,
    ),
    Invariant(
        "returned_at_most_paid",
        "what came back is never more than what was paid or granted",
        """
        SELECT redemption.id::text FROM redemption
        LEFT JOIN (
            SELECT redemption_id, sum(refund_minor) AS minor, sum(refund_tax_minor) AS tax
            FROM redemption_return GROUP BY redemption_id
        ) paid_back ON paid_back.redemption_id = redemption.id
        WHERE redemption.refunded_minor > redemption.payable_minor
           OR redemption.refunded_minor <> coalesce(paid_back.minor, 0)
           OR redemption.refunded_tax_minor <> coalesce(paid_back.tax, 0)
           OR EXISTS (SELECT FROM limit_hold hold WHERE hold.redemption_id = redemption.id
                      AND hold.returned > hold.posted + hold.overrun)
        """,
    ),
    Invariant(
        "totals_are_redemptions",
        "a daily total is the sum of the redemptions that are counted in it",
        """
        SELECT day || ' ' || promotion_id
        FROM daily_total total
        FULL JOIN (
            SELECT redemption.company_id, one.day, one.promotion_id, redemption.store_id,
                   redemption.currency_code, count(*) AS redemptions,
                   sum(one.discount_minor) AS discount_minor, sum(one.cost_minor) AS cost_minor,
                   sum(one.counted_returned_minor) AS returned_minor
            FROM redemption_promotion one JOIN redemption ON redemption.id = one.redemption_id
            WHERE one.day IS NOT NULL
            GROUP BY 1, 2, 3, 4, 5
        ) booked USING (company_id, day, promotion_id, store_id, currency_code)
        WHERE (total.redemptions, total.discount_minor, total.cost_minor, total.returned_minor)
            IS DISTINCT FROM
            (booked.redemptions, booked.discount_minor, booked.cost_minor, booked.returned_minor)
        """,
    ),
    Invariant(
        "told_once",
        "each ledger transaction of a redemption is told by one event, and nothing is told that isn't booked",
        f"""
        SELECT coalesce(posting.redemption_id::text, event.subject)
        FROM (
            SELECT redemption_id, company_id, time, CASE kind
                WHEN 'reserve' THEN '{EventType.REDEMPTION_RESERVED}'
                WHEN 'release' THEN '{EventType.REDEMPTION_RELEASED}'
                WHEN 'expire' THEN '{EventType.REDEMPTION_EXPIRED}'
                WHEN 'return' THEN '{EventType.REDEMPTION_RETURNED}'
                ELSE '{EventType.REDEMPTION_COMMITTED}' END AS type
            FROM ledger_transaction
            WHERE redemption_id IS NOT NULL AND time > now() - interval '{TOLD_DAYS} days'
        ) posting
        FULL JOIN (
            SELECT id, company_id, subject, type, time FROM event
            WHERE type LIKE 'dealwright.redemption.%' AND time > now() - interval '{TOLD_DAYS} days'
        ) event ON event.subject = posting.redemption_id::text AND event.company_id = posting.company_id
            AND event.type = posting.type AND event.time = posting.time
        GROUP BY coalesce(posting.redemption_id::text, event.subject), posting.time
        HAVING count(posting.redemption_id) <> 1 OR count(event.id) <> 1
        """,  # noqa: S608 - only constants get into the text
    ),
    Invariant(
        "revision_existed",
        "a redemption was priced with a revision of its company",
        """
        SELECT redemption.id::text FROM redemption
        LEFT JOIN revision ON revision.company_id = redemption.company_id
            AND revision.revision = redemption.revision
        WHERE revision.revision IS NULL OR revision.publish_time > redemption.create_time
        """,
    ),
)


@dataclass(frozen=True, slots=True)
class Violation:
    """What breaks an invariant."""

    invariant: Invariant
    count: int
    named: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.invariant.name}: {self.invariant.says}; {self.count} break it: {', '.join(self.named)}"


def violations(connection: Connection) -> list[Violation]:
    """What breaks the invariants, of all companies."""
    return [violation for violation in (_look(connection, each) for each in INVARIANTS) if violation.count]


def check(engine: Engine) -> list[Violation]:
    """What breaks the invariants in one state of a database."""
    with _snapshot(engine) as connection:
        return violations(connection)


class Monitor:
    """Looks at the invariants from time to time, and tells each as a metric."""

    def __init__(self, engine: Engine, metrics: Metrics) -> None:
        self._engine = engine
        self._metrics = metrics

    async def look(self) -> None:
        try:
            found = await asyncio.to_thread(check, self._engine)
        except DatabaseUnavailable as error:
            log.error("invariants_unchecked", error=str(error))
            return
        counts = {violation.invariant.name: violation.count for violation in found}
        for invariant in INVARIANTS:
            self._metrics.invariant_violations.labels(invariant.name).set(counts.get(invariant.name, 0))
        self._metrics.invariants_time.set_to_current_time()
        for violation in found:
            log.error("invariant_broken", invariant=violation.invariant.name, named=list(violation.named))


def _look(connection: Connection, invariant: Invariant) -> Violation:
    # Only constants of this file get into the text.
    counted = text(
        f"WITH broken(named) AS ({invariant.query})"  # noqa: S608
        f" SELECT count(*), (array_agg(named))[1:{SHOWN_MAX}] FROM broken"
    )
    count, named = connection.execute(counted).one()
    return Violation(invariant, count, tuple(named or ()))


@contextmanager
def _snapshot(engine: Engine) -> Iterator[Any]:
    with plain_errors(engine), engine.connect() as connection:
        connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection
