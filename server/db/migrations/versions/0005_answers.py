"""Answers that are kept for a while."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "kept_answer",
        sa.Column("company_id", sa.String(64, collation="C"), nullable=False),
        sa.Column(
            "caller", sa.String(), nullable=False, comment="The name of who asked: keys of others are others"
        ),
        sa.Column("key", sa.String(), nullable=False, comment="The Idempotency-Key"),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of what was asked"),
        sa.Column("create_time", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("status", sa.Integer(), comment="NULL: not answered yet"),
        sa.Column("headers", JSONB()),
        sa.Column(
            "body", sa.LargeBinary(), comment="NULL beside a status: it holds a secret, and isn't kept"
        ),
        sa.PrimaryKeyConstraint("company_id", "caller", "key", name="pk_kept_answer"),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name="fk_kept_answer_company_id"),
        sa.CheckConstraint("length(key) BETWEEN 1 AND 255", name="ck_kept_answer_key"),
    )
    op.create_index("ix_kept_answer_create_time", "kept_answer", ["create_time"])


def downgrade() -> None:
    op.drop_table("kept_answer")
