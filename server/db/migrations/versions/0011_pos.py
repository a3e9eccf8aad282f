"""POS documents of promotions, and whether tills are to load everything anew."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

IDENTIFIER = sa.String(64, collation="C")


def upgrade() -> None:
    op.add_column(
        "company", sa.Column("force_update", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.create_table(
        "pos_document",
        sa.Column("company_id", IDENTIFIER, nullable=False),
        sa.Column(
            "currency_code", sa.String(), nullable=False, comment="Empty: stores that don't say theirs"
        ),
        sa.Column("promotion_id", IDENTIFIER, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("document", JSONB(), comment="NULL: it can't say the definition"),
        sa.Column("unsaid", ARRAY(sa.String()), nullable=False, comment="Fields that no document can say"),
        # In this order, so that the documents at a revision are one walk over the index.
        sa.PrimaryKeyConstraint(
            "company_id", "currency_code", "promotion_id", "revision", name="pk_pos_document"
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "revision"],
            ["revision.company_id", "revision.revision"],
            name="fk_pos_document_company_id_revision",
        ),
        sa.CheckConstraint("(document IS NULL) = (cardinality(unsaid) > 0)", name="ck_pos_document_unsaid"),
    )
    op.create_index(
        "ix_pos_document_company_id_currency_code_revision",
        "pos_document",
        ["company_id", "currency_code", "revision"],
    )


def downgrade() -> None:
    op.drop_table("pos_document")
    op.drop_column("company", "force_update")
