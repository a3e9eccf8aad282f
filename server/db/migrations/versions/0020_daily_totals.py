"""What promotions were granted, by store and day, and which redemptions are in it."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

IDENTIFIER = sa.String(64, collation="C")
KEY = sa.String(collation="C")

# What is counted already is counted again when it changes afterwards.
COUNT_AGAIN = """
CREATE FUNCTION count_again() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    UPDATE redemption_promotion SET counted = false WHERE redemption_id = new.redemption_id AND counted;
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    op.add_column(
        "redemption_promotion",
        sa.Column("day", sa.Date(), comment="The day in whose totals it is; NULL: in none"),
    )
    op.add_column(
        "redemption_promotion",
        sa.Column("counted", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.add_column(
        "redemption_promotion",
        sa.Column(
            "counted_returned_minor",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="How much of returned_minor is in the totals",
        ),
    )
    op.create_index(
        "ix_redemption_promotion_uncounted",
        "redemption_promotion",
        ["redemption_id"],
        postgresql_where=sa.text("NOT counted"),
    )
    amounts = ("redemptions", "discount_minor", "cost_minor", "returned_minor")
    op.create_table(
        "daily_total",
        sa.Column("company_id", IDENTIFIER, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("promotion_id", IDENTIFIER, nullable=False),
        sa.Column("store_id", KEY, nullable=False),
        sa.Column("currency_code", sa.String(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in amounts),
        sa.PrimaryKeyConstraint(
            *("company_id", "day", "promotion_id", "store_id", "currency_code"), name="pk_daily_total"
        ),
    )
    op.execute(COUNT_AGAIN)
    op.execute(
        "CREATE TRIGGER counted_again AFTER INSERT ON ledger_transaction FOR EACH ROW"
        " WHEN (new.kind IN ('late_commit', 'return')) EXECUTE FUNCTION count_again()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER counted_again ON ledger_transaction")
    op.execute("DROP FUNCTION count_again()")
    op.drop_table("daily_total")
    op.drop_index("ix_redemption_promotion_uncounted", "redemption_promotion")
    for column in ("counted_returned_minor", "counted", "day"):
        op.drop_column("redemption_promotion", column)
