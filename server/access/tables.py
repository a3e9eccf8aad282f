"""The table of tokens, as the migrations make it. Of a secret it holds the hash alone."""

from sqlalchemy import Column, DateTime, ForeignKey, Index, LargeBinary, String, Table, func
from sqlalchemy.dialects.postgresql import ARRAY

from server.db.base import IDENTIFIER, metadata

api_token = Table(
    "api_token",
    metadata,
    Column("id", String, primary_key=True),
    Column("company_id", IDENTIFIER, ForeignKey("company.id"), nullable=False),
    Column("name", String, nullable=False, comment="Whose it is"),
    Column("secret_hash", LargeBinary, unique=True, nullable=False, comment="SHA-256 of the whole token"),
    Column("roles", ARRAY(String), nullable=False),
    Column("store_ids", ARRAY(String), nullable=False, comment="Empty: every store"),
    Column("create_time", DateTime(timezone=True), server_default=func.now(), nullable=False),
    Column("expire_time", DateTime(timezone=True), comment="NULL: never"),
    Column("revoke_time", DateTime(timezone=True)),
    Column("last_use_time", DateTime(timezone=True), comment="To the minute"),
    Index("ix_api_token_company_id_name", "company_id", "name"),
)
