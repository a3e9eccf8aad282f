"""The dashboard for Grafana: every panel asks for what exists, by labels that it has."""

import json
import re
from typing import Any

import pytest
import yaml

from tests.operations.exposition import exported, names
from tests.structure.tree import ROOT

DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "dealwright.json").read_text())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]


def recorded() -> set[str]:
    document = yaml.safe_load((ROOT / "deploy" / "prometheus" / "recording.yaml").read_text())
    return {rule["record"] for group in document["groups"] for rule in group["rules"]}


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_asks_for_what_exists(panel: dict[str, Any]) -> None:
    asked = [names(target["expr"]) for target in panel["targets"]]
    assert any(asked)
    assert set().union(*asked) - exported() - recorded() == set()


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_legends_name_labels_that_are_grouped_by(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        legend = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
        kept = {
            label for group in re.findall(r"by \(([^)]*)\)", target["expr"]) for label in group.split(", ")
        }
        assert legend <= (kept or {"instance"})


def test_panels_do_not_overlap() -> None:
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in PANELS]
    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
