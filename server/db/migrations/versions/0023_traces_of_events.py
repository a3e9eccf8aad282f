"""Events know the trace of the call that they happened in, so that their receivers go on with it."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "event", sa.Column("traceparent", sa.String(), comment="The trace of the call that it happened in")
    )


def downgrade() -> None:
    op.drop_column("event", "traceparent")
