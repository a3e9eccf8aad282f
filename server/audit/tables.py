"""The tables of the audit log, as the migrations make them. Entries only grow."""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Table,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from server.db.base import IDENTIFIER, metadata

audit_entry = Table(
    "audit_entry",
    metadata,
    Column("company_id", IDENTIFIER, ForeignKey("company.id"), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("time", DateTime(timezone=True), nullable=False),
    Column("actor", String, nullable=False),
    Column("token_id", String, nullable=False),
    Column("source", String, nullable=False),
    Column("action", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("subject_id", String, nullable=False),
    Column("version", BigInteger),
    Column("revision", BigInteger),
    Column("comment", String, nullable=False),
    Column("before", JSONB(none_as_null=True)),
    Column("after", JSONB(none_as_null=True)),
    Column("previous_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Index("ix_audit_entry_subject", "company_id", "subject", "subject_id", "number"),
)

audit_head = Table(
    "audit_head",
    metadata,
    Column("company_id", IDENTIFIER, ForeignKey("company.id"), primary_key=True),
    Column("number", BigInteger, server_default="0", nullable=False),
    Column("hash", LargeBinary, server_default=text(r"'\x'::bytea"), nullable=False),
)
