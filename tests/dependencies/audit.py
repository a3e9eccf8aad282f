"""What the locked packages are and what is known of them: python -m tests.dependencies.audit

Writes the bill of materials, compares licences with those that are accepted, and asks for advisories. Exit
code 0: nothing is wrong; 1: a licence isn't accepted, or an advisory concerns a locked version; 3: neither,
as far as is known, but not everything could be asked.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tests.dependencies.advisories import Report, ask_for_python, ask_for_rust
from tests.dependencies.bill import bill_of_materials
from tests.dependencies.licences import is_accepted
from tests.dependencies.packages import Package, all_packages
from tests.structure.tree import ROOT

BILL = ROOT / "dist" / "dealwright.cdx.json"
LINES_MAX = 5
"""Of what wasn't answered: a registry without advisories has the same to say about each package."""


def audit() -> int:
    """Everything that needs no network first. The exit code."""
    packages = all_packages()
    BILL.parent.mkdir(exist_ok=True)
    BILL.write_text(bill_of_materials(packages))
    print(f"{len(packages)} packages are in {BILL.relative_to(ROOT)}.")
    refused = refusals(packages)
    print_lines("Licences", refused or ["all are accepted"])
    reports = {"Python": ask_for_python(), "Rust": ask_for_rust()}
    for language, report in reports.items():
        if report.known or not report.unanswered:
            print_lines(f"Advisories for {language}", report.known or ["none"])
        if report.unanswered:
            lines = report.unanswered[:LINES_MAX]
            more = len(report.unanswered) - len(lines)
            print_lines(
                f"NOT KNOWN: advisories for {language}", [*lines, *([f"and {more} more"] if more else [])]
            )
    return exit_code(refused, list(reports.values()))


def refusals(packages: Sequence[Package]) -> list[str]:
    """A line for each package whose licence isn't accepted."""
    return [
        f"{package.name} {package.version} ({package.type}): {package.licence or 'no licence is known'}"
        for package in packages
        if not is_accepted(package.licence)
    ]


def exit_code(refused: Sequence[str], reports: Sequence[Report]) -> int:
    """What is wrong outweighs what isn't known."""
    if refused or any(report.known for report in reports):
        return 1
    return 3 if any(report.unanswered for report in reports) else 0


def print_lines(title: str, lines: Sequence[str]) -> None:
    """A title with its lines below."""
    print(f"{title}:", *(f"  {line}" for line in lines), sep="\n", flush=True)


if __name__ == "__main__":
    sys.exit(audit())
