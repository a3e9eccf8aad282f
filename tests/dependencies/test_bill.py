"""The bill of materials says what the lock files say, in CycloneDX."""

import json
import re
import tomllib
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.dependencies.bill import bill_of_materials
from tests.dependencies.packages import Package
from tests.structure.tree import ROOT


@pytest.fixture(scope="module")
def bill(packages: list[Package]) -> str:
    return bill_of_materials(packages)


@pytest.fixture(scope="module")
def components(bill: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(bill)["components"]
    return listed


def test_it_is_valid_cyclonedx(bill: str) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None


def test_every_locked_package_is_in_it_with_version_and_hashes(components: list[dict[str, Any]]) -> None:
    listed = {each["purl"]: {digest["content"] for digest in each["hashes"]} for each in components}
    assert listed == locked_in_python() | locked_in_rust()
    assert len(listed) == len(components)


def test_every_component_has_a_licence(components: list[dict[str, Any]]) -> None:
    assert [each["purl"] for each in components if not each["licenses"]] == []


@pytest.mark.parametrize("name", ["grpcio", "psycopg-binary", "opentelemetry-sdk", "tzdata", "prost", "jiff"])
def test_what_the_product_contains_is_required(name: str, components: list[dict[str, Any]]) -> None:
    assert scopes(name, components) == {"required"}


@pytest.mark.parametrize("name", ["pytest", "pip-audit", "maturin", "prost-build", "allocation-counter"])
def test_what_builds_and_tests_it_is_excluded(name: str, components: list[dict[str, Any]]) -> None:
    assert scopes(name, components) == {"excluded"}


def scopes(name: str, components: list[dict[str, Any]]) -> set[str]:
    return {each["scope"] for each in components if each["name"] == name}


def locked_in_python() -> dict[str, set[str]]:
    """Line by line; `make lock` writes each pin and each hash into a line of its own."""
    locked: dict[str, set[str]] = {}
    hashes: set[str] = set()
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        if pin := re.match(r"(\S+)==(\S+)", line):
            hashes = locked.setdefault(f"pkg:pypi/{pin[1]}@{pin[2]}", set())
        else:
            hashes.add(line.strip(" \\").removeprefix("--hash=sha256:"))
    return locked


def locked_in_rust() -> dict[str, set[str]]:
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    return {
        f"pkg:cargo/{each['name']}@{each['version'].replace('+', '%2B')}": {each["checksum"]}
        for each in lock["package"]
        if "checksum" in each
    }
