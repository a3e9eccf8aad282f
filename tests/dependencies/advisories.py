"""What is known against the locked packages, asked of the databases of advisories."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.structure.tree import ROOT

ANSWER_SECONDS_MAX = 300
"""For each database; it asks for a hundred packages one by one."""


@dataclass(frozen=True)
class Report:
    """What a database knows of the packages that it was asked about."""

    known: tuple[str, ...] = ()
    """Advisories that concern a locked version, each as a line."""
    unanswered: tuple[str, ...] = ()
    """What isn't known, because nobody could be asked; each as a line."""


def ask_for_python() -> Report:
    """pip-audit, which takes the versions of the lock and installs nothing."""
    versions = ["--requirement", "requirements.lock", "--require-hashes", "--disable-pip"]
    output = ["--format", "json", "--progress-spinner", "off"]
    return ask([sys.executable, "-m", "pip_audit", *versions, *output], of_pip_audit)


def ask_for_rust() -> Report:
    """cargo-audit, where it is installed."""
    return ask(["cargo", "audit", "--json"], of_cargo_audit)


def ask(
    command: list[str], reading: Callable[[Any], Report], seconds_max: float = ANSWER_SECONDS_MAX
) -> Report:
    """What the program reports. Exit codes don't tell: both fail in the same way when they find something."""
    try:
        ran = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=seconds_max
        )
    except FileNotFoundError:
        return Report(unanswered=(f"{command[0]} isn't installed",))
    except subprocess.TimeoutExpired:
        return Report(unanswered=(f"no answer after {seconds_max:g} s",))
    try:
        return reading(json.loads(ran.stdout))
    except (ValueError, LookupError, TypeError):
        said = ran.stderr.strip().splitlines() or [f"no report, exit code {ran.returncode}"]
        errors = [line for line in said if "error" in line.lower()]
        return Report(unanswered=([*errors, said[-1]][0],))


def of_pip_audit(report: Any) -> Report:
    """A package that the registry can't say anything of is skipped there, and no reason to be content."""
    packages = report["dependencies"]
    return Report(
        known=tuple(
            f"{package['name']} {package['version']}: {advisory['id']}, mended in {_versions(advisory)}"
            for package in packages
            for advisory in package.get("vulns", [])
        ),
        unanswered=tuple(package["skip_reason"] for package in packages if "skip_reason" in package),
    )


def of_cargo_audit(report: Any) -> Report:
    """Vulnerable, unsound and yanked crates. That nobody looks after a crate any more is no fault yet."""
    concerned = [*report["vulnerabilities"]["list"], *report["warnings"].get("unsound", [])]
    lines = [
        f"{each['package']['name']} {each['package']['version']}: {each['advisory']['id']}, "
        f"{each['advisory']['title']}"
        for each in concerned
    ]
    lines += [
        f"{each['package']['name']} {each['package']['version']}: is yanked"
        for each in report["warnings"].get("yanked", [])
    ]
    return Report(known=tuple(lines))


def _versions(advisory: dict[str, Any]) -> str:
    return ", ".join(advisory["fix_versions"]) or "no version yet"
