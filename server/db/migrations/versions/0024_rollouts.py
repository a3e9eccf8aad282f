"""Rollouts: revisions that are in force in some stores first."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

IDENTIFIER = sa.String(64, collation="C")


def upgrade() -> None:
    op.create_table(
        "rollout",
        sa.Column("company_id", IDENTIFIER, nullable=False),
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("store_ids", ARRAY(sa.String()), nullable=False, comment="The cohort"),
        sa.Column("bake_seconds", sa.Integer(), comment="NULL: somebody promotes it"),
        sa.Column("failures_max", sa.Integer(), nullable=False, comment="More of them stop it"),
        sa.Column("tills_min", sa.Integer(), nullable=False, comment="With so many tills it may be promoted"),
        sa.PrimaryKeyConstraint("company_id", "revision", name="pk_rollout"),
        sa.ForeignKeyConstraint(
            ["company_id", "revision"],
            ["revision.company_id", "revision.revision"],
            name="fk_rollout_company_id_revision",
        ),
        sa.CheckConstraint("cardinality(store_ids) > 0", name="ck_rollout_store_ids"),
        sa.CheckConstraint("bake_seconds >= 0", name="ck_rollout_bake_seconds"),
        sa.CheckConstraint("failures_max >= 0", name="ck_rollout_failures_max"),
        sa.CheckConstraint("tills_min >= 0", name="ck_rollout_tills_min"),
        comment="Revisions for some stores; the next revision is for all again",
    )
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON rollout "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute("CREATE TRIGGER never_emptied BEFORE TRUNCATE ON rollout EXECUTE FUNCTION refuse_change()")


def downgrade() -> None:
    op.drop_table("rollout")
