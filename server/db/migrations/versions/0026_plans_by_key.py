"""What tells of redemptions finds them by their keys, however small the tables were when that was planned.

The plan of a trigger is kept by its connection. One that was made for a few rows reads all of them, and goes
on to read all when they are many: each batch took longer than the one before, until statistics were gathered.
"""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

SETTINGS = ("enable_hashjoin", "enable_mergejoin", "enable_seqscan")


def upgrade() -> None:
    for setting in SETTINGS:
        op.execute(f"ALTER FUNCTION tell_redemptions() SET {setting} = off")


def downgrade() -> None:
    for setting in SETTINGS:
        op.execute(f"ALTER FUNCTION tell_redemptions() RESET {setting}")
