"""A till without a network: how soon it sells after its start, and what it adds to the engine's time."""

from __future__ import annotations

import json
import resource
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import dealwright_engine
from dealwright import Till
from dealwright.rule_stream import Holding, scope_id
from dealwright.v1.bundle_pb2 import Bundle, KeyList, Manifest, Signed, SigningKey

from benchmarks.catalogue import bills, rules
from benchmarks.markdown import table
from benchmarks.messages import compiled, request, ruleset
from benchmarks.ratios import Ratio, of_medians
from benchmarks.timing import Calls, measure

PROMOTIONS = 1000
CARTS, LINES = 16, 20
STARTS = 15
SECONDS = 6.0
DAYS_3 = 259_200
MILLISECONDS = 1e3


def tables() -> Iterator[str]:
    found = [_start() for _ in range(STARTS)]
    yield table(
        (
            f"from nothing to the first priced cart, {PROMOTIONS:,} promotions, ms".replace(",", " "),
            "best",
            "median",
        ),
        [
            (name, min(times) * MILLISECONDS, statistics.median(times) * MILLISECONDS)
            for name, times in (
                ("till opened and first cart, in a running process", [each["till"] for each in found]),
                (
                    "processor time of it all, start of Python included",
                    [each["process"] for each in found],
                ),
            )
        ],
    )
    till, engine = measure([_till(), _engine()], SECONDS)
    yield table(
        ("a cart of 20 lines, 1 000 promotions, us", "p50"),
        [("engine", engine.p50), ("Till.evaluate_bytes", till.p50)],
    )


@cache
def folder() -> Path:
    """The disk of a till that has taken its bundle."""
    path = Path(tempfile.mkdtemp(prefix="dealwright-bench-"))
    root, online = secrets.token_bytes(32), secrets.token_bytes(32)
    root_key = dealwright_engine.public_key(root)
    with Till(path, "bench", root_key) as till:
        till.offer(_bundle(root, online))
    (path / "root.pub").write_bytes(root_key)
    (path / "cart").write_bytes(request(bills(1, LINES)[0]).SerializeToString())
    return path


def _start() -> dict[str, float]:
    """One start in a process of its own."""
    before = _cpu_of_children()
    command = [sys.executable, "-m", "benchmarks.starting", str(folder())]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {"till": json.loads(done.stdout), "process": _cpu_of_children() - before}


def _cpu_of_children() -> float:
    """Seconds of a processor that ended processes took; the clock would tell how busy the machine was."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _till() -> Calls:
    path = folder()
    till = Till(path, "bench", (path / "root.pub").read_bytes())
    return Calls(till.evaluate_bytes, _carts())


def _engine() -> Calls:
    engine = compiled(rules(PROMOTIONS))
    return Calls(lambda body: engine.evaluate(body, time.time_ns()), _carts())


def _carts() -> list[bytes]:
    return [request(bill).SerializeToString() for bill in bills(CARTS, LINES)]


def _bundle(root: bytes, online: bytes) -> bytes:
    data = Holding.of(ruleset(rules(PROMOTIONS))).ruleset("bench", 1)
    now = int(time.time())
    manifest = Manifest(
        format=1,
        company_id="bench",
        scope_id=scope_id(()),
        epoch=1,
        revision=1,
        root=dealwright_engine.ruleset_root(data),
        promotion_count=PROMOTIONS,
        ruleset_bytes=len(data),
        rule_language=1,
    )
    manifest.issue_time.FromSeconds(now)
    manifest.expire_time.FromSeconds(now + DAYS_3)
    public = dealwright_engine.public_key(online)
    listed = KeyList(version=1, keys=[SigningKey(key_id=dealwright_engine.key_id(public), public_key=public)])
    signed = _signed(online, manifest)
    return Bundle(manifest=signed, ruleset=data, keys=_signed(root, listed)).SerializeToString()


def _signed(secret: bytes, message: Manifest | KeyList) -> Signed:
    payload = message.SerializeToString()
    signature = dealwright_engine.sign(secret, message.DESCRIPTOR.name, payload)
    key_id = dealwright_engine.key_id(dealwright_engine.public_key(secret))
    return Signed(payload=payload, key_id=key_id, signature=signature)


RATIOS = (Ratio("till to engine, 20 lines, 1 000 promotions", of_medians(_till, _engine), wanted=1.1),)
