"""Journals of tills."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

IDENTIFIER = sa.String(64, collation="C")
JOURNAL = ["company_id", "device_id", "journal_id"]
ENTRY = [*JOURNAL, "sequence"]


def upgrade() -> None:
    op.create_table(
        "journal",
        *_journal_key(),
        sa.Column("owner", sa.String(), nullable=False, comment="The name of its token"),
        sa.Column("sequence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("hash", sa.LargeBinary(), server_default=sa.text(r"'\x'::bytea"), nullable=False),
        sa.Column("upload_time", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint(*JOURNAL, name="pk_journal"),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name="fk_journal_company_id"),
    )
    op.create_table(
        "journal_entry",
        *_entry_key(),
        sa.Column("record", sa.LargeBinary(), nullable=False, comment="A JournalRecord, as it was hashed"),
        sa.Column("previous_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("record_time", sa.DateTime(timezone=True), nullable=False, comment="By the till's clock"),
        sa.Column("sale_id", sa.String(), comment="NULL: it is no sale"),
        sa.Column("repeats", sa.Boolean(), nullable=False, comment="The sale is in an earlier entry too"),
        sa.Column("revision", sa.BigInteger(), comment="That priced the sale"),
        sa.Column("token_id", sa.String(), nullable=False),
        sa.Column("upload_time", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint(*ENTRY, name="pk_journal_entry"),
        _of_a_journal("journal_entry"),
        sa.CheckConstraint("sequence > 0", name="ck_journal_entry_sequence"),
        sa.CheckConstraint("octet_length(hash) = 32", name="ck_journal_entry_hash"),
    )
    op.create_index("ix_journal_entry_sale", "journal_entry", ["company_id", "device_id", "sale_id"])
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON journal_entry "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER never_emptied BEFORE TRUNCATE ON journal_entry EXECUTE FUNCTION refuse_change()"
    )
    op.create_table(
        "journal_pending",
        *_entry_key(),
        sa.PrimaryKeyConstraint(*ENTRY, name="pk_journal_pending"),
        _of_an_entry("journal_pending"),
        comment="Sales that haven't been priced again yet",
    )
    op.create_table(
        "journal_drift",
        *_entry_key(),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("found_hash", sa.LargeBinary(), nullable=False, comment="Empty: there is no result"),
        sa.Column("replay_time", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint(*ENTRY, name="pk_journal_drift"),
        _of_an_entry("journal_drift"),
        sa.CheckConstraint("outcome IN ('drifted', 'unverified')", name="ck_journal_drift_outcome"),
    )
    op.create_table(
        "journal_alarm",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        *_journal_key(),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("alarm_time", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_journal_alarm"),
        _of_a_journal("journal_alarm"),
        sa.CheckConstraint("kind IN ('gap', 'fork', 'mending')", name="ck_journal_alarm_kind"),
    )
    op.create_index("uq_journal_alarm", "journal_alarm", [*JOURNAL, "kind", "sequence"], unique=True)


def _journal_key() -> list[sa.Column[Any]]:
    return [sa.Column(name, IDENTIFIER, nullable=False) for name in JOURNAL]


def _entry_key() -> list[sa.Column[Any]]:
    return [*_journal_key(), sa.Column("sequence", sa.BigInteger(), nullable=False)]


def _of_a_journal(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        JOURNAL, [f"journal.{name}" for name in JOURNAL], name=f"fk_{table}_{'_'.join(JOURNAL)}"
    )


def _of_an_entry(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ENTRY, [f"journal_entry.{name}" for name in ENTRY], name=f"fk_{table}_{'_'.join(ENTRY)}"
    )


def downgrade() -> None:
    for table in ("journal_alarm", "journal_drift", "journal_pending", "journal_entry", "journal"):
        op.drop_table(table)
