"""The audit log: entries in a hash chain, and its end per company."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

IDENTIFIER = sa.String(64, collation="C")


def upgrade() -> None:
    op.create_table(
        "audit_entry",
        sa.Column("company_id", IDENTIFIER, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("token_id", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("version", sa.BigInteger()),
        sa.Column("revision", sa.BigInteger()),
        sa.Column("comment", sa.String(), nullable=False),
        sa.Column("before", JSONB()),
        sa.Column("after", JSONB()),
        sa.Column("previous_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("company_id", "number", name="pk_audit_entry"),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name="fk_audit_entry_company_id"),
    )
    op.create_index(
        "ix_audit_entry_subject", "audit_entry", ["company_id", "subject", "subject_id", "number"]
    )
    op.create_table(
        "audit_head",
        sa.Column("company_id", IDENTIFIER, nullable=False),
        sa.Column("number", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("hash", sa.LargeBinary(), server_default=sa.text(r"'\x'::bytea"), nullable=False),
        sa.PrimaryKeyConstraint("company_id", name="pk_audit_head"),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name="fk_audit_head_company_id"),
    )
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_entry "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute("CREATE TRIGGER never_emptied BEFORE TRUNCATE ON audit_entry EXECUTE FUNCTION refuse_change()")


def downgrade() -> None:
    op.drop_table("audit_head")
    op.drop_table("audit_entry")
