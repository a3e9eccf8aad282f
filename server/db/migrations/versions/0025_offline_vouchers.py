"""Vouchers that tills grant without a network: in their home store, or at risk up to a cap."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "voucher",
        sa.Column("tag", sa.LargeBinary(), comment="By which a till recognises its code; NULL: none does"),
    )
    op.add_column(
        "voucher_batch",
        sa.Column(
            "home_store_id", sa.String(collation="C"), comment="Whose tills have its codes to themselves"
        ),
    )
    op.add_column(
        "voucher_batch",
        sa.Column("risk_cap", sa.BigInteger(), comment="Uses that each till may grant at its own risk"),
    )
    op.create_check_constraint(
        "ck_voucher_batch_offline", "voucher_batch", "home_store_id IS NULL OR risk_cap IS NULL"
    )
    op.create_index(
        "ix_voucher_offline", "voucher", ["batch_id", "id"], postgresql_where=sa.text("tag IS NOT NULL")
    )
    op.create_table(
        "voucher_risk",
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("lease_id", sa.Uuid(), nullable=False),
        sa.Column(
            "uses", sa.BigInteger(), nullable=False, comment="That the till of the lease may grant in all"
        ),
        sa.Column(
            "spent", sa.BigInteger(), server_default="0", nullable=False, comment="That the server knows of"
        ),
        sa.PrimaryKeyConstraint("batch_id", "lease_id", name="pk_voucher_risk"),
        sa.ForeignKeyConstraint(["batch_id"], ["voucher_batch.id"], name="fk_voucher_risk_batch_id"),
    )
    op.create_index("ix_voucher_risk_lease_id", "voucher_risk", ["lease_id"])


def downgrade() -> None:
    op.drop_table("voucher_risk")
    op.drop_column("voucher_batch", "risk_cap")
    op.drop_column("voucher_batch", "home_store_id")
    op.drop_index("ix_voucher_offline", "voucher")
    op.drop_column("voucher", "tag")
