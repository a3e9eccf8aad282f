"""The tables of journals, as the migrations make them. Entries only grow."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    LargeBinary,
    String,
    Table,
    func,
    text,
)

from server.db.base import IDENTIFIER, metadata

journal = Table(
    "journal",
    metadata,
    Column("company_id", IDENTIFIER, ForeignKey("company.id"), primary_key=True),
    Column("device_id", IDENTIFIER, primary_key=True),
    Column("journal_id", IDENTIFIER, primary_key=True),
    Column("owner", String, nullable=False, comment="The name of its token"),
    Column("sequence", BigInteger, server_default="0", nullable=False),
    Column("hash", LargeBinary, server_default=text(r"'\x'::bytea"), nullable=False),
    Column("upload_time", DateTime(timezone=True), server_default=func.now(), nullable=False),
)

_ENTRY = ["company_id", "device_id", "journal_id", "sequence"]


def _key() -> list[Column[object]]:
    return [
        Column("company_id", IDENTIFIER, primary_key=True),
        Column("device_id", IDENTIFIER, primary_key=True),
        Column("journal_id", IDENTIFIER, primary_key=True),
        Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    ]


def _of_an_entry() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(_ENTRY, [f"journal_entry.{name}" for name in _ENTRY])


journal_entry = Table(
    "journal_entry",
    metadata,
    *_key(),
    Column("record", LargeBinary, nullable=False, comment="A JournalRecord, as it was hashed"),
    Column("previous_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("record_time", DateTime(timezone=True), nullable=False, comment="By the till's clock"),
    Column("sale_id", String, comment="NULL: it is no sale"),
    Column("repeats", Boolean, nullable=False, comment="The sale is in an earlier entry too"),
    Column("revision", BigInteger, comment="That priced the sale"),
    Column("token_id", String, nullable=False),
    Column("upload_time", DateTime(timezone=True), server_default=func.now(), nullable=False),
    ForeignKeyConstraint(_ENTRY[:3], [f"journal.{name}" for name in _ENTRY[:3]]),
    Index("ix_journal_entry_sale", "company_id", "device_id", "sale_id"),
)

journal_pending = Table(
    "journal_pending",
    metadata,
    *_key(),
    _of_an_entry(),
    comment="Sales that haven't been priced again yet",
)

journal_drift = Table(
    "journal_drift",
    metadata,
    *_key(),
    Column("outcome", String, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("detail", String, nullable=False),
    Column("found_hash", LargeBinary, nullable=False, comment="Empty: there is no result"),
    Column("replay_time", DateTime(timezone=True), server_default=func.now(), nullable=False),
    _of_an_entry(),
)

journal_alarm = Table(
    "journal_alarm",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("company_id", IDENTIFIER, nullable=False),
    Column("device_id", IDENTIFIER, nullable=False),
    Column("journal_id", IDENTIFIER, nullable=False),
    Column("kind", String, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("detail", String, nullable=False),
    Column("alarm_time", DateTime(timezone=True), server_default=func.now(), nullable=False),
    ForeignKeyConstraint(_ENTRY[:3], [f"journal.{name}" for name in _ENTRY[:3]]),
    Index("uq_journal_alarm", "company_id", "device_id", "journal_id", "kind", "sequence", unique=True),
)
