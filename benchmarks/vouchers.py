"""Making and exporting voucher codes, and what Postgres alone needs for as many rows."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

from dealwright.v1.promotion_pb2 import Promotion
from sqlalchemy import Engine

from benchmarks.markdown import table
from benchmarks.ratios import Ratio
from server.actors import Actor, Role
from server.db.embedded import EmbeddedPostgres
from server.db.engine import connect
from server.db.migrate import upgrade
from server.definitions.drafts import Draft
from server.definitions.promotions import Promotions
from server.definitions.service import Definitions
from server.documents import parse_message, parse_yaml
from server.keys.service import Pepper
from server.runtime.settings import Settings
from server.vouchers.batches import CHUNK
from server.vouchers.exporting import write_csv, write_xlsx
from server.vouchers.service import BatchSpec, Vouchers

QUANTITIES = (100_000, 1_000_000)
PROCESS_SECONDS_MAX = 1_800
RATIOS: tuple[Ratio, ...] = ()

ACTOR = Actor("benchmark", "kopi", frozenset({Role.ADMIN}), "a benchmark")
PROMOTION = """
id: spring
rule_language: 1
name: [{language: en, text: "20 % off"}]
trigger: {voucher: {}}
percent_discount: {phase: PHASE_ITEM, percent_off_ppm: 200000}
"""


class Made(TypedDict):
    """What one process says about a batch."""

    rows_seconds: float
    making_seconds: float
    csv_seconds: float
    xlsx_seconds: float
    peak_mb: float
    """The most memory that the process had, its libraries included."""


def tables() -> Iterator[str]:
    rows = []
    with (
        tempfile.TemporaryDirectory(prefix="dealwright-bench-") as folder,
        EmbeddedPostgres(Path(folder)) as embedded,
    ):
        url = embedded.url()
        upgrade(connect(url))
        for quantity in QUANTITIES:
            made = _in_a_process(url, quantity)
            rows.append(
                (
                    quantity,
                    made["rows_seconds"],
                    made["making_seconds"],
                    made["csv_seconds"],
                    made["xlsx_seconds"],
                    made["peak_mb"],
                )
            )
    yield table(("codes", "COPY of as many rows s", "making s", "CSV s", "XLSX s", "peak memory MB"), rows)


def _in_a_process(url: str, quantity: int) -> Made:
    command = [sys.executable, "-m", "benchmarks.vouchers", url, str(quantity)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=PROCESS_SECONDS_MAX)
    made: Made = json.loads(ended.stdout)
    return made


def _make(url: str, quantity: int) -> Made:
    engine = connect(url)
    Definitions(engine).create_company(ACTOR)
    if not Promotions(engine).page(ACTOR).records:
        promotion = parse_message(parse_yaml(PROMOTION, "spring"), Promotion)
        Promotions(engine).save(ACTOR, [Draft(promotion)])
    vouchers = Vouchers(engine, Pepper(Settings(pepper="5a" * 32), engine))
    begin = time.perf_counter()
    _copy_rows(engine, quantity)
    copied = time.perf_counter()
    batch = vouchers.create_batch(ACTOR, BatchSpec("spring", quantity))
    for _ in vouchers.make("kopi", batch.id):
        pass
    made = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        with Path(folder, "codes.csv").open("w", newline="") as file:
            write_csv(*vouchers.export(ACTOR, batch.id), file)
        listed = time.perf_counter()
        write_xlsx(*vouchers.export(ACTOR, batch.id), Path(folder, "codes.xlsx"))
        ended = time.perf_counter()
    return {
        "rows_seconds": copied - begin,
        "making_seconds": made - copied,
        "csv_seconds": listed - made,
        "xlsx_seconds": ended - listed,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _copy_rows(engine: Engine, quantity: int) -> None:
    """What Postgres alone takes for rows of that size, with a primary key: the least that making can take."""
    driver = engine.raw_connection()
    cursor = driver.cursor()
    # Not a temporary one: those aren't written to the log.
    cursor.execute(f"CREATE TABLE plain_{quantity} (LIKE voucher INCLUDING ALL)")
    for begin in range(0, quantity, CHUNK):
        with cursor.copy(
            f"COPY plain_{quantity} (company_id, id, batch_id, last_four, max_uses) FROM STDIN"
        ) as copy:
            for number in range(begin, min(begin + CHUNK, quantity)):
                copy.write(f"kopi\t\\\\x{(number * 0x9E3779B97F4A7C15) % (1 << 128):032x}\t1\tABCD\t1\n")
        driver.commit()
    driver.close()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_make(sys.argv[1], int(sys.argv[2]))))
