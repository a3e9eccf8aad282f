"""Redemptions, what they hold of limits, and the ledger of it."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

IDENTIFIER = sa.String(64, collation="C")
KEY = sa.String(collation="C")

# Locks are taken in this order of kinds, the most contended last, so that nobody waits in a circle.
KINDS = ("customer", "code", "day", "store", "total", "budget")
BUCKETS = ("free", "pending", "posted", "escrowed", "overrun", "excess")
STATES = ("reserved", "committed", "released", "expired", "partly_returned", "returned")
RESOLVING = ("redeem", "commit", "release", "expire")
OPERATIONS = ("reserve", *RESOLVING, "late_commit", "return")


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _amount(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)


def _time(name: str, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    _create_accounts()
    _create_redemptions()
    _create_ledger()


def _create_accounts() -> None:
    op.create_table(
        "limit_account",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("company_id", IDENTIFIER, nullable=False),
        sa.Column("promotion_id", IDENTIFIER, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.Column(
            "lock_rank",
            sa.SmallInteger(),
            nullable=False,
            comment="The place of its kind in the order of locks",
        ),
        sa.Column("unit", sa.String(), nullable=False, comment="use, or the currency of a budget"),
        sa.Column("lim", sa.BigInteger(), nullable=False, comment="The limit as it was used last"),
        _amount("posted"),
        _amount("pending"),
        _amount("escrowed"),
        _amount("overrun"),
        sa.PrimaryKeyConstraint("id", name="pk_limit_account"),
        sa.UniqueConstraint(
            "company_id",
            "promotion_id",
            "kind",
            "key",
            name="uq_limit_account_company_id_promotion_id_kind_key",
        ),
        sa.UniqueConstraint("id", "unit", name="uq_limit_account_id_unit"),
        sa.CheckConstraint(
            "posted >= 0 AND pending >= 0 AND escrowed >= 0 AND overrun >= 0",
            name="ck_limit_account_not_negative",
        ),
        sa.CheckConstraint("posted + pending + escrowed <= lim", name="ck_limit_account_within"),
        sa.CheckConstraint(f"kind IN ({_listed(KINDS)})", name="ck_limit_account_kind"),
        sa.CheckConstraint(
            f"lock_rank = array_position(ARRAY[{_listed(KINDS)}], kind::text)",
            name="ck_limit_account_lock_rank",
        ),
        sa.CheckConstraint(
            "(kind = 'budget') = (unit <> 'use') AND (kind <> 'budget' OR unit = key)",
            name="ck_limit_account_unit",
        ),
        # Room on the page lets an update stay there, without touching the indexes.
        postgresql_with={"fillfactor": "50"},
    )
    op.create_index(
        "ix_limit_account_customer",
        "limit_account",
        ["company_id", "key"],
        postgresql_where=sa.text("kind = 'customer'"),
    )


def _create_redemptions() -> None:
    op.create_table(
        "redemption",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("company_id", IDENTIFIER, nullable=False),
        sa.Column("store_id", KEY, nullable=False),
        sa.Column("order_id", KEY, nullable=False),
        sa.Column("customer_id", KEY, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("late", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("currency_code", sa.String(), nullable=False),
        sa.Column("discount_minor", sa.BigInteger(), nullable=False),
        sa.Column("payable_minor", sa.BigInteger(), nullable=False),
        _amount("refunded_minor"),
        _amount("refunded_tax_minor"),
        _time("create_time"),
        _time("expire_time", nullable=True),
        _time("resolve_time", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_redemption"),
        sa.CheckConstraint(f"state IN ({_listed(STATES)})", name="ck_redemption_state"),
        sa.CheckConstraint("(state = 'reserved') = (resolve_time IS NULL)", name="ck_redemption_resolved"),
        sa.CheckConstraint("state <> 'reserved' OR expire_time IS NOT NULL", name="ck_redemption_expires"),
        sa.CheckConstraint(
            "refunded_minor BETWEEN 0 AND payable_minor", name="ck_redemption_refunded_at_most_paid"
        ),
    )
    op.create_index(
        "ix_redemption_order",
        "redemption",
        ["company_id", "store_id", "order_id"],
        unique=True,
        postgresql_where=sa.text("state NOT IN ('released', 'expired')"),
    )
    op.create_index(
        "ix_redemption_expire_time",
        "redemption",
        ["expire_time"],
        postgresql_where=sa.text("state = 'reserved'"),
    )
    op.create_index("ix_redemption_company_id", "redemption", ["company_id", "create_time", "id"])
    op.create_index(
        "ix_redemption_customer_id",
        "redemption",
        ["company_id", "customer_id", "create_time"],
        postgresql_where=sa.text("customer_id <> ''"),
    )
    op.create_table(
        "redemption_sale",
        sa.Column("redemption_id", sa.Uuid(), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("result", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("redemption_id", name="pk_redemption_sale"),
        sa.ForeignKeyConstraint(
            ["redemption_id"], ["redemption.id"], name="fk_redemption_sale_redemption_id"
        ),
    )
    op.create_table(
        "redemption_promotion",
        sa.Column("redemption_id", sa.Uuid(), nullable=False),
        sa.Column("promotion_id", IDENTIFIER, nullable=False),
        sa.Column("discount_minor", sa.BigInteger(), nullable=False),
        sa.Column("cost_minor", sa.BigInteger(), nullable=False),
        _amount("returned_minor"),
        sa.PrimaryKeyConstraint("redemption_id", "promotion_id", name="pk_redemption_promotion"),
        sa.ForeignKeyConstraint(
            ["redemption_id"], ["redemption.id"], name="fk_redemption_promotion_redemption_id"
        ),
        sa.CheckConstraint(
            "returned_minor BETWEEN 0 AND cost_minor", name="ck_redemption_promotion_returned"
        ),
    )
    op.create_index(
        "ix_redemption_promotion_promotion_id", "redemption_promotion", ["promotion_id", "redemption_id"]
    )
    op.create_table(
        "redemption_return",
        sa.Column("redemption_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("returned", sa.LargeBinary(), nullable=False, comment="All that came back until then"),
        sa.Column("refund_minor", sa.BigInteger(), nullable=False),
        sa.Column("refund_tax_minor", sa.BigInteger(), nullable=False),
        _time("time"),
        sa.PrimaryKeyConstraint("redemption_id", "number", name="pk_redemption_return"),
        sa.ForeignKeyConstraint(
            ["redemption_id"], ["redemption.id"], name="fk_redemption_return_redemption_id"
        ),
    )
    op.create_table(
        "limit_hold",
        sa.Column("redemption_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        _amount("posted"),
        _amount("overrun"),
        _amount("returned"),
        sa.PrimaryKeyConstraint("redemption_id", "account_id", name="pk_limit_hold"),
        sa.ForeignKeyConstraint(["redemption_id"], ["redemption.id"], name="fk_limit_hold_redemption_id"),
        sa.ForeignKeyConstraint(
            ["account_id", "unit"],
            ["limit_account.id", "limit_account.unit"],
            name="fk_limit_hold_account_id",
        ),
        sa.CheckConstraint(
            "reserved > 0 AND posted >= 0 AND overrun >= 0", name="ck_limit_hold_not_negative"
        ),
        sa.CheckConstraint("posted + overrun <= reserved", name="ck_limit_hold_at_most_reserved"),
        sa.CheckConstraint("returned BETWEEN 0 AND posted + overrun", name="ck_limit_hold_returned"),
    )
    op.create_table(
        "idempotency_key",
        sa.Column("company_id", IDENTIFIER, nullable=False),
        sa.Column("principal", sa.String(collation="C"), nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("redemption_id", sa.Uuid(), comment="NULL: nothing was made"),
        sa.Column("response", sa.LargeBinary(), nullable=False, comment="Without its times"),
        _time("time"),
        _time("expire_time", nullable=True),
        sa.PrimaryKeyConstraint("company_id", "principal", "key", name="pk_idempotency_key"),
        sa.CheckConstraint("octet_length(request_hash) = 32", name="ck_idempotency_key_request_hash"),
    )
    op.create_index("ix_idempotency_key_time", "idempotency_key", ["time"])


def _create_ledger() -> None:
    op.create_table(
        "ledger_transaction",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("company_id", IDENTIFIER, nullable=False),
        sa.Column("redemption_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("token_id", sa.String(), nullable=False),
        _time("time"),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_transaction"),
        sa.ForeignKeyConstraint(
            ["redemption_id"], ["redemption.id"], name="fk_ledger_transaction_redemption_id"
        ),
        sa.CheckConstraint(f"kind IN ({_listed(OPERATIONS)})", name="ck_ledger_transaction_kind"),
    )
    op.create_index("ix_ledger_transaction_redemption_id", "ledger_transaction", ["redemption_id", "id"])
    op.create_index(
        "ix_ledger_transaction_resolved",
        "ledger_transaction",
        ["redemption_id"],
        unique=True,
        postgresql_where=sa.text(f"kind IN ({_listed(RESOLVING)})"),
    )
    op.create_table(
        "ledger_entry",
        sa.Column("transaction_id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("bucket", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("transaction_id", "account_id", "bucket", name="pk_ledger_entry"),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["ledger_transaction.id"], name="fk_ledger_entry_transaction_id"
        ),
        sa.ForeignKeyConstraint(
            ["account_id", "unit"],
            ["limit_account.id", "limit_account.unit"],
            name="fk_ledger_entry_account_id",
        ),
        sa.CheckConstraint("amount <> 0", name="ck_ledger_entry_amount"),
        sa.CheckConstraint(f"bucket IN ({_listed(BUCKETS)})", name="ck_ledger_entry_bucket"),
    )
    op.execute(
        """
        CREATE FUNCTION require_balance() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF EXISTS (
                SELECT FROM ledger_entry WHERE transaction_id = NEW.transaction_id
                GROUP BY account_id, unit HAVING sum(amount) <> 0
            ) THEN
                RAISE EXCEPTION 'ledger transaction % does not sum to zero', NEW.transaction_id
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        END $$
        """
    )
    op.execute(
        "CREATE CONSTRAINT TRIGGER sums_to_zero AFTER INSERT ON ledger_entry DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION require_balance()"
    )
    for table in ("ledger_transaction", "ledger_entry"):
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER never_emptied BEFORE TRUNCATE ON {table} EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    for table in (
        *("ledger_entry", "ledger_transaction", "idempotency_key", "limit_hold", "redemption_return"),
        *("redemption_promotion", "redemption_sale", "redemption", "limit_account"),
    ):
        op.drop_table(table)
    op.execute("DROP FUNCTION require_balance()")
