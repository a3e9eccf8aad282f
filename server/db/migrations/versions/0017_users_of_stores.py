"""Users may be for some stores alone, as tokens are."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "staff_user",
        sa.Column(
            "store_ids",
            ARRAY(sa.String()),
            server_default=sa.text("'{}'::varchar[]"),
            nullable=False,
            comment="Empty: every store",
        ),
    )


def downgrade() -> None:
    op.drop_column("staff_user", "store_ids")
