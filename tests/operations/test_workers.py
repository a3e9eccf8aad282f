"""`dealwright serve --workers`: one port, several processes, and none of them is missed."""

import asyncio
import os
import signal
import subprocess
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from server.definitions.service import Definitions, Publication
from tests.definitions.samples import percent_off
from tests.evaluation.requests import latte_request
from tests.operations.callers import calling
from tests.operations.processes import WAIT_SECONDS, finished, running

pytestmark = pytest.mark.process

CHANNELS = 4
EACH = 2


async def samples(metrics: str, name: str) -> dict[str, float]:
    """The samples of a metric, by worker; what the supervisor says itself is under no name."""
    async with httpx.AsyncClient(timeout=WAIT_SECONDS) as client:
        text = (await client.get(metrics)).text
    return {
        sample.labels.get("worker", ""): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """The processes that a supervisor has spawned."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(child) for child in children if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text()]


@pytest.mark.fault(
    "serving worker killed; all replaced", "calls on their way fail, no other; none fails of a replacement"
)
async def test_workers_are_replaced_and_killed_under_load(
    database_url: str, definitions: Definitions
) -> None:
    definitions.publish("kopi", Publication([percent_off("ten", 10)]))
    request = latte_request().SerializeToString()
    settings = {"DEALWRIGHT_DATABASE_URL": database_url, "DEALWRIGHT_CONNECTION_SECONDS": "1"}
    with running("serve", "--workers", "2", **settings) as (process, where):
        metrics = where["metrics"]
        assert where["ready"]
        first = await samples(metrics, "process_start_time_seconds")
        assert set(first) == {"0", "1"}
        assert (await asyncio.to_thread(httpx.get, metrics.replace("metrics", "readyz"))).status_code == 200

        async with (
            asyncio.timeout(2 * WAIT_SECONDS),
            calling(where["grpc"], request, channels=CHANNELS, each=EACH) as outcomes,
        ):
            await outcomes.more_good_ones(100)
            process.send_signal(signal.SIGHUP)
            while len(workers_of(process)) != 2 or (
                set(first.values()) & set((await samples(metrics, "process_start_time_seconds")).values())
            ):
                await asyncio.sleep(0.1)
            await outcomes.more_good_ones(100)
            assert outcomes.failed == {}

            os.kill(workers_of(process)[0], signal.SIGKILL)
            await outcomes.more_good_ones(100)
            while await samples(metrics, "dealwright_serving_workers") != {"": 2}:
                await asyncio.sleep(0.1)
            await outcomes.more_good_ones(100)

        assert set(outcomes.failed) <= {"UNAVAILABLE"}
        # Each caller had one call on its way at most.
        assert outcomes.failed.total() <= CHANNELS * EACH
        assert (await samples(metrics, "dealwright_serving_worker_restarts_total"))[""] >= 1
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.communicate, timeout=WAIT_SECONDS)

    assert process.returncode == 0


def test_wrong_settings_are_said_once_and_end_it() -> None:
    refused = finished(
        "serve", "--workers", "2", DEALWRIGHT_DATABASE_URL="postgresql://kopi:hunter2@127.0.0.1:1/dealwright"
    )

    assert refused.returncode == 3
    assert refused.stderr.count("127.0.0.1:1/dealwright") == 1
    assert "Traceback" not in refused.stderr


def test_a_port_that_somebody_has_is_refused_in_words(database_url: str) -> None:
    settings = {"DEALWRIGHT_DATABASE_URL": database_url, "DEALWRIGHT_LOG_LEVEL": "error"}
    with running("serve", **settings) as (_, where):
        second = finished("serve", "--workers", "2", **settings, DEALWRIGHT_GRPC_ADDRESS=where["grpc"])

    assert second.returncode == 3
    assert "set DEALWRIGHT_GRPC_ADDRESS" in second.stderr
