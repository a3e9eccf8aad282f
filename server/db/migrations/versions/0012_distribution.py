"""Rule streams: the epoch, killed promotions, and the tills that follow."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def _company_id() -> sa.Column[str]:
    return sa.Column("company_id", sa.String(64, collation="C"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "stream_epoch",
        sa.Column("single", sa.Boolean(), server_default=sa.true(), nullable=False, comment="One row"),
        sa.Column("epoch", sa.BigInteger(), nullable=False, comment="Unix time in seconds at which it began"),
        sa.Column(
            "system_identifier", sa.String(), nullable=False, comment="Of the cluster in which it began"
        ),
        sa.Column(
            "timeline",
            sa.Integer(),
            nullable=False,
            comment="Of that cluster; a restore changes it",
        ),
        sa.PrimaryKeyConstraint("single", name="pk_stream_epoch"),
        sa.CheckConstraint("single", name="ck_stream_epoch_single"),
    )
    op.create_table(
        "control_head",
        _company_id(),
        sa.Column("sequence", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("company_id", name="pk_control_head"),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name="fk_control_head_company_id"),
    )
    op.create_table(
        "promotion_kill",
        _company_id(),
        sa.Column("promotion_id", sa.String(64, collation="C"), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("company_id", "promotion_id", name="pk_promotion_kill"),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name="fk_promotion_kill_company_id"),
    )
    op.create_table(
        "stream_client",
        _company_id(),
        sa.Column("device_id", sa.String(64, collation="C"), nullable=False),
        sa.Column("scope_id", sa.String(), nullable=False),
        sa.Column("store_ids", ARRAY(sa.String()), nullable=False, comment="Empty: every store"),
        sa.Column("token_id", sa.String(), nullable=False),
        sa.Column("engine_version", sa.String(), nullable=False),
        sa.Column("connected", sa.Boolean(), nullable=False, comment="As of seen_time"),
        sa.Column("seen_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False, comment="Last acked"),
        sa.Column("control_sequence", sa.BigInteger(), nullable=False, comment="Last acked"),
        sa.Column("ack_time", sa.DateTime(timezone=True)),
        sa.Column("unsupported_ids", ARRAY(sa.String()), nullable=False),
        sa.Column("nack_epoch", sa.BigInteger()),
        sa.Column("nack_revision", sa.BigInteger()),
        sa.Column("nack_reason", sa.Integer(), comment="A NackReason"),
        sa.Column("nack_detail", sa.String()),
        sa.PrimaryKeyConstraint("company_id", "device_id", "scope_id", name="pk_stream_client"),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name="fk_stream_client_company_id"),
    )


def downgrade() -> None:
    for table in ("stream_client", "promotion_kill", "control_head", "stream_epoch"):
        op.drop_table(table)
