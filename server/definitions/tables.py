"""The tables of definitions, as the migrations make them.

Definitions and reference data are protojson; the columns beside them are projections that SQL filters and
sorts by, and check constraints keep them from saying anything else. All but `company`, `revision_head` and
`promotion` only grow.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    Date,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    false,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR

from server.db.base import IDENTIFIER, metadata

TEXTS = "jsonb_to_tsvector('simple', jsonb_path_query_array(definition, '$.{}[*].text'), '[\"string\"]')"
SEARCHED = " || ".join(
    [
        "to_tsvector('simple', promotion_id || ' ' || code)",
        *(TEXTS.format(part) for part in ("name", "description", "labels")),
    ]
)
"""The words of a definition that a text search looks at."""


def _time(name: str) -> Column[object]:
    return Column(name, DateTime(timezone=True), server_default=func.now(), nullable=False)


company = Table(
    "company",
    metadata,
    Column("id", IDENTIFIER, primary_key=True),
    Column("self_approval", Boolean, server_default=false(), nullable=False),
    Column("guardrails", JSONB, server_default=text("'{}'::jsonb"), nullable=False),
    Column("force_update", Boolean, server_default=false(), nullable=False),
    _time("create_time"),
)

revision_head = Table(
    "revision_head",
    metadata,
    Column("company_id", IDENTIFIER, ForeignKey("company.id"), primary_key=True),
    Column("revision", BigInteger, server_default="0", nullable=False),
)

revision = Table(
    "revision",
    metadata,
    Column("company_id", IDENTIFIER, ForeignKey("company.id"), primary_key=True),
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("action", String, nullable=False),
    Column("author", String, nullable=False),
    Column("comment", String, nullable=False),
    # Not the transaction's time: a publisher who had to wait would be dated before an earlier revision.
    Column("publish_time", DateTime(timezone=True), server_default=func.clock_timestamp(), nullable=False),
)

rollout = Table(
    "rollout",
    metadata,
    Column("company_id", IDENTIFIER, primary_key=True),
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("store_ids", ARRAY(String), nullable=False, comment="The cohort"),
    Column("bake_seconds", Integer, comment="NULL: somebody promotes it"),
    Column("failures_max", Integer, nullable=False, comment="More of them stop it"),
    Column("tills_min", Integer, nullable=False, comment="With so many tills it may be promoted"),
    ForeignKeyConstraint(["company_id", "revision"], ["revision.company_id", "revision.revision"]),
    comment="Revisions for some stores; the next revision is for all again",
)

promotion_version = Table(
    "promotion_version",
    metadata,
    Column("company_id", IDENTIFIER, ForeignKey("company.id"), primary_key=True),
    Column("promotion_id", IDENTIFIER, primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("definition", JSONB, nullable=False),
    Column("type", String, nullable=False),
    Column("code", String, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("rule_language", Integer, nullable=False),
    Column("start_time", DateTime(timezone=True)),
    Column("end_time", DateTime(timezone=True)),
    Column("start_date", Date),
    Column("end_date", Date),
    Column("time_zone", String),
    Column("author", String, nullable=False),
    Column("comment", String, nullable=False),
    _time("create_time"),
    Column("search", TSVECTOR, Computed(SEARCHED, persisted=True)),
    Index("ix_promotion_version_search", "search", postgresql_using="gin"),
)

promotion = Table(
    "promotion",
    metadata,
    Column("company_id", IDENTIFIER, ForeignKey("company.id"), primary_key=True),
    Column("promotion_id", IDENTIFIER, primary_key=True),
    Column("version", BigInteger, nullable=False, comment="The newest version"),
    Column("review", String, nullable=False, comment="Where the newest version stands"),
    Column(
        "approvers",
        ARRAY(String),
        server_default=text("'{}'::varchar[]"),
        nullable=False,
        comment="Of the newest version, until it is published",
    ),
    Column("published_version", BigInteger, comment="The version published last; NULL when none is"),
    Column("standing", String, nullable=False, comment="Where the published version stands"),
    Column(
        "audit_number", BigInteger, nullable=False, comment="The audit entry of its last change: the etag"
    ),
    ForeignKeyConstraint(
        ["company_id", "promotion_id", "version"],
        ["promotion_version.company_id", "promotion_version.promotion_id", "promotion_version.version"],
        name="fk_promotion_version",
    ),
    ForeignKeyConstraint(
        ["company_id", "promotion_id", "published_version"],
        ["promotion_version.company_id", "promotion_version.promotion_id", "promotion_version.version"],
        name="fk_promotion_published_version",
    ),
)

settings_version = Table(
    "settings_version",
    metadata,
    Column("company_id", IDENTIFIER, primary_key=True),
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("policy", JSONB, nullable=False),
    ForeignKeyConstraint(
        ["company_id", "revision"],
        ["revision.company_id", "revision.revision"],
        name="fk_settings_version_company_id_revision",
    ),
)

reference_version = Table(
    "reference_version",
    metadata,
    Column("company_id", IDENTIFIER, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("id", IDENTIFIER, primary_key=True),
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("definition", JSONB(none_as_null=True), comment="NULL is a tombstone: gone from this revision on"),
    Column("name", String, comment="What people call it"),
    ForeignKeyConstraint(
        ["company_id", "revision"],
        ["revision.company_id", "revision.revision"],
        name="fk_reference_version_company_id_revision",
    ),
)

pos_document = Table(
    "pos_document",
    metadata,
    Column("company_id", IDENTIFIER, primary_key=True),
    Column("currency_code", String, primary_key=True, comment="Empty: stores that don't say theirs"),
    Column("promotion_id", IDENTIFIER, primary_key=True),
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("document", JSONB(none_as_null=True), comment="NULL: it can't say the definition"),
    Column("unsaid", ARRAY(String), nullable=False, comment="Fields that no document can say"),
    ForeignKeyConstraint(
        ["company_id", "revision"],
        ["revision.company_id", "revision.revision"],
        name="fk_pos_document_company_id_revision",
    ),
    Index("ix_pos_document_company_id_currency_code_revision", "company_id", "currency_code", "revision"),
)

change_log = Table(
    "change_log",
    metadata,
    Column("company_id", IDENTIFIER, ForeignKey("company.id"), primary_key=True),
    Column("promotion_id", IDENTIFIER, primary_key=True),
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("change", String, nullable=False),
    Column("version", BigInteger, comment="NULL is a tombstone: gone from this revision on"),
    ForeignKeyConstraint(
        ["company_id", "promotion_id", "version"],
        ["promotion_version.company_id", "promotion_version.promotion_id", "promotion_version.version"],
        name="fk_change_log_company_id_promotion_id_version",
    ),
    ForeignKeyConstraint(
        ["company_id", "revision"],
        ["revision.company_id", "revision.revision"],
        name="fk_change_log_company_id_revision",
    ),
    Index("ix_change_log_company_id_revision", "company_id", "revision"),
)

test_cart_version = Table(
    "test_cart_version",
    metadata,
    Column("company_id", IDENTIFIER, ForeignKey("company.id"), primary_key=True),
    Column("test_cart_id", IDENTIFIER, primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("definition", JSONB(none_as_null=True), comment="NULL is a tombstone: it was deleted"),
    Column("author", String, nullable=False),
    Column("comment", String, nullable=False),
    _time("create_time"),
    Column("audit_number", BigInteger, nullable=False, comment="The audit entry that says so: the etag"),
)
