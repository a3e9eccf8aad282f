"""Vouchers, who gave wrong codes, and the mark of the pepper."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

IDENTIFIER = sa.String(64, collation="C")


def upgrade() -> None:
    op.create_table(
        "pepper_mark",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "mark", sa.LargeBinary(), nullable=False, comment="Says which pepper it is, and nothing about it"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_pepper_mark"),
        sa.CheckConstraint("id = 1", name="ck_pepper_mark_one"),
    )
    op.create_table(
        "voucher_batch",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("company_id", IDENTIFIER, nullable=False),
        sa.Column("promotion_id", IDENTIFIER, nullable=False),
        sa.Column("origin", sa.String(), nullable=False, comment="generated or imported"),
        sa.Column("prefix", sa.String(), nullable=False),
        sa.Column("random_chars", sa.SmallInteger(), nullable=False, comment="0 where codes were imported"),
        sa.Column(
            "quantity", sa.BigInteger(), nullable=False, comment="How many codes it has when it is complete"
        ),
        sa.Column("max_uses", sa.Integer(), nullable=False, comment="Of each code"),
        sa.Column(
            "customer_ids",
            ARRAY(sa.String()),
            nullable=False,
            comment="One for each code; empty: for bearers",
        ),
        sa.Column("start_time", sa.DateTime(timezone=True), comment="NULL: at once"),
        sa.Column("end_time", sa.DateTime(timezone=True), comment="Exclusive; NULL: never"),
        sa.Column("comment", sa.String(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), comment="Gives the codes again, with the pepper; NULL: sealed"),
        sa.Column(
            "next_number",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="The first not tried yet",
        ),
        sa.Column(
            "made", sa.BigInteger(), server_default="0", nullable=False, comment="How many codes it has"
        ),
        sa.Column(
            "skipped",
            ARRAY(sa.BigInteger()),
            server_default=sa.text("'{}'::bigint[]"),
            nullable=False,
            comment="Numbers whose code was taken",
        ),
        sa.Column("complete_time", sa.DateTime(timezone=True)),
        sa.Column("disable_time", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_voucher_batch"),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name="fk_voucher_batch_company_id"),
        sa.CheckConstraint("made <= quantity", name="ck_voucher_batch_made"),
        sa.CheckConstraint("origin IN ('generated', 'imported')", name="ck_voucher_batch_origin"),
    )
    op.create_index("ix_voucher_batch_company_id_id", "voucher_batch", ["company_id", "id"])
    op.create_index(
        "ix_voucher_batch_unfinished",
        "voucher_batch",
        ["id"],
        postgresql_where=sa.text("complete_time IS NULL"),
    )
    op.create_table(
        "voucher",
        sa.Column("company_id", IDENTIFIER, nullable=False),
        sa.Column("id", sa.LargeBinary(), nullable=False, comment="So much of the MAC of its code"),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("last_four", sa.String(), nullable=False),
        sa.Column("customer_id", sa.String(), comment="NULL: for any bearer"),
        sa.Column("end_time", sa.DateTime(timezone=True), comment="NULL: that of its batch"),
        sa.Column("max_uses", sa.Integer(), nullable=False),
        sa.Column("used", sa.Integer(), server_default="0", nullable=False),
        sa.Column("disabled", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("company_id", "id", name="pk_voucher"),
        sa.ForeignKeyConstraint(["batch_id"], ["voucher_batch.id"], name="fk_voucher_batch_id"),
        sa.CheckConstraint("used >= 0 AND used <= max_uses", name="ck_voucher_used"),
        sa.CheckConstraint("octet_length(id) = 16", name="ck_voucher_id"),
    )
    op.create_index(
        "ix_voucher_customer",
        "voucher",
        ["company_id", "customer_id", "last_four"],
        postgresql_where=sa.text("customer_id IS NOT NULL"),
    )
    op.create_index("ix_voucher_used", "voucher", ["batch_id"], postgresql_where=sa.text("used > 0"))
    op.create_table(
        "voucher_guesser",
        sa.Column("company_id", IDENTIFIER, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject", sa.LargeBinary(), nullable=False, comment="The MAC of its name"),
        sa.Column("misses", sa.BigInteger(), nullable=False, comment="Wrong codes that aren't forgotten yet"),
        sa.Column(
            "counted_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="Up to when they were forgotten",
        ),
        sa.Column("locked_until", sa.DateTime(timezone=True), comment="NULL: never was"),
        sa.PrimaryKeyConstraint("company_id", "kind", "subject", name="pk_voucher_guesser"),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name="fk_voucher_guesser_company_id"),
    )
    op.create_index("ix_voucher_guesser_counted_at", "voucher_guesser", ["counted_at"])


def downgrade() -> None:
    for table in ("voucher_guesser", "voucher", "voucher_batch", "pepper_mark"):
        op.drop_table(table)
