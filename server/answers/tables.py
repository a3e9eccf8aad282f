"""The table of kept answers, as the migrations make it. Rows are removed after their time."""

from sqlalchemy import Column, DateTime, ForeignKey, Index, Integer, LargeBinary, String, Table, func
from sqlalchemy.dialects.postgresql import JSONB

from server.db.base import IDENTIFIER, metadata

kept_answer = Table(
    "kept_answer",
    metadata,
    Column("company_id", IDENTIFIER, ForeignKey("company.id"), primary_key=True),
    Column("caller", String, primary_key=True, comment="The name of who asked: keys of others are others"),
    Column("key", String, primary_key=True, comment="The Idempotency-Key"),
    Column("request_hash", LargeBinary, nullable=False, comment="SHA-256 of what was asked"),
    Column("create_time", DateTime(timezone=True), server_default=func.now(), nullable=False),
    Column("status", Integer, comment="NULL: not answered yet"),
    Column("headers", JSONB(none_as_null=True)),
    Column("body", LargeBinary, comment="NULL beside a status: it holds a secret, and isn't kept"),
    Index("ix_kept_answer_create_time", "create_time"),
)
