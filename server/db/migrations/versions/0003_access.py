"""API tokens."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "api_token",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("company_id", sa.String(64, collation="C"), nullable=False),
        sa.Column("name", sa.String(), nullable=False, comment="Whose it is"),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of the whole token"),
        sa.Column("roles", ARRAY(sa.String()), nullable=False),
        sa.Column("store_ids", ARRAY(sa.String()), nullable=False, comment="Empty: every store"),
        sa.Column("create_time", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("expire_time", sa.DateTime(timezone=True), comment="NULL: never"),
        sa.Column("revoke_time", sa.DateTime(timezone=True)),
        sa.Column("last_use_time", sa.DateTime(timezone=True), comment="To the minute"),
        sa.PrimaryKeyConstraint("id", name="pk_api_token"),
        sa.UniqueConstraint("secret_hash", name="uq_api_token_secret_hash"),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name="fk_api_token_company_id"),
        sa.CheckConstraint("cardinality(roles) > 0", name="ck_api_token_roles"),
        sa.CheckConstraint("octet_length(secret_hash) = 32", name="ck_api_token_secret_hash"),
    )
    op.create_index("ix_api_token_company_id_name", "api_token", ["company_id", "name"])


def downgrade() -> None:
    op.drop_table("api_token")
