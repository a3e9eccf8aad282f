"""Test carts, and the guardrails of a company."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

IDENTIFIER = sa.String(64, collation="C")


def upgrade() -> None:
    op.add_column(
        "company",
        sa.Column("guardrails", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
    )
    op.create_table(
        "test_cart_version",
        sa.Column("company_id", IDENTIFIER, nullable=False),
        sa.Column("test_cart_id", IDENTIFIER, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("definition", JSONB(), comment="NULL is a tombstone: it was deleted"),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("comment", sa.String(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column(
            "audit_number", sa.BigInteger(), nullable=False, comment="The audit entry that says so: the etag"
        ),
        sa.PrimaryKeyConstraint("company_id", "test_cart_id", "version", name="pk_test_cart_version"),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name="fk_test_cart_version_company_id"),
        sa.CheckConstraint(
            "definition IS NULL OR test_cart_id = definition->>'id'", name="ck_test_cart_version_test_cart_id"
        ),
        sa.CheckConstraint("version > 0", name="ck_test_cart_version_version"),
    )
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON test_cart_version "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER never_emptied BEFORE TRUNCATE ON test_cart_version EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    op.drop_table("test_cart_version")
    op.drop_column("company", "guardrails")
