"""What the project stands on: each package of the lock files, its licence, and whether the product has it."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.dependencies.licences import python_licence, rust_licence
from tests.structure.tree import ROOT

PLATFORMS: tuple[dict[str, str], ...] = (
    {},
    {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"},
)
"""Where the product runs, as markers see it: here, and at tills with Windows."""


@dataclass(frozen=True)
class Package:
    """One version of one package."""

    type: str
    """As a package URL says it: `pypi` or `cargo`."""
    name: str
    version: str
    hashes: tuple[str, ...]
    """SHA-256 of each file that may be installed."""
    licence: str | None
    """As an SPDX expression; None when nobody says it."""
    contained: bool
    """Runs in the product; the others build and test it."""


def all_packages() -> list[Package]:
    """Of both languages, by name."""
    packages = [*python_packages(), *rust_packages()]
    return sorted(packages, key=lambda each: (each.type, each.name, each.version))


def python_packages() -> Iterator[Package]:
    """Every pinned version of requirements.lock."""
    contained = set(_contained("dealwright-server", frozenset({"traces"}), set()))
    pins = re.findall(
        r"^([a-z0-9._-]+)==([^\s;]+).*\\\n((?: +--hash=.*\n)+)",
        (ROOT / "requirements.lock").read_text(),
        re.MULTILINE,
    )
    for name, version, hashes in pins:
        yield Package(
            type="pypi",
            name=name,
            version=version,
            hashes=tuple(re.findall(r"sha256:([0-9a-f]{64})", hashes)),
            licence=python_licence(name, _installed(name)),
            contained=name in contained,
        )


def rust_packages() -> Iterator[Package]:
    """Every crate of Cargo.lock that isn't of this project."""
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    metadata = _cargo_metadata()
    said = {(each["name"], each["version"]): each for each in metadata["packages"]}
    contained = _crates_contained(metadata)
    for crate in lock["package"]:
        if "source" not in crate:
            continue
        described = said[crate["name"], crate["version"]]
        yield Package(
            type="cargo",
            name=crate["name"],
            version=crate["version"],
            hashes=(crate["checksum"],),
            licence=rust_licence(described["license"]),
            contained=described["id"] in contained,
        )


def _contained(name: str, extras: frozenset[str], seen: set[tuple[str, frozenset[str]]]) -> Iterator[str]:
    """The distribution and all that it requires, on any platform."""
    if (name, extras) in seen:
        return
    seen.add((name, extras))
    yield name
    found = _installed(name)
    for requirement in map(Requirement, (found.requires if found else None) or []):
        marker = requirement.marker
        if marker is None or any(
            marker.evaluate({"extra": extra, **platform}) for extra in ("", *extras) for platform in PLATFORMS
        ):
            yield from _contained(canonicalize_name(requirement.name), frozenset(requirement.extras), seen)


def _installed(name: str) -> Distribution | None:
    """None for what is meant for other platforms."""
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def _cargo_metadata() -> dict[str, Any]:
    command = ["cargo", "metadata", "--locked", "--format-version", "1"]
    ran = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    metadata: dict[str, Any] = json.loads(ran.stdout)
    return metadata


def _crates_contained(metadata: dict[str, Any]) -> set[str]:
    """Ids of crates that the extension is linked from, apart from what only builds or tests it."""
    linked = {
        node["id"]: [
            dependency["pkg"]
            for dependency in node["deps"]
            if any(kind["kind"] is None for kind in dependency["dep_kinds"])
        ]
        for node in metadata["resolve"]["nodes"]
    }
    waiting = [each["id"] for each in metadata["packages"] if each["name"] == "dealwright-python"]
    reached: set[str] = set()
    while waiting:
        crate = waiting.pop()
        if crate not in reached:
            reached.add(crate)
            waiting += linked[crate]
    return reached
