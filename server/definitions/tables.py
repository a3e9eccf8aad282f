"""The tables of definitions, as the migrations make them.

A promotion's definition is protojson; the columns beside it are projections that SQL filters and sorts by,
and check constraints keep them from saying anything else. Versions, settings and the change log only grow.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB

from server.db.base import metadata

IDENTIFIER = String(64, collation="C")

company = Table(
    "company",
    metadata,
    Column("id", IDENTIFIER, primary_key=True),
    Column("create_time", DateTime(timezone=True), server_default=func.now(), nullable=False),
)

revision_head = Table(
    "revision_head",
    metadata,
    Column("company_id", IDENTIFIER, ForeignKey("company.id"), primary_key=True),
    Column("revision", BigInteger, server_default="0", nullable=False),
)

promotion_version = Table(
    "promotion_version",
    metadata,
    Column("company_id", IDENTIFIER, ForeignKey("company.id"), primary_key=True),
    Column("promotion_id", IDENTIFIER, primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("definition", JSONB, nullable=False),
    Column("type", String, nullable=False),
    Column("code", String, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("rule_language", Integer, nullable=False),
    Column("start_time", DateTime(timezone=True)),
    Column("end_time", DateTime(timezone=True)),
    Column("create_time", DateTime(timezone=True), server_default=func.now(), nullable=False),
)

settings_version = Table(
    "settings_version",
    metadata,
    Column("company_id", IDENTIFIER, ForeignKey("company.id"), primary_key=True),
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("policy", JSONB, nullable=False),
    Column("stores", JSONB, nullable=False),
    Column("categories", JSONB, nullable=False),
    Column("holiday_calendars", JSONB, nullable=False),
    Column("create_time", DateTime(timezone=True), server_default=func.now(), nullable=False),
)

change_log = Table(
    "change_log",
    metadata,
    Column("company_id", IDENTIFIER, ForeignKey("company.id"), primary_key=True),
    Column("promotion_id", IDENTIFIER, primary_key=True),
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("version", BigInteger, comment="NULL is a tombstone: deleted from this revision on"),
    Column("publish_time", DateTime(timezone=True), server_default=func.now(), nullable=False),
    ForeignKeyConstraint(
        ["company_id", "promotion_id", "version"],
        ["promotion_version.company_id", "promotion_version.promotion_id", "promotion_version.version"],
        name="fk_change_log_company_id_promotion_id_version",
    ),
    Index("ix_change_log_company_id_revision", "company_id", "revision"),
)
