"""How jobs went, and an index of what couldn't be delivered."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "job",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("period", sa.Interval(), nullable=False, comment="About how long it is between two runs"),
        sa.Column("runs", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("failing", sa.Integer(), nullable=False, comment="Failures since it went well last"),
        sa.Column("end_time", sa.DateTime(timezone=True), nullable=False, comment="Of the last run"),
        sa.Column("lasted", sa.Interval(), nullable=False, comment="The last run"),
        sa.Column("success_time", sa.DateTime(timezone=True), comment="When it went well last"),
        sa.Column(
            "problem",
            sa.String(),
            nullable=False,
            comment="What was wrong with the last run; empty: nothing",
        ),
        sa.PrimaryKeyConstraint("name", name="pk_job"),
    )
    op.create_index(
        "ix_delivery_dead", "delivery", ["webhook_id"], postgresql_where=sa.text("state = 'dead'")
    )


def downgrade() -> None:
    op.drop_index("ix_delivery_dead", "delivery")
    op.drop_table("job")
