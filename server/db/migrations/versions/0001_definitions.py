"""Companies, promotions, settings, reference data and the change log."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Identifiers sort by code point, on every machine alike.
IDENTIFIER = sa.String(64, collation="C")
NOW = sa.func.now()

APPEND_ONLY = ("revision", "promotion_version", "settings_version", "reference_version", "change_log")

# Columns that can't say anything else than the definition beside them.
PROJECTED = {
    "id": "promotion_id = definition->>'id'",
    "type": "definition ? type",
    "code": "code = coalesce(definition->>'code', '')",
    "priority": "priority = coalesce((definition->>'priority')::int, 0)",
    "rule_language": "rule_language = coalesce((definition->>'rule_language')::int, 0)",
    "start_time": "start_time IS NOT DISTINCT FROM (definition#>>'{schedule,start_time}')::timestamptz",
    "end_time": "end_time IS NOT DISTINCT FROM (definition#>>'{schedule,end_time}')::timestamptz",
    "start_date": "start_date IS NOT DISTINCT FROM (definition#>>'{schedule,start_date}')::date",
    "end_date": "end_date IS NOT DISTINCT FROM (definition#>>'{schedule,end_date}')::date",
    # The conversion fails for a zone that the database doesn't know, so that no query stumbles over it later.
    "time_zone": "time_zone IS NOT DISTINCT FROM definition#>>'{schedule,time_zone}'"
    " AND (create_time AT TIME ZONE coalesce(time_zone, 'UTC')) IS NOT NULL",
}

TEXTS = "jsonb_to_tsvector('simple', jsonb_path_query_array(definition, '$.{}[*].text'), '[\"string\"]')"
SEARCHED = " || ".join(
    [
        "to_tsvector('simple', promotion_id || ' ' || code)",
        *(TEXTS.format(part) for part in ("name", "description", "labels")),
    ]
)


def upgrade() -> None:
    op.create_table(
        "company",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("self_approval", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_company"),
        sa.CheckConstraint("id ~ '^[A-Za-z0-9._-]{1,64}$'", name="ck_company_id"),
    )
    op.create_table(
        "revision_head",
        sa.Column("company_id", IDENTIFIER, nullable=False),
        sa.Column("revision", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("company_id", name="pk_revision_head"),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name="fk_revision_head_company_id"),
    )
    op.create_table(
        "revision",
        sa.Column("company_id", IDENTIFIER, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("comment", sa.String(), nullable=False),
        # Not the transaction's time: a publisher who had to wait would be dated before an earlier revision.
        sa.Column(
            "publish_time",
            sa.DateTime(timezone=True),
            server_default=sa.func.clock_timestamp(),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("company_id", "revision", name="pk_revision"),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name="fk_revision_company_id"),
    )
    _create_promotions()
    _create_what_revisions_hold()
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
        op.execute(
            f"CREATE TRIGGER never_emptied BEFORE TRUNCATE ON {table} EXECUTE FUNCTION refuse_change()"
        )


def _create_promotions() -> None:
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
        sa.Column("start_date", sa.Date()),
        sa.Column("end_date", sa.Date()),
        sa.Column("time_zone", sa.String()),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("comment", sa.String(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("search", TSVECTOR(), sa.Computed(SEARCHED, persisted=True)),
        sa.PrimaryKeyConstraint("company_id", "promotion_id", "version", name="pk_promotion_version"),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name="fk_promotion_version_company_id"),
        *(sa.CheckConstraint(rule, name=f"ck_promotion_version_{name}") for name, rule in PROJECTED.items()),
    )
    op.create_index("ix_promotion_version_search", "promotion_version", ["search"], postgresql_using="gin")
    op.create_table(
        "promotion",
        sa.Column("company_id", IDENTIFIER, nullable=False),
        sa.Column("promotion_id", IDENTIFIER, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False, comment="The newest version"),
        sa.Column("review", sa.String(), nullable=False, comment="Where the newest version stands"),
        sa.Column(
            "published_version",
            sa.BigInteger(),
            comment="The version published last; NULL when none is",
        ),
        sa.Column("standing", sa.String(), nullable=False, comment="Where the published version stands"),
        sa.Column(
            "audit_number",
            sa.BigInteger(),
            nullable=False,
            comment="The audit entry of its last change: the etag",
        ),
        sa.PrimaryKeyConstraint("company_id", "promotion_id", name="pk_promotion"),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name="fk_promotion_company_id"),
        _foreign_version("fk_promotion_version", "version"),
        _foreign_version("fk_promotion_published_version", "published_version"),
        sa.CheckConstraint(
            "review IN ('draft', 'in_review', 'approved', 'rejected', 'published')",
            name="ck_promotion_review",
        ),
        sa.CheckConstraint(
            "standing IN ('unpublished', 'published', 'paused', 'archived')", name="ck_promotion_standing"
        ),
        sa.CheckConstraint(
            "(standing IN ('published', 'paused')) = (published_version IS NOT NULL)",
            name="ck_promotion_published_version",
        ),
    )


def _create_what_revisions_hold() -> None:
    op.create_table(
        "settings_version",
        sa.Column("company_id", IDENTIFIER, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("policy", JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("company_id", "revision", name="pk_settings_version"),
        _foreign_revision("settings_version"),
    )
    op.create_table(
        "reference_version",
        sa.Column("company_id", IDENTIFIER, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("definition", JSONB(), comment="NULL is a tombstone: gone from this revision on"),
        sa.Column("name", sa.String(), comment="What people call it"),
        # In this order, so that the state at a revision is one walk over the index.
        sa.PrimaryKeyConstraint("company_id", "kind", "id", "revision", name="pk_reference_version"),
        _foreign_revision("reference_version"),
        sa.CheckConstraint(
            "kind IN ('brand', 'store', 'product', 'category', 'holiday_calendar')",
            name="ck_reference_version_kind",
        ),
        sa.CheckConstraint("definition IS NULL OR id = definition->>'id'", name="ck_reference_version_id"),
        sa.CheckConstraint("name IS NOT DISTINCT FROM definition->>'name'", name="ck_reference_version_name"),
    )
    op.create_table(
        "change_log",
        sa.Column("company_id", IDENTIFIER, nullable=False),
        sa.Column("promotion_id", IDENTIFIER, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("change", sa.String(), nullable=False),
        sa.Column("version", sa.BigInteger(), comment="NULL is a tombstone: gone from this revision on"),
        # In this order, so that the state at a revision is one walk over the index.
        sa.PrimaryKeyConstraint("company_id", "promotion_id", "revision", name="pk_change_log"),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name="fk_change_log_company_id"),
        _foreign_version("fk_change_log_company_id_promotion_id_version", "version"),
        _foreign_revision("change_log"),
        sa.CheckConstraint(
            "change IN ('publish', 'pause', 'resume', 'archive')", name="ck_change_log_change"
        ),
        sa.CheckConstraint("(change = 'archive') = (version IS NULL)", name="ck_change_log_version"),
    )
    op.create_index("ix_change_log_company_id_revision", "change_log", ["company_id", "revision"])


def _foreign_version(name: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["company_id", "promotion_id", column],
        ["promotion_version.company_id", "promotion_version.promotion_id", "promotion_version.version"],
        name=name,
    )


def _foreign_revision(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["company_id", "revision"],
        ["revision.company_id", "revision.revision"],
        name=f"fk_{table}_company_id_revision",
    )


def downgrade() -> None:
    for table in (
        *("change_log", "reference_version", "settings_version", "promotion", "promotion_version"),
        *("revision", "revision_head", "company"),
    ):
        op.drop_table(table)
    op.execute("DROP FUNCTION refuse_change()")
