"""The tables of redemption, as the migrations make them.

They have no foreign keys to rows that many share, such as the company or the revision: every order would lock
them. The invariants ask for these instead. The ledger only grows, and tells of redemptions
and of leases.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
    Uuid,
    false,
    text,
)

from server.db.base import IDENTIFIER, metadata

KEY = String(collation="C")

ACCOUNT_KINDS = ("customer", "voucher", "code", "day", "store", "total", "budget")
"""The kinds of limits in the order in which they are locked: the most contended last."""


def _amount(name: str) -> Column[int]:
    return Column(name, BigInteger, server_default="0", nullable=False)


def _time(name: str, nullable: bool = False) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _redemption_id(**how: Any) -> Column[Any]:
    return Column("redemption_id", Uuid, ForeignKey("redemption.id"), **how)


limit_account = Table(
    "limit_account",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("company_id", IDENTIFIER, nullable=False),
    Column("promotion_id", IDENTIFIER, nullable=False),
    Column("kind", String, nullable=False),
    Column("key", KEY, nullable=False),
    Column("lock_rank", SmallInteger, nullable=False, comment="The place of its kind in the order of locks"),
    Column("unit", String, nullable=False, comment="use, or the currency of a budget"),
    Column("lim", BigInteger, nullable=False, comment="The limit as it was used last"),
    _amount("posted"),
    _amount("pending"),
    _amount("escrowed"),
    _amount("overrun"),
    UniqueConstraint("company_id", "promotion_id", "kind", "key"),
    UniqueConstraint("id", "unit"),
    Index("ix_limit_account_customer", "company_id", "key", postgresql_where=text("kind = 'customer'")),
)

redemption = Table(
    "redemption",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("company_id", IDENTIFIER, nullable=False),
    Column("store_id", KEY, nullable=False),
    Column("order_id", KEY, nullable=False),
    Column("customer_id", KEY, nullable=False),
    Column("state", String, nullable=False),
    Column("late", Boolean, server_default=false(), nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("currency_code", String, nullable=False),
    Column("discount_minor", BigInteger, nullable=False),
    Column("payable_minor", BigInteger, nullable=False),
    _amount("refunded_minor"),
    _amount("refunded_tax_minor"),
    _time("create_time"),
    _time("expire_time", nullable=True),
    _time("resolve_time", nullable=True),
    Column("device_id", IDENTIFIER, comment="The till whose journal has the sale; NULL: granted here"),
    Column("journal_id", IDENTIFIER),
    Column("sequence", BigInteger, comment="Of the journal entry"),
    ForeignKeyConstraint(
        ["company_id", "device_id", "journal_id", "sequence"],
        [f"journal_entry.{name}" for name in ("company_id", "device_id", "journal_id", "sequence")],
    ),
    Index(
        "ix_redemption_journal_entry",
        *("company_id", "device_id", "journal_id", "sequence"),
        unique=True,
        postgresql_where=text("sequence IS NOT NULL"),
    ),
    Index(
        "ix_redemption_order",
        "company_id",
        "store_id",
        "order_id",
        unique=True,
        postgresql_where=text("state NOT IN ('released', 'expired')"),
    ),
    Index("ix_redemption_expire_time", "expire_time", postgresql_where=text("state = 'reserved'")),
    Index("ix_redemption_company_id", "company_id", "create_time", "id"),
    Index(
        "ix_redemption_customer_id",
        "company_id",
        "customer_id",
        "create_time",
        postgresql_where=text("customer_id <> ''"),
    ),
)

redemption_sale = Table(
    "redemption_sale",
    metadata,
    _redemption_id(primary_key=True),
    Column("request", LargeBinary, nullable=False),
    Column("result", LargeBinary, nullable=False),
)

redemption_promotion = Table(
    "redemption_promotion",
    metadata,
    _redemption_id(primary_key=True),
    Column("promotion_id", IDENTIFIER, primary_key=True),
    Column("discount_minor", BigInteger, nullable=False),
    Column("cost_minor", BigInteger, nullable=False),
    _amount("returned_minor"),
    Column("voucher_id", KEY, server_default="", nullable=False, comment="In hexadecimal; empty: none"),
    Column("day", Date, comment="The day in whose totals it is; NULL: in none"),
    Column("counted", Boolean, server_default=false(), nullable=False),
    Column(
        "counted_returned_minor",
        BigInteger,
        server_default="0",
        nullable=False,
        comment="How much of returned_minor is in the totals",
    ),
    Index("ix_redemption_promotion_promotion_id", "promotion_id", "redemption_id"),
    Index("ix_redemption_promotion_uncounted", "redemption_id", postgresql_where=text("NOT counted")),
    Index(
        "ix_redemption_promotion_voucher_id",
        "voucher_id",
        "redemption_id",
        postgresql_where=text("voucher_id <> ''"),
    ),
)

daily_total = Table(
    "daily_total",
    metadata,
    Column("company_id", IDENTIFIER, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("promotion_id", IDENTIFIER, primary_key=True),
    Column("store_id", KEY, primary_key=True),
    Column("currency_code", String, primary_key=True),
    Column("redemptions", BigInteger, nullable=False),
    Column("discount_minor", BigInteger, nullable=False),
    Column("cost_minor", BigInteger, nullable=False),
    Column("returned_minor", BigInteger, nullable=False),
)

redemption_return = Table(
    "redemption_return",
    metadata,
    _redemption_id(primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("policy", String, nullable=False),
    Column("returned", LargeBinary, nullable=False, comment="All that came back until then"),
    Column("refund_minor", BigInteger, nullable=False),
    Column("refund_tax_minor", BigInteger, nullable=False),
    _time("time"),
)

limit_hold = Table(
    "limit_hold",
    metadata,
    _redemption_id(primary_key=True),
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("unit", String, nullable=False),
    Column("reserved", BigInteger, nullable=False),
    _amount("posted"),
    _amount("overrun"),
    _amount("returned"),
    ForeignKeyConstraint(["account_id", "unit"], ["limit_account.id", "limit_account.unit"]),
)

idempotency_key = Table(
    "idempotency_key",
    metadata,
    Column("company_id", IDENTIFIER, primary_key=True),
    Column("principal", String(collation="C"), primary_key=True),
    Column("key", KEY, primary_key=True),
    Column("method", String, nullable=False),
    Column("request_hash", LargeBinary, nullable=False),
    Column("redemption_id", Uuid, comment="NULL: nothing was made"),
    Column("response", LargeBinary, nullable=False, comment="Without its times"),
    _time("time"),
    _time("expire_time", nullable=True),
    Index("ix_idempotency_key_time", "time"),
)

ledger_transaction = Table(
    "ledger_transaction",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("company_id", IDENTIFIER, nullable=False),
    _redemption_id(nullable=True),
    Column("lease_id", Uuid, ForeignKey("lease.id")),
    Column("kind", String, nullable=False),
    Column("principal", String, nullable=False),
    Column("token_id", String, nullable=False),
    _time("time"),
    Index("ix_ledger_transaction_redemption_id", "redemption_id", "id"),
    Index("ix_ledger_transaction_lease_id", "lease_id", "id", postgresql_where=text("lease_id IS NOT NULL")),
    Index(
        "ix_ledger_transaction_resolved",
        "redemption_id",
        unique=True,
        postgresql_where=text("kind IN ('redeem', 'commit', 'release', 'expire')"),
    ),
)

ledger_entry = Table(
    "ledger_entry",
    metadata,
    Column("transaction_id", BigInteger, ForeignKey("ledger_transaction.id"), primary_key=True),
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("bucket", String, primary_key=True),
    Column("unit", String, nullable=False),
    Column("amount", BigInteger, nullable=False),
    ForeignKeyConstraint(["account_id", "unit"], ["limit_account.id", "limit_account.unit"]),
)
