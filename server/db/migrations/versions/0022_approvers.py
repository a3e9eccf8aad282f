"""Who has approved the newest version of a promotion: some need two."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "promotion",
        sa.Column(
            "approvers",
            ARRAY(sa.String()),
            server_default=sa.text("'{}'::varchar[]"),
            nullable=False,
            comment="Of the newest version, until it is published",
        ),
    )


def downgrade() -> None:
    op.drop_column("promotion", "approvers")
