"""The tables of leases, as the migrations make them."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    Table,
    Uuid,
    text,
)

from server.db.base import IDENTIFIER, metadata

KEY = String(collation="C")
_OPEN = text("state = 'open'")


def _amount(name: str) -> Column[int]:
    return Column(name, BigInteger, server_default="0", nullable=False)


def _time(name: str, nullable: bool = False) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


lease = Table(
    "lease",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("company_id", IDENTIFIER, nullable=False),
    Column("device_id", IDENTIFIER, nullable=False),
    Column("journal_id", IDENTIFIER, nullable=False),
    Column("owner", String, nullable=False, comment="The name of its token"),
    Column("promotion_id", IDENTIFIER, nullable=False),
    Column("store_id", KEY, nullable=False),
    Column("time_zone", String, nullable=False, comment="Of its day. Empty: it is for all days"),
    Column("state", String, nullable=False),
    _time("start_time"),
    _time("expire_time"),
    _time("reclaim_time"),
    _time("resolve_time", nullable=True),
    Index("ix_lease_device", "company_id", "device_id", "journal_id", postgresql_where=_OPEN),
    Index("ix_lease_reclaim_time", "reclaim_time", postgresql_where=_OPEN),
    Index("ix_lease_company_id", "company_id", "start_time", "id"),
)

lease_part = Table(
    "lease_part",
    metadata,
    Column("lease_id", Uuid, ForeignKey("lease.id"), primary_key=True),
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("unit", String, nullable=False),
    Column("leased", BigInteger, nullable=False),
    _amount("spent"),
    _amount("returned"),
    _amount("overrun"),
    ForeignKeyConstraint(["account_id", "unit"], ["limit_account.id", "limit_account.unit"]),
    Index("ix_lease_part_account_id", "account_id"),
)

lease_spend = Table(
    "lease_spend",
    metadata,
    Column("company_id", IDENTIFIER, primary_key=True),
    Column("device_id", IDENTIFIER, primary_key=True),
    Column("journal_id", IDENTIFIER, primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False, comment="Of the journal entry"),
    Column("lease_id", Uuid, nullable=False),
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("spent", BigInteger, nullable=False),
    Column("overrun", BigInteger, nullable=False),
    ForeignKeyConstraint(["lease_id", "account_id"], ["lease_part.lease_id", "lease_part.account_id"]),
    Index("ix_lease_spend_lease_id", "lease_id", "account_id"),
)
