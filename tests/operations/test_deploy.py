"""What is shipped to run the processes elsewhere fits its schemas, the settings, the commands and itself."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from admin.cli.main import COMMANDS
from server.runtime.settings import unknown_variables

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "deploy/kubernetes"
COMPOSE = ROOT / "deploy/docker/compose.yaml"
DOCKERFILE = (ROOT / "deploy/docker/Dockerfile").read_text()
KUBERNETES_VERSION = "1.32"

Document = dict[str, Any]


def manifests() -> Iterator[tuple[str, Document]]:
    for path in sorted(KUBERNETES.glob("*.yaml")):
        if path.name != "kustomization.yaml":
            for document in yaml.safe_load_all(path.read_text()):
                yield f"{path.stem}/{document['kind']}/{document['metadata']['name']}", document


MANIFESTS = dict(manifests())
PODS = {
    name: document["spec"]["template"]
    for name, document in MANIFESTS.items()
    if document["kind"] in ("Deployment", "Job")
}
SERVICES: dict[str, Document] = yaml.safe_load(COMPOSE.read_text())["services"]


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_fits_the_schema_of_kubernetes(name: str) -> None:
    kubernetes_validate.validate(MANIFESTS[name], KUBERNETES_VERSION, strict=True)


def test_a_manifest_that_does_not_fit_would_be_found() -> None:
    wrong = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"port": 1}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES_VERSION, strict=True)


def test_every_manifest_is_applied() -> None:
    applied = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]
    assert sorted(applied) == sorted(
        path.name for path in KUBERNETES.glob("*.yaml") if path.name != "kustomization.yaml"
    )


@pytest.mark.parametrize("name", PODS)
def test_a_pod_runs_a_command_with_settings_that_exist(name: str) -> None:
    [container] = PODS[name]["spec"]["containers"]
    given = {variable["name"]: "" for variable in container.get("env", ())}
    for source in container.get("envFrom", ()):
        given |= MANIFESTS[f"settings/ConfigMap/{source['configMapRef']['name']}"]["data"]

    assert container["args"][0] in COMMANDS
    assert unknown_variables(given) == []


@pytest.mark.parametrize("name", PODS)
def test_a_pod_has_what_it_mounts_and_probes_a_port_that_it_has(name: str) -> None:
    pod = PODS[name]["spec"]
    [container] = pod["containers"]
    ports = {port["name"] for port in container.get("ports", ())}
    probed = {probe["httpGet"]["port"] for kind, probe in container.items() if kind.endswith("Probe")}

    assert {mount["name"] for mount in container["volumeMounts"]} == {each["name"] for each in pod["volumes"]}
    assert probed <= ports
    assert {str(port["containerPort"]) for port in container.get("ports", ())} <= exposed()


@pytest.mark.parametrize("name", PODS)
def test_a_pod_has_no_rights_that_it_does_not_need(name: str) -> None:
    pod = PODS[name]["spec"]
    [container] = pod["containers"]

    assert pod["securityContext"]["runAsNonRoot"]
    assert not pod["automountServiceAccountToken"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_what_selects_pods_selects_some() -> None:
    labels = [pod["metadata"]["labels"] for pod in PODS.values()]
    selectors = [
        document["spec"].get("podSelector") or document["spec"].get("selector")
        for document in MANIFESTS.values()
        if "spec" in document
    ]
    wanted = [each.get("matchLabels", each) for each in selectors if each]

    assert len(wanted) > len(PODS)
    for selector in wanted:
        assert any(selector.items() <= found.items() for found in labels), selector


def test_what_scales_names_a_deployment() -> None:
    names = {
        document["metadata"]["name"] for document in MANIFESTS.values() if document["kind"] == "Deployment"
    }
    targets = [
        document["spec"]["scaleTargetRef"]["name"]
        for document in MANIFESTS.values()
        if document["kind"] == "HorizontalPodAutoscaler"
    ]

    assert targets
    assert set(targets) <= names


def test_compose_runs_commands_with_settings_secrets_and_volumes_that_exist() -> None:
    compose = yaml.safe_load(COMPOSE.read_text())
    ours = {name: service for name, service in SERVICES.items() if service["image"] == "dealwright"}

    assert {service["command"][0] for service in ours.values()} == {"serve", "admin", "worker", "migrate"}
    assert {name for service in SERVICES.values() for name in service.get("secrets", ())} == set(
        compose["secrets"]
    )
    assert {name for service in SERVICES.values() for name in service.get("depends_on", ())} <= set(SERVICES)
    for service in ours.values():
        assert unknown_variables(service["environment"]) == []
    assert (COMPOSE.parent / ours["serve"]["build"]["context"]).resolve() == ROOT


def test_prometheus_finds_the_services_of_compose() -> None:
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yaml").read_text())["scrape_configs"]
    targets = [target for job in scraped for given in job["static_configs"] for target in given["targets"]]

    assert {target.split(":")[0] for target in targets} <= set(SERVICES)


def test_the_image_is_built_by_commands_of_the_project() -> None:
    makefile = (ROOT / "Makefile").read_text()
    given = dict(re.findall(r"(DEALWRIGHT_\w+)=(\S+)", DOCKERFILE))

    assert "\nwheels:" in makefile
    assert re.findall(r"uv==\S+", DOCKERFILE) == re.findall(r"uv==\S+", makefile)
    assert unknown_variables(given) == []
    assert {
        address.split(":")[1] for name, address in given.items() if name.endswith("_ADDRESS")
    } == exposed()


def exposed() -> set[str]:
    """The ports that the image says it listens on."""
    [ports] = re.findall(r"^EXPOSE (.+)$", DOCKERFILE, re.MULTILINE)
    return set(ports.split())
