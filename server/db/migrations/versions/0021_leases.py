"""Leases: parts of limits that tills grant on their own."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

IDENTIFIER = sa.String(64, collation="C")
KEY = sa.String(collation="C")

STATES = ("open", "closed", "reclaimed")
OF_REDEMPTIONS = ("reserve", "redeem", "commit", "release", "expire", "late_commit", "return")
OF_LEASES = ("lease", "spend", "close", "reclaim")
ALARMS = ("gap", "fork", "mending")

# As it was made first, but for leases as well: a ledger transaction is of a redemption or of a lease.
POST = """
CREATE FUNCTION post_transactions(
    p_company text, p_of text, p_subjects uuid[], p_kinds text[], p_principal text, p_token text,
    p_time timestamptz,
    p_entry_subjects uuid[], p_entry_accounts bigint[], p_entry_buckets text[], p_entry_amounts bigint[]
) RETURNS void
LANGUAGE plpgsql
SET lock_timeout = '2s'
AS $$
DECLARE
    wanted int;
    changed int;
BEGIN
    PERFORM l.id FROM limit_account l WHERE l.id = ANY (p_entry_accounts)
    ORDER BY l.lock_rank, l.promotion_id, l.key FOR UPDATE;

    SELECT count(DISTINCT id) INTO wanted FROM unnest(p_entry_accounts) AS e(id);
    UPDATE limit_account l
    SET posted = l.posted + d.posted, pending = l.pending + d.pending,
        escrowed = l.escrowed + d.escrowed, overrun = l.overrun + d.overrun
    FROM (
        SELECT e.account,
               coalesce(sum(e.amount) FILTER (WHERE e.bucket = 'posted'), 0)::bigint AS posted,
               coalesce(sum(e.amount) FILTER (WHERE e.bucket = 'pending'), 0)::bigint AS pending,
               coalesce(sum(e.amount) FILTER (WHERE e.bucket = 'escrowed'), 0)::bigint AS escrowed,
               coalesce(sum(e.amount) FILTER (WHERE e.bucket = 'overrun'), 0)::bigint AS overrun
        FROM unnest(p_entry_accounts, p_entry_buckets, p_entry_amounts) AS e(account, bucket, amount)
        GROUP BY e.account
    ) d
    WHERE l.id = d.account AND l.company_id = p_company;
    GET DIAGNOSTICS changed = ROW_COUNT;
    IF changed <> wanted THEN
        RAISE EXCEPTION 'changed % of % limit accounts', changed, wanted;
    END IF;

    WITH posting AS (
        INSERT INTO ledger_transaction
            (company_id, redemption_id, lease_id, kind, principal, token_id, time)
        SELECT p_company, CASE p_of WHEN 'redemption' THEN t.subject END,
               CASE p_of WHEN 'lease' THEN t.subject END, t.kind, p_principal, p_token, p_time
        FROM unnest(p_subjects, p_kinds) AS t(subject, kind)
        RETURNING id, coalesce(redemption_id, lease_id) AS subject
    )
    INSERT INTO ledger_entry (transaction_id, account_id, bucket, unit, amount)
    SELECT posting.id, e.account, e.bucket, l.unit, sum(e.amount)
    FROM unnest(p_entry_subjects, p_entry_accounts, p_entry_buckets, p_entry_amounts)
        AS e(subject, account, bucket, amount)
    JOIN posting ON posting.subject = e.subject
    JOIN limit_account l ON l.id = e.account
    GROUP BY posting.id, e.account, e.bucket, l.unit
    HAVING sum(e.amount) <> 0;
