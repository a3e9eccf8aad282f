"""What the manifests, the lock and the commands promise each other."""

import re
import tomllib
from pathlib import Path
from typing import Any

import dealwright_engine
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.structure.tree import ROOT

LOCKS = ["requirements.lock", "benchmarks/peers/requirements.lock"]
OWN_DISTRIBUTIONS = {"dealwright", "dealwright-engine", "dealwright-server"}


def test_there_is_one_version() -> None:
    version = manifest("Cargo.toml")["workspace"]["package"]["version"]
    projects = [
        manifest(path)["project"]
        for path in ("pyproject.toml", "engine_rs/pyproject.toml", "client/pyproject.toml")
    ]
    released = re.findall(r"^## \[?(\d+\.\d+\.\d+)", read("CHANGELOG.md"), re.MULTILINE)
    assert {project["name"]: project["version"] for project in projects} == dict.fromkeys(
        OWN_DISTRIBUTIONS, version
    )
    assert released[0] == version
    assert version == dealwright_engine.VERSION


def test_the_changelog_names_the_rule_language() -> None:
    languages = re.findall(r"[Rr]ule language (\d+)", read("CHANGELOG.md"))
    assert int(languages[0]) == dealwright_engine.RULE_LANGUAGE


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_exact_versions_and_hashes_alone(lock: str) -> None:
    pinned = re.compile(
        r"[a-z0-9._-]+==[^\s;]+(?: ; [^\\]+)? \\(?:\n    --hash=sha256:[0-9a-f]{64}(?: \\)?)+\n"
    )
    assert pinned.sub("", read(lock)) == ""


def test_the_lock_satisfies_every_requirement() -> None:
    locked = dict(re.findall(r"^([a-z0-9._-]+)==([^\s;]+)", read("requirements.lock"), re.MULTILINE))
    unmet = [
        str(requirement)
        for requirement in requirements()
        if not requirement.specifier.contains(locked.get(canonicalize_name(requirement.name), "0"))
    ]
    assert unmet == []


def test_every_command_says_what_it_does() -> None:
    commands = re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE)
    described = re.findall(r"^([a-z-]+):.* ## \w", read("Makefile"), re.MULTILINE)
    assert {"demo", "test", "test-fast", "lint", "setup"} <= set(commands)
    assert commands == described


def test_every_capability_has_its_contracts() -> None:
    contracts = manifest("pyproject.toml")["tool"]["importlinter"]["contracts"]
    capabilities = {path.parent for path in (ROOT / "server").glob("*/service.py")}
    behind_services = {
        f"server.{capability.name}.{role}"
        for capability in capabilities
        for role in ("rpc", "store", "tables")
        if (capability / f"{role}.py").exists()
    }
    assert capabilities
    assert listed(contracts, "containers") == {f"server.{capability.name}" for capability in capabilities}
    assert behind_services <= listed(contracts, "protected_modules")


def listed(contracts: list[dict[str, Any]], option: str) -> set[str]:
    return {module for contract in contracts for module in contract.get(option, [])}


def requirements() -> list[Requirement]:
    """What the three distributions need to run, to be built and to be worked on, apart from each other."""
    names = []
    for path in ("pyproject.toml", "engine_rs/pyproject.toml", "client/pyproject.toml"):
        document = manifest(path)
        names += document["project"].get("dependencies", [])
        names += document["build-system"]["requires"]
        names += [name for group in document.get("dependency-groups", {}).values() for name in group]
    return [
        requirement for requirement in map(Requirement, names) if requirement.name not in OWN_DISTRIBUTIONS
    ]


def manifest(path: str) -> dict[str, Any]:
    return tomllib.loads(read(path))


def read(path: str | Path) -> str:
    return (ROOT / path).read_text()
