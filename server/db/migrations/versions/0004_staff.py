"""Staff users, their sessions, and failed logins."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

IDENTIFIER = sa.String(64, collation="C")


def upgrade() -> None:
    op.create_table(
        "staff_user",
        sa.Column("company_id", IDENTIFIER, nullable=False),
        sa.Column("name", IDENTIFIER, nullable=False),
        sa.Column("roles", ARRAY(sa.String()), nullable=False),
        sa.Column("password_hash", sa.String(), comment="argon2id; NULL until the user has chosen one"),
        sa.Column("invitation_hash", sa.LargeBinary(), comment="SHA-256 of the code; NULL: none is open"),
        sa.Column("invitation_expire_time", sa.DateTime(timezone=True)),
        sa.Column("create_time", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("password_time", sa.DateTime(timezone=True)),
        sa.Column("login_time", sa.DateTime(timezone=True)),
        sa.Column("disable_time", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("company_id", "name", name="pk_staff_user"),
        sa.UniqueConstraint("invitation_hash", name="uq_staff_user_invitation_hash"),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name="fk_staff_user_company_id"),
        sa.CheckConstraint("cardinality(roles) > 0", name="ck_staff_user_roles"),
        sa.CheckConstraint(
            "(invitation_hash IS NULL) = (invitation_expire_time IS NULL)", name="ck_staff_user_invitation"
        ),
        sa.CheckConstraint("octet_length(invitation_hash) = 32", name="ck_staff_user_invitation_hash"),
    )
    op.create_table(
        "staff_session",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("company_id", IDENTIFIER, nullable=False),
        sa.Column("user_name", IDENTIFIER, nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of the whole secret"),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("use_time", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("expire_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end_time", sa.DateTime(timezone=True), comment="Logged out, or ended by somebody"),
        sa.PrimaryKeyConstraint("id", name="pk_staff_session"),
        sa.UniqueConstraint("secret_hash", name="uq_staff_session_secret_hash"),
        sa.ForeignKeyConstraint(
            ["company_id", "user_name"],
            ["staff_user.company_id", "staff_user.name"],
            name="fk_staff_session_user",
        ),
        sa.CheckConstraint("octet_length(secret_hash) = 32", name="ck_staff_session_secret_hash"),
    )
    op.create_index("ix_staff_session_user", "staff_session", ["company_id", "user_name"])
    op.create_table(
        "login_failure",
        sa.Column("subject_hash", sa.LargeBinary(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failure_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "open_time",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="No attempt is looked at before",
        ),
        sa.PrimaryKeyConstraint("subject_hash", name="pk_login_failure"),
        sa.CheckConstraint("failures >= 0", name="ck_login_failure_failures"),
    )
    op.create_index("ix_login_failure_failure_time", "login_failure", ["failure_time"])


def downgrade() -> None:
    for table in ("login_failure", "staff_session", "staff_user"):
        op.drop_table(table)
