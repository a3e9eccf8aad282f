"""The roles of deploy/postgres/roles.sql: enough for the service, and no more."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url, text
from sqlalchemy.exc import ProgrammingError

from server.audit.service import Audit
from server.db.engine import connect
from server.db.migrate import versions
from server.definitions.service import Definitions, Publication
from server.redemption import invariants
from tests.definitions.samples import percent_off

ROLES = Path(__file__).parents[2] / "deploy/postgres/roles.sql"


@pytest.fixture
def service(database: Engine, database_url: str) -> Iterator[Engine]:
    """The database as the service's role sees it."""
    yield from as_role("dealwright_service", database, database_url)


@pytest.fixture
def reader(database: Engine, database_url: str) -> Iterator[Engine]:
    """The database as the readers' role sees it."""
    yield from as_role("dealwright_reader", database, database_url)


def as_role(role: str, owner: Engine, url: str) -> Iterator[Engine]:
    # Twice, since it is run after every upgrade.
    for _ in range(2):
        with owner.begin() as connection:
            # By the driver itself, which takes a whole script when it has no parameters.
            connection.connection.cursor().execute(ROLES.read_text())
    options = {"options": f"-c role={role}"}
    engine = connect(make_url(url).update_query_dict(options).render_as_string(hide_password=False))
    yield engine
    engine.dispose()


def test_the_service_publishes_and_audits(service: Engine) -> None:
    definitions = Definitions(service)
    definitions.publish("kopi", Publication([percent_off("ten", 10)]))
    definitions.publish("kopi", Publication([percent_off("ten", 20)]))

    assert definitions.head_revision("kopi") == 2
    assert not Audit(service).verify("kopi").problem
    assert len(set(versions(service))) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (id int)",
        "DROP TABLE company",
        "TRUNCATE revision CASCADE",
        "ALTER TABLE audit_entry DISABLE TRIGGER ALL",
        "UPDATE audit_entry SET action = 'nothing'",
        "DELETE FROM ledger_entry",
        "UPDATE alembic_version SET version_num = '0001'",
        "CREATE ROLE another",
    ],
)
def test_the_service_can_not_unmake_what_was(service: Engine, statement: str) -> None:
    with (
        pytest.raises(ProgrammingError, match=r"permission denied|must be owner"),
        service.begin() as connection,
    ):
        connection.execute(text(statement))


def test_a_reader_can_ask_for_the_invariants(reader: Engine) -> None:
    assert invariants.check(reader) == []


def test_a_reader_reads_and_sees_nothing_that_opens_a_door(database: Engine, reader: Engine) -> None:
    Definitions(database).publish("kopi", Publication([percent_off("ten", 10)]))

    with reader.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM promotion_version")) == 1
    for refused in (
        "SELECT * FROM api_token",
        "SELECT * FROM staff_user",
        "SELECT * FROM voucher",
        "SELECT last_four FROM voucher",
        "SELECT customer_id FROM voucher",
        "SELECT * FROM webhook",
        "INSERT INTO company (id) VALUES ('mine')",
    ):
        with (
            pytest.raises(ProgrammingError, match="permission denied"),
            reader.connect() as connection,
        ):
            connection.execute(text(refused))
