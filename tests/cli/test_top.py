"""dealwright top, beside a server that answers, and on numbers of which the answers are known."""

import asyncio
import json
import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import grpc
import grpc.aio
import pytest
from typer.testing import CliRunner

from admin.cli import top
from admin.cli.main import app
from admin.cli.scrape import Scrape, Span, scrape
from server.definitions.service import Definitions, Publication
from server.runtime.app import Application
from tests.definitions.samples import percent_off
from tests.evaluation.requests import EVALUATE, call, latte_request
from tests.operations.exposition import exported
from tests.operations.processes import finished

NOW = 1_000_000.0


def scraped(at_seconds: float, *samples: tuple[str, dict[str, str], float]) -> Scrape:
    found: dict[str, dict[frozenset[tuple[str, str]], list[float]]] = defaultdict(lambda: defaultdict(list))
    for name, labels, value in samples:
        found[name][frozenset(labels.items())].append(value)
    return Scrape(at_seconds, found)


def buckets(*counts: float) -> list[tuple[str, dict[str, str], float]]:
    """Of the bounds 0.1, 1 and infinity."""
    return [
        ("t_bucket", {"le": bound}, count)
        for bound, count in zip(("0.1", "1.0", "+Inf"), counts, strict=True)
    ]


async def test_it_shows_what_a_server_does(
    application: Application, definitions: Definitions, channel: grpc.aio.Channel
) -> None:
    definitions.publish("kopi", Publication([percent_off("ten", 10)]))
    await application.holder.refresh()
    await call(channel, EVALUATE, latte_request().SerializeToString())
    url = f"http://{application.metrics_address}/metrics"
    before = await asyncio.to_thread(scrape, [url])
    for _ in range(10):
        await call(channel, EVALUATE, latte_request().SerializeToString())
    with pytest.raises(grpc.aio.AioRpcError):
        await call(channel, EVALUATE, b"\xff")

    look = top.looked(Span(before, await asyncio.to_thread(scrape, [url])), NOW)

    [evaluate] = [each for each in look.calls if each.name == "EvaluationService/Evaluate"]
    assert (look.revision, look.promotions) == (1, 1)
    assert evaluate.per_second == pytest.approx(11 * evaluate.not_ok_per_second)
    assert evaluate.engine_seconds is not None
    assert evaluate.p50_seconds is not None
    assert evaluate.p99_seconds is not None
    assert evaluate.engine_seconds > 0
    assert 0 < evaluate.p50_seconds <= evaluate.p99_seconds
    assert look.memory_bytes > 0


@pytest.mark.process
async def test_the_command_writes_what_it_sees(application: Application) -> None:
    url = f"http://{application.metrics_address}/metrics"
    arguments = ("top", "--at", url, "--once", "--every", "0.1")

    text, found = [await asyncio.to_thread(finished, *arguments, *also) for also in ((), ("--json",))]

    assert text.stdout.startswith("revision 0 with 0 promotions")
    assert "not ok/s" in text.stdout
    assert json.loads(found.stdout)["revision"] == 0


@pytest.mark.parametrize(
    ("counts", "part", "expected"),
    [
        ((0, 0, 0), 0.5, None),
        ((10, 10, 10), 0.5, 0.05),
        ((0, 10, 10), 0.5, 0.55),
        ((10, 10, 20), 0.99, 1.0),
        ((99, 100, 100), 0.99, 0.1),
    ],
)
def test_quantiles_are_those_of_prometheus(
    counts: tuple[float, ...], part: float, expected: float | None
) -> None:
    span = Span(scraped(0, *buckets(5, 5, 5)), scraped(1, *buckets(*(5 + count for count in counts))))

    assert span.quantile(part, "t") == (pytest.approx(expected) if expected is not None else None)


def test_what_somebody_should_see_to_is_said() -> None:
    before = scraped(0.0, ("dealwright_job_runs_total", {"job": "sweep", "outcome": "failed"}, 1))
    after = scraped(
        2.0,
        ("dealwright_job_runs_total", {"job": "sweep", "outcome": "failed"}, 4),
        ("dealwright_ruleset_revision", {}, 7),
        ("dealwright_ruleset_revision", {}, 8),
        ("dealwright_serving_workers_expected", {}, 2),
        ("dealwright_serving_workers", {}, 1),
    )

    look = top.looked(Span(before, after), NOW)

    assert look.revision == 7
    assert look.remarks == [
        "3 failed jobs",
        "1 serving workers are missing",
        "processes answer with revisions 7 to 8",
    ]
    assert "! 3 failed jobs" in top.lines(look)


def test_a_counter_that_began_anew_is_no_negative_rate() -> None:
    name = "dealwright_stream_bytes_total"
    span = Span(scraped(0, (name, {}, 1000)), scraped(1, (name, {}, 10)))

    assert span.rate(name) == 0


def test_every_metric_that_it_asks_for_exists() -> None:
    asked = set(re.findall(r'"((?:dealwright|process|grpc_server)_\w+)"', Path(top.__file__).read_text()))
    known = exported()

    assert len(asked) > 10
    assert {name for name in asked if not {name, f"{name}_bucket"} & known} == set()


def test_what_is_shown_of_times_is_short() -> None:
    look = top.looked(Span(scraped(0), scraped(1)), NOW)
    spans = (0.00025, 0.0125, 3.0, 600.0, 7200.0)

    assert [
        top.lines(replace(look, answering_seconds=each))[0].split(", for ")[1].split(";")[0] for each in spans
    ] == [
        "250 us",
        "12.5 ms",
        "3 s",
        "10 min",
        "2 h",
    ]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/metrics", "nonsense", "http://[", "http://127.0.0.1:1\x1b[31m"]
)
def test_metrics_that_can_not_be_read_are_named(url: str) -> None:
    done = CliRunner().invoke(app, ["top", "--at", url, "--once"])

    assert done.exit_code == 3
    assert "can't be read" in done.stderr
    assert "Traceback" not in done.output
    assert "\x1b" not in done.output
