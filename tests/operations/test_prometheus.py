"""A real Prometheus reads a real server, and computes the rules and panels that are shipped with it."""

import asyncio
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc.aio
import httpx
import pytest
import yaml

from server.definitions.service import Definitions, Publication
from server.runtime.app import Application
from tests.definitions.samples import percent_off
from tests.evaluation.requests import EVALUATE, call, latte_request
from tests.operations.test_dashboard import PANELS
from tests.operations.test_rules import ALERTS, FOLDER, RECORDED

PROMETHEUS = shutil.which("prometheus")
WAIT_SECONDS = 120
POLL_SECONDS = 0.2

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(PROMETHEUS is None, reason="prometheus isn't installed; Debian has a package"),
]


def configure(folder: Path, target: str) -> Path:
    """The configuration and the rules that are shipped, every second and for one server."""
    config = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
    del config["scrape_configs"][1:]
    for name in config["rule_files"]:
        rules = yaml.safe_load((FOLDER / name).read_text())
        for group in rules["groups"]:
            group.pop("interval", None)
        (folder / name).write_text(yaml.safe_dump(rules))
    path = folder / "prometheus.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


@contextmanager
def prometheus(folder: Path, target: str) -> Iterator[Callable[[], str | None]]:
    """Runs while the server at the target is read; gives where it listens, once it does."""
    log = folder / "log"
    command = [
        str(PROMETHEUS),
        f"--config.file={configure(folder, target)}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--web.listen-address=127.0.0.1:0",
    ]

    def url() -> str | None:
        found = re.search(r'msg="Listening on" address=(\S+)', log.read_text())
        return f"http://{found[1]}" if found else None

    with log.open("w") as errors, subprocess.Popen(command, stdout=errors, stderr=errors) as process:
        try:
            yield url
        finally:
            process.kill()


async def test_prometheus_reads_a_server_and_computes_what_is_shipped(
    application: Application, channel: grpc.aio.Channel, definitions: Definitions, tmp_path: Path
) -> None:
    definitions.publish("kopi", Publication([percent_off("ten", 10)]))
    await application.holder.refresh()
    with prometheus(tmp_path, str(application.metrics_address)) as url:
        async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(WAIT_SECONDS):

            async def ask(path: str, **asked: str) -> Any:
                answer = await client.get(f"{url()}/api/v1/{path}", params=asked, timeout=WAIT_SECONDS)
                assert answer.status_code == 200, (asked, answer.text)
                return answer.json()["data"]

            async def value(query: str) -> float:
                found = (await ask("query", query=query))["result"]
                return float(found[0]["value"][1]) if found else 0.0

            async def ready() -> bool:
                return url() is not None and (await client.get(f"{url()}/-/ready")).status_code == 200

            while not await ready():
                await asyncio.sleep(POLL_SECONDS)
            while not await value('dealwright:calls:rate5m{grpc_method="Evaluate"}') > 0:
                await call(channel, EVALUATE, latte_request().SerializeToString())
                await asyncio.sleep(POLL_SECONDS)
            rules: list[dict[str, Any]] = [{"health": "unknown"}]
            while any(rule["health"] == "unknown" for rule in rules):
                await asyncio.sleep(POLL_SECONDS)
                rules = [rule for group in (await ask("rules"))["groups"] for rule in group["rules"]]

            assert [rule for rule in rules if rule["health"] != "ok"] == []
            assert {rule["name"] for rule in rules} == RECORDED | ALERTS.keys()
            assert await value('up{job="dealwright"}') == 1
            assert await value("dealwright_ruleset_revision") == 1
            assert await value("dealwright_engine_carts_total") > 0
            for panel in PANELS:
                for target in panel["targets"]:
                    await ask("query", query=target["expr"].replace("$job", "dealwright"))
