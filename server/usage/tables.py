"""The tables of uploads, as the migrations make them. Rows are only added."""

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Index, LargeBinary, String, Table, func
from sqlalchemy.dialects.postgresql import JSONB

from server.db.base import IDENTIFIER, metadata


def _shared() -> list[Column[object]]:
    """What both have: whose it is, what it is about, and who uploaded it when."""
    return [
        Column("company_id", IDENTIFIER, ForeignKey("company.id"), primary_key=True),
        Column("store_id", IDENTIFIER, primary_key=True),
        Column("bill_id", String, primary_key=True),
        Column("promotion_id", IDENTIFIER, primary_key=True),
    ]


def _uploaded() -> list[Column[object]]:
    return [
        Column("token_id", String, nullable=False, comment="Of whoever uploaded it"),
        Column("upload_time", DateTime(timezone=True), server_default=func.now(), nullable=False),
    ]


usage = Table(
    "usage",
    metadata,
    *_shared(),
    Column("member_id", String),
    Column("customer_phone", String),
    Column("brand_id", String),
    Column("discount_minor", BigInteger, nullable=False),
    Column("currency_code", String, nullable=False),
    Column("use_time", DateTime(timezone=True), nullable=False),
    *_uploaded(),
    Index("ix_usage_company_id_promotion_id", "company_id", "promotion_id"),
)

bill_log = Table(
    "bill_log",
    metadata,
    *_shared(),
    Column("content_hash", LargeBinary, primary_key=True, comment="SHA-256: the same said twice is once"),
    Column("status", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("discount_minor", BigInteger, nullable=False),
    Column("original_minor", BigInteger),
    Column("final_minor", BigInteger),
    Column("currency_code", String, nullable=False),
    Column("validation_details", JSONB(none_as_null=True)),
    *_uploaded(),
)
