"""Events, where they are sent to, and how far that is."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

IDENTIFIER = sa.String(64, collation="C")


def upgrade() -> None:
    op.create_table(
        "event",
        sa.Column("id", sa.Uuid(), server_default=sa.func.gen_random_uuid(), nullable=False),
        sa.Column("company_id", IDENTIFIER, nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("data", JSONB(), nullable=False),
        sa.Column(
            "time", sa.DateTime(timezone=True), server_default=sa.func.clock_timestamp(), nullable=False
        ),
        sa.Column(
            "assigned",
            sa.Boolean(),
            server_default=sa.false(),
            nullable=False,
            comment="Its deliveries are there",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name="fk_event_company_id"),
    )
    op.create_index("ix_event_company_id_time", "event", ["company_id", "time"])
    op.create_index("ix_event_unassigned", "event", ["time"], postgresql_where=sa.text("NOT assigned"))
    op.create_table(
        "webhook",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("company_id", IDENTIFIER, nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("types", ARRAY(sa.String()), nullable=False, comment="Empty: every type"),
        sa.Column(
            "salt", sa.LargeBinary(), nullable=False, comment="Its secret follows from it and the pepper"
        ),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column(
            "create_time",
            sa.DateTime(timezone=True),
            server_default=sa.func.clock_timestamp(),
            nullable=False,
        ),
        sa.Column("delete_time", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_webhook"),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name="fk_webhook_company_id"),
    )
    op.create_index("ix_webhook_company_id", "webhook", ["company_id"])
    op.create_table(
        "delivery",
        sa.Column("webhook_id", sa.String(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column(
            "state",
            sa.String(),
            server_default="pending",
            nullable=False,
            comment="pending, delivered or dead",
        ),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "next_time",
            sa.DateTime(timezone=True),
            server_default=sa.func.clock_timestamp(),
            nullable=False,
            comment="When to try; while somebody tries, when others may",
        ),
        sa.Column(
            "problem",
            sa.String(),
            server_default="",
            nullable=False,
            comment="What was wrong the last time",
        ),
        sa.PrimaryKeyConstraint("webhook_id", "event_id", name="pk_delivery"),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhook.id"], name="fk_delivery_webhook_id"),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name="fk_delivery_event_id"),
        sa.CheckConstraint("state IN ('pending', 'delivered', 'dead')", name="ck_delivery_state"),
    )
    op.create_index(
        "ix_delivery_due",
        "delivery",
        ["webhook_id", "next_time"],
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index("ix_delivery_event_id", "delivery", ["event_id"])


def downgrade() -> None:
    for table in ("delivery", "webhook", "event"):
        op.drop_table(table)
