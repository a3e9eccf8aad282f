"""What tills upload: usages of promotions, and the logs of bills."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

IDENTIFIER = sa.String(64, collation="C")


def upgrade() -> None:
    op.create_table(
        "usage",
        *_shared(),
        sa.Column("member_id", sa.String()),
        sa.Column("customer_phone", sa.String()),
        sa.Column("brand_id", sa.String()),
        sa.Column("discount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency_code", sa.String(), nullable=False),
        sa.Column("use_time", sa.DateTime(timezone=True), nullable=False),
        *_uploaded(),
        # A bill has a promotion once.
        sa.PrimaryKeyConstraint("company_id", "store_id", "bill_id", "promotion_id", name="pk_usage"),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name="fk_usage_company_id"),
        sa.CheckConstraint("discount_minor >= 0", name="ck_usage_discount_minor"),
    )
    op.create_index("ix_usage_company_id_promotion_id", "usage", ["company_id", "promotion_id"])
    op.create_table(
        "bill_log",
        *_shared(),
        sa.Column(
            "content_hash",
            sa.LargeBinary(),
            nullable=False,
            comment="SHA-256: the same said twice is once",
        ),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("discount_minor", sa.BigInteger(), nullable=False),
        sa.Column("original_minor", sa.BigInteger()),
        sa.Column("final_minor", sa.BigInteger()),
        sa.Column("currency_code", sa.String(), nullable=False),
        sa.Column("validation_details", JSONB()),
        *_uploaded(),
        sa.PrimaryKeyConstraint(
            "company_id", "store_id", "bill_id", "promotion_id", "content_hash", name="pk_bill_log"
        ),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name="fk_bill_log_company_id"),
        sa.CheckConstraint(
            "status IN ('applied', 'rejected', 'skipped', 'limit_exceeded', 'expired', 'error')",
            name="ck_bill_log_status",
        ),
    )
    for table in ("usage", "bill_log"):
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER never_emptied BEFORE TRUNCATE ON {table} EXECUTE FUNCTION refuse_change()"
        )


def _shared() -> list[sa.Column[object]]:
    return [
        sa.Column("company_id", IDENTIFIER, nullable=False),
        sa.Column("store_id", IDENTIFIER, nullable=False),
        sa.Column("bill_id", sa.String(), nullable=False),
        sa.Column("promotion_id", IDENTIFIER, nullable=False),
    ]


def _uploaded() -> list[sa.Column[object]]:
    return [
        sa.Column("token_id", sa.String(), nullable=False, comment="Of whoever uploaded it"),
        sa.Column("upload_time", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
    ]


def downgrade() -> None:
    for table in ("bill_log", "usage"):
        op.drop_table(table)
