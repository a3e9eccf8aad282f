"""The tables of tokens, users and sessions, as migrations make them. Of a secret they hold the hash alone."""

from sqlalchemy import (
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from server.db.base import IDENTIFIER, metadata

api_token = Table(
    "api_token",
    metadata,
    Column("id", String, primary_key=True),
    Column("company_id", IDENTIFIER, ForeignKey("company.id"), nullable=False),
    Column("name", String, nullable=False, comment="Whose it is"),
    Column("secret_hash", LargeBinary, unique=True, nullable=False, comment="SHA-256 of the whole token"),
    Column("roles", ARRAY(String), nullable=False),
    Column("store_ids", ARRAY(String), nullable=False, comment="Empty: every store"),
    Column("create_time", DateTime(timezone=True), server_default=func.now(), nullable=False),
    Column("expire_time", DateTime(timezone=True), comment="NULL: never"),
    Column("revoke_time", DateTime(timezone=True)),
    Column("last_use_time", DateTime(timezone=True), comment="To the minute"),
    Index("ix_api_token_company_id_name", "company_id", "name"),
)

staff_user = Table(
    "staff_user",
    metadata,
    Column("company_id", IDENTIFIER, ForeignKey("company.id"), primary_key=True),
    Column("name", IDENTIFIER, primary_key=True),
    Column("roles", ARRAY(String), nullable=False),
    Column(
        "store_ids",
        ARRAY(String),
        server_default=text("'{}'::varchar[]"),
        nullable=False,
        comment="Empty: every store",
    ),
    Column("password_hash", String, comment="argon2id; NULL until the user has chosen one"),
    Column("invitation_hash", LargeBinary, unique=True, comment="SHA-256 of the code; NULL: none is open"),
    Column("invitation_expire_time", DateTime(timezone=True)),
    Column("create_time", DateTime(timezone=True), server_default=func.now(), nullable=False),
    Column("password_time", DateTime(timezone=True)),
    Column("login_time", DateTime(timezone=True)),
    Column("disable_time", DateTime(timezone=True)),
)

staff_session = Table(
    "staff_session",
    metadata,
    Column("id", String, primary_key=True),
    Column("company_id", IDENTIFIER, nullable=False),
    Column("user_name", IDENTIFIER, nullable=False),
    Column("secret_hash", LargeBinary, unique=True, nullable=False, comment="SHA-256 of the whole secret"),
    Column("source", String, nullable=False),
    Column("create_time", DateTime(timezone=True), server_default=func.now(), nullable=False),
    Column("use_time", DateTime(timezone=True), server_default=func.now(), nullable=False),
    Column("expire_time", DateTime(timezone=True), nullable=False),
    Column("end_time", DateTime(timezone=True), comment="Logged out, or ended by somebody"),
    ForeignKeyConstraint(
        ["company_id", "user_name"],
        ["staff_user.company_id", "staff_user.name"],
        name="fk_staff_session_user",
    ),
    Index("ix_staff_session_user", "company_id", "user_name"),
)

login_failure = Table(
    "login_failure",
    metadata,
    # Of names that don't exist too, so that nobody learns which do. Hashed: passwords get typed as names.
    Column("subject_hash", LargeBinary, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("failure_time", DateTime(timezone=True), nullable=False),
    Column("open_time", DateTime(timezone=True), nullable=False, comment="No attempt is looked at before"),
    Index("ix_login_failure_failure_time", "failure_time"),
)
