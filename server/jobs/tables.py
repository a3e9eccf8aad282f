"""The table of jobs, as the migrations make it."""

from sqlalchemy import BigInteger, Column, DateTime, Integer, Interval, String, Table

from server.db.base import metadata

job = Table(
    "job",
    metadata,
    Column("name", String, primary_key=True),
    Column("period", Interval, nullable=False, comment="About how long it is between two runs"),
    Column("runs", BigInteger, nullable=False),
    Column("failures", BigInteger, nullable=False),
    Column("failing", Integer, nullable=False, comment="Failures since it went well last"),
    Column("end_time", DateTime(timezone=True), nullable=False, comment="Of the last run"),
    Column("lasted", Interval, nullable=False, comment="The last run"),
    Column("success_time", DateTime(timezone=True), comment="When it went well last"),
    Column("problem", String, nullable=False, comment="What was wrong with the last run; empty: nothing"),
)
