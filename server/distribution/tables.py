"""The tables of distribution, as the migrations make them."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, ForeignKey, Integer, String, Table, func, true
from sqlalchemy.dialects.postgresql import ARRAY

from server.db.base import IDENTIFIER, metadata

stream_epoch = Table(
    "stream_epoch",
    metadata,
    Column("single", Boolean, primary_key=True, server_default=true(), comment="One row"),
    Column("epoch", BigInteger, nullable=False, comment="Unix time in seconds at which it began"),
    Column("system_identifier", String, nullable=False, comment="Of the cluster in which it began"),
    Column("timeline", Integer, nullable=False, comment="Of that cluster; a restore changes it"),
)

control_head = Table(
    "control_head",
    metadata,
    Column("company_id", IDENTIFIER, ForeignKey("company.id"), primary_key=True),
    Column("sequence", BigInteger, server_default="0", nullable=False),
)

promotion_kill = Table(
    "promotion_kill",
    metadata,
    Column("company_id", IDENTIFIER, ForeignKey("company.id"), primary_key=True),
    Column("promotion_id", IDENTIFIER, primary_key=True),
    Column("create_time", DateTime(timezone=True), server_default=func.now(), nullable=False),
)

stream_client = Table(
    "stream_client",
    metadata,
    Column("company_id", IDENTIFIER, ForeignKey("company.id"), primary_key=True),
    Column("device_id", IDENTIFIER, primary_key=True),
    Column("scope_id", String, primary_key=True),
    Column("store_ids", ARRAY(String), nullable=False, comment="Empty: every store"),
    Column("token_id", String, nullable=False),
    Column("engine_version", String, nullable=False),
    Column("connected", Boolean, nullable=False, comment="As of seen_time"),
    Column("seen_time", DateTime(timezone=True), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False, comment="Last acked"),
    Column("control_sequence", BigInteger, nullable=False, comment="Last acked"),
    Column("ack_time", DateTime(timezone=True)),
    Column("unsupported_ids", ARRAY(String), nullable=False),
    Column("nack_epoch", BigInteger),
    Column("nack_revision", BigInteger),
    Column("nack_reason", Integer, comment="A NackReason"),
    Column("nack_detail", String),
)
