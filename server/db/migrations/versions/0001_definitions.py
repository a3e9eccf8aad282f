"""Companies, promotions, settings and the change log."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Identifiers sort by code point, on every machine alike.
IDENTIFIER = sa.String(64, collation="C")
NOW = sa.func.now()

APPEND_ONLY = ("promotion_version", "settings_version", "change_log")


def upgrade() -> None:
    op.create_table(
        "company",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_company"),
    )
    op.create_table(
        "revision_head",
        sa.Column("company_id", IDENTIFIER, nullable=False),
        sa.Column("revision", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("company_id", name="pk_revision_head"),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name="fk_revision_head_company_id"),
    )
    op.create_table(
        "promotion_version",
        sa.Column("company_id", IDENTIFIER, nullable=False),
        sa.Column("promotion_id", IDENTIFIER, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("definition", JSONB(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("rule_language", sa.Integer(), nullable=False),
        sa.Column("start_time", sa.DateTime(timezone=True)),
        sa.Column("end_time", sa.DateTime(timezone=True)),
        sa.Column("create_time", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("company_id", "promotion_id", "version", name="pk_promotion_version"),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name="fk_promotion_version_company_id"),
        # The projected columns can't say anything else than the definition.
        sa.CheckConstraint("promotion_id = definition->>'id'", name="ck_promotion_version_id"),
        sa.CheckConstraint("definition ? type", name="ck_promotion_version_type"),
        sa.CheckConstraint("code = coalesce(definition->>'code', '')", name="ck_promotion_version_code"),
        sa.CheckConstraint(
            "priority = coalesce((definition->>'priority')::int, 0)", name="ck_promotion_version_priority"
        ),
        sa.CheckConstraint(
            "rule_language = coalesce((definition->>'rule_language')::int, 0)",
            name="ck_promotion_version_rule_language",
        ),
        sa.CheckConstraint(
            "start_time IS NOT DISTINCT FROM (definition#>>'{schedule,start_time}')::timestamptz",
            name="ck_promotion_version_start_time",
        ),
        sa.CheckConstraint(
            "end_time IS NOT DISTINCT FROM (definition#>>'{schedule,end_time}')::timestamptz",
            name="ck_promotion_version_end_time",
        ),
    )
    op.create_table(
        "settings_version",
        sa.Column("company_id", IDENTIFIER, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("policy", JSONB(), nullable=False),
        sa.Column("stores", JSONB(), nullable=False),
        sa.Column("categories", JSONB(), nullable=False),
        sa.Column("holiday_calendars", JSONB(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("company_id", "revision", name="pk_settings_version"),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name="fk_settings_version_company_id"),
    )
    op.create_table(
        "change_log",
        sa.Column("company_id", IDENTIFIER, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("promotion_id", IDENTIFIER, nullable=False),
        sa.Column("version", sa.BigInteger(), comment="NULL is a tombstone: deleted from this revision on"),
        sa.Column("publish_time", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        # In this order, so that the state at a revision is one walk over the index.
        sa.PrimaryKeyConstraint("company_id", "promotion_id", "revision", name="pk_change_log"),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name="fk_change_log_company_id"),
        sa.ForeignKeyConstraint(
            ["company_id", "promotion_id", "version"],
            ["promotion_version.company_id", "promotion_version.promotion_id", "promotion_version.version"],
            name="fk_change_log_company_id_promotion_id_version",
        ),
    )
    op.create_index("ix_change_log_company_id_revision", "change_log", ["company_id", "revision"])
    op.execute(
        """
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'rows of % are never changed or deleted', TG_TABLE_NAME;
        END $$
        """
    )
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    op.drop_table("change_log")
    op.drop_table("settings_version")
    op.drop_table("promotion_version")
    op.drop_table("revision_head")
    op.drop_table("company")
    op.execute("DROP FUNCTION refuse_change()")