END $$
"""


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _amount(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)


def _time(name: str, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    _create_leases()
    _have_the_ledger_tell_of_leases()
    _have_alarms_of("lease", "overrun")


def _create_leases() -> None:
    op.create_table(
        "lease",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("company_id", IDENTIFIER, nullable=False),
        sa.Column("device_id", IDENTIFIER, nullable=False),
        sa.Column("journal_id", IDENTIFIER, nullable=False),
        sa.Column("owner", sa.String(), nullable=False, comment="The name of its token"),
        sa.Column("promotion_id", IDENTIFIER, nullable=False),
        sa.Column("store_id", KEY, nullable=False),
        sa.Column("time_zone", sa.String(), nullable=False, comment="Of its day. Empty: it is for all days"),
        sa.Column("state", sa.String(), nullable=False),
        _time("start_time"),
        _time("expire_time"),
        _time("reclaim_time"),
        _time("resolve_time", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_lease"),
        sa.CheckConstraint(f"state IN ({_listed(STATES)})", name="ck_lease_state"),
        sa.CheckConstraint("(state = 'open') = (resolve_time IS NULL)", name="ck_lease_resolved"),
        sa.CheckConstraint("expire_time <= reclaim_time", name="ck_lease_reclaimed_after_expiry"),
    )
    op.create_index(
        "ix_lease_device",
        "lease",
        ["company_id", "device_id", "journal_id"],
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index(
        "ix_lease_reclaim_time", "lease", ["reclaim_time"], postgresql_where=sa.text("state = 'open'")
    )
    op.create_index("ix_lease_company_id", "lease", ["company_id", "start_time", "id"])
    op.create_table(
        "lease_part",
        sa.Column("lease_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("leased", sa.BigInteger(), nullable=False),
        _amount("spent"),
        _amount("returned"),
        _amount("overrun"),
        sa.PrimaryKeyConstraint("lease_id", "account_id", name="pk_lease_part"),
        sa.ForeignKeyConstraint(["lease_id"], ["lease.id"], name="fk_lease_part_lease_id"),
        sa.ForeignKeyConstraint(
            ["account_id", "unit"],
            ["limit_account.id", "limit_account.unit"],
            name="fk_lease_part_account_id",
        ),
        sa.CheckConstraint(
            "spent >= 0 AND returned >= 0 AND overrun >= 0", name="ck_lease_part_not_negative"
        ),
        sa.CheckConstraint("spent + returned <= leased", name="ck_lease_part_at_most_leased"),
    )
    op.create_index("ix_lease_part_account_id", "lease_part", ["account_id"])
    op.create_table(
        "lease_spend",
        sa.Column("company_id", IDENTIFIER, nullable=False),
        sa.Column("device_id", IDENTIFIER, nullable=False),
        sa.Column("journal_id", IDENTIFIER, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False, comment="Of the journal entry"),
        sa.Column("lease_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("spent", sa.BigInteger(), nullable=False),
        sa.Column("overrun", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "company_id", "device_id", "journal_id", "sequence", "account_id", name="pk_lease_spend"
        ),
        sa.ForeignKeyConstraint(
            ["lease_id", "account_id"],
            ["lease_part.lease_id", "lease_part.account_id"],
            name="fk_lease_spend_lease_id",
        ),
        sa.CheckConstraint("spent >= 0 AND overrun >= 0", name="ck_lease_spend_not_negative"),
        sa.CheckConstraint("spent + overrun > 0", name="ck_lease_spend_amount"),
    )
    op.create_index("ix_lease_spend_lease_id", "lease_spend", ["lease_id", "account_id"])


def _have_the_ledger_tell_of_leases() -> None:
    op.alter_column("ledger_transaction", "redemption_id", existing_type=sa.Uuid(), nullable=True)
    op.add_column("ledger_transaction", sa.Column("lease_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        "fk_ledger_transaction_lease_id", "ledger_transaction", "lease", ["lease_id"], ["id"]
    )
    op.create_index(
        "ix_ledger_transaction_lease_id",
        "ledger_transaction",
        ["lease_id", "id"],
        postgresql_where=sa.text("lease_id IS NOT NULL"),
    )
    op.drop_constraint("ck_ledger_transaction_kind", "ledger_transaction")
    op.create_check_constraint(
        "ck_ledger_transaction_kind",
        "ledger_transaction",
        f"CASE WHEN lease_id IS NULL THEN redemption_id IS NOT NULL AND kind IN ({_listed(OF_REDEMPTIONS)})"
        f" ELSE redemption_id IS NULL AND kind IN ({_listed(OF_LEASES)}) END",
    )
    op.execute("DROP FUNCTION post_transactions")
    op.execute(POST)


def _have_alarms_of(*kinds: str) -> None:
    op.drop_constraint("ck_journal_alarm_kind", "journal_alarm")
    op.create_check_constraint(
        "ck_journal_alarm_kind", "journal_alarm", f"kind IN ({_listed((*ALARMS, *kinds))})"
    )


def downgrade() -> None:
    raise NotImplementedError("a ledger that has leases can't be told without them")
