"""Webhooks get new secrets while the ones before are still good, and rest for a while."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("webhook", sa.Column("former_salt", sa.LargeBinary(), comment="Before rotate_time"))
    op.add_column("webhook", sa.Column("rotate_time", sa.DateTime(timezone=True)))
    op.add_column("webhook", sa.Column("disable_time", sa.DateTime(timezone=True)))


def downgrade() -> None:
    for column in ("disable_time", "rotate_time", "former_salt"):
        op.drop_column("webhook", column)
