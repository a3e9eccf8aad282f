"""The tables of events, webhooks and deliveries, as the migrations make them."""

from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Uuid,
    false,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from server.db.base import IDENTIFIER, metadata

event = Table(
    "event",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=func.gen_random_uuid()),
    # Without a foreign key: each order would lock its company.
    Column("company_id", IDENTIFIER, nullable=False),
    Column("type", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("data", JSONB, nullable=False),
    Column("time", DateTime(timezone=True), server_default=func.clock_timestamp(), nullable=False),
    Column("assigned", Boolean, server_default=false(), nullable=False, comment="Its deliveries are there"),
    Column("traceparent", String, comment="The trace of the call that it happened in"),
    Index("ix_event_company_id_time", "company_id", "time"),
    Index("ix_event_unassigned", "time", postgresql_where=text("NOT assigned")),
)

webhook = Table(
    "webhook",
    metadata,
    Column("id", String, primary_key=True),
    Column("company_id", IDENTIFIER, ForeignKey("company.id"), nullable=False),
    Column("url", String, nullable=False),
    Column("types", ARRAY(String), nullable=False, comment="Empty: every type"),
    Column("salt", LargeBinary, nullable=False, comment="Its secret follows from it and the pepper"),
    Column("author", String, nullable=False),
    Column("create_time", DateTime(timezone=True), server_default=func.clock_timestamp(), nullable=False),
    Column("delete_time", DateTime(timezone=True)),
    Column("former_salt", LargeBinary, comment="Before rotate_time"),
    Column("rotate_time", DateTime(timezone=True)),
    Column("disable_time", DateTime(timezone=True)),
    Index("ix_webhook_company_id", "company_id"),
)

delivery = Table(
    "delivery",
    metadata,
    Column("webhook_id", String, ForeignKey("webhook.id"), primary_key=True),
    Column("event_id", Uuid, ForeignKey("event.id"), primary_key=True),
    Column("state", String, server_default="pending", nullable=False, comment="pending, delivered or dead"),
    Column("attempts", Integer, server_default="0", nullable=False),
    Column(
        "next_time",
        DateTime(timezone=True),
        server_default=func.clock_timestamp(),
        nullable=False,
        comment="When to try; while somebody tries, when others may",
    ),
    Column("problem", String, server_default="", nullable=False, comment="What was wrong the last time"),
    Index("ix_delivery_due", "webhook_id", "next_time", postgresql_where=text("state = 'pending'")),
    Index("ix_delivery_dead", "webhook_id", postgresql_where=text("state = 'dead'")),
    Index("ix_delivery_event_id", "event_id"),
)
