"""Redemptions of sales that tills granted on their own: each knows the journal entry that has its sale."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

IDENTIFIER = sa.String(64, collation="C")
ENTRY = ["company_id", "device_id", "journal_id", "sequence"]


def upgrade() -> None:
    op.add_column(
        "redemption",
        sa.Column("device_id", IDENTIFIER, comment="The till whose journal has the sale; NULL: granted here"),
    )
    op.add_column("redemption", sa.Column("journal_id", IDENTIFIER))
    op.add_column("redemption", sa.Column("sequence", sa.BigInteger(), comment="Of the journal entry"))
    op.create_foreign_key("fk_redemption_company_id", "redemption", "journal_entry", ENTRY, ENTRY)
    op.create_check_constraint(
        "ck_redemption_journal_entry", "redemption", "num_nulls(device_id, journal_id, sequence) IN (0, 3)"
    )
    op.create_index(
        "ix_redemption_journal_entry",
        "redemption",
        ENTRY,
        unique=True,
        postgresql_where=sa.text("sequence IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_redemption_journal_entry", "redemption")
    op.drop_constraint("ck_redemption_journal_entry", "redemption")
    op.drop_constraint("fk_redemption_company_id", "redemption")
    for column in ("sequence", "journal_id", "device_id"):
        op.drop_column("redemption", column)
