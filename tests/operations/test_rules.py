"""Alerts and recording rules: what they ask for exists, each has its page, and promtool tries them."""

import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from tests.operations.exposition import exported, names
from tests.structure.tree import ROOT

FOLDER = ROOT / "deploy" / "prometheus"
RUNBOOK = ROOT / "docs" / "runbook.md"
WAIT_SECONDS = 240


def rules(file: str) -> list[dict[str, Any]]:
    document = yaml.safe_load((FOLDER / file).read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


RECORDED = {rule["record"] for rule in rules("recording.yaml")}
ALERTS = {rule["alert"]: rule for rule in rules("alerts.yaml")}


@pytest.mark.parametrize(
    "rule",
    rules("recording.yaml") + rules("alerts.yaml"),
    ids=lambda rule: rule.get("alert") or rule["record"],
)
def test_a_rule_asks_for_what_exists(rule: dict[str, Any]) -> None:
    asked = names(rule["expr"])
    assert asked
    assert asked - exported() - RECORDED == set()


def test_an_unknown_name_is_noticed() -> None:
    assert names(
        'sum by (job) (rate(grpc_server_startd_total{job="dealwright"}[5m])) > 1 and on (job) up == 0'
    ) == {
        "grpc_server_startd_total",
        "up",
    }


def test_each_alert_has_its_section_of_the_runbook_and_no_other_is_there() -> None:
    assert re.findall(r"^## (.+)$", RUNBOOK.read_text(), re.MULTILINE) == list(ALERTS)
    for name, alert in ALERTS.items():
        assert alert["annotations"]["runbook_url"] == f"docs/runbook.md#{name.lower()}"
        assert alert["labels"]["severity"] in ("page", "ticket")
        assert alert["annotations"]["summary"]
        assert re.search(rf"## {name}\n\n`{alert['labels']['severity']}`\. ", RUNBOOK.read_text())


JOBS = {
    'job="dealwright"',
    'job="dealwright-admin"',
    'job=~"dealwright|dealwright-worker"',
    'job=~"dealwright|dealwright-admin"',
}


def test_alerts_that_page_are_told_from_the_admin_layer_and_workers() -> None:
    """They have the same metrics and no ruleset. What they do, servers with one of them inside do too."""
    own = {rule["expr"] for rule in ALERTS.values() if "dealwright:" not in rule["expr"]}
    asked = {expression: set(re.findall(r'job=~?"[^"]*"', expression)) for expression in own}
    assert [expression for expression, jobs in asked.items() if not jobs or not jobs <= JOBS] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "config", "prometheus.yaml"],
        ["check", "rules", "recording.yaml", "alerts.yaml"],
        ["test", "rules", "rules_test.yaml"],
    ],
    ids=" ".join,
)
def test_prometheus_takes_them(arguments: list[str]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool isn't installed; Debian's package prometheus has it")
    ended = subprocess.run(
        [promtool, *arguments], cwd=FOLDER, capture_output=True, text=True, timeout=WAIT_SECONDS, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
