"""The table that knows the pepper by its mark, as the migrations make it."""

from sqlalchemy import CheckConstraint, Column, LargeBinary, SmallInteger, Table

from server.db.base import metadata

pepper_mark = Table(
    "pepper_mark",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("mark", LargeBinary, nullable=False, comment="Says which pepper it is, and nothing about it"),
    CheckConstraint("id = 1", name="one"),
)
