"""Runs benchmarks, each subject in a process of its own."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence

from benchmarks.guard import comparison, read_baseline, regressions, strangers, write_baseline
from benchmarks.page import PAGE, with_missed, with_tables
from benchmarks.ratios import ratio_table
from benchmarks.subjects import MODULES, subject

SUBJECT_SECONDS_MAX = 1800
ATTEMPTS = 3
"""How often a ratio is measured before the machine is no excuse any more."""


def show(names: Sequence[str]) -> int:
    """Prints the tables of the subjects."""
    for name in names:
        print(f"{name}\n", flush=True)
        _run("tables", name, None)
    return 0


def print_tables(name: str) -> int:
    measured = subject(name)
    for part in measured.tables():
        print(part, flush=True)
    if measured.ratios:
        print(ratio_table(measured.ratios))
    return 0


def print_ratios(name: str) -> int:
    """The ratios of one subject, as JSON."""
    print(json.dumps({ratio.name: ratio.measure().ratio for ratio in subject(name).ratios}))
    return 0


def compare() -> int:
    """Measures every ratio and compares it with the baseline."""
    baseline = read_baseline()
    strange = strangers(baseline, (ratio.name for name in MODULES for ratio in subject(name).ratios))
    if strange:
        sys.exit(
            f"Not both in the baseline and in the benchmarks: {', '.join(strange)}. See make bench-baseline."
        )
    measured = _measure(MODULES)
    for _ in range(ATTEMPTS - 1):
        slower = regressions(baseline, measured)
        if not slower:
            break
        print("Measuring again what looks slower; it may have been the machine.", file=sys.stderr, flush=True)
        again = _measure(
            [name for name in MODULES if any(ratio.name in slower for ratio in subject(name).ratios)]
        )
        measured |= {name: min(measured[name], again[name]) for name in slower}
    print(comparison(baseline, measured))
    return int(bool(regressions(baseline, measured)))


def renew_baseline() -> int:
    """Writes the medians of several runs, so that no busy minute becomes the measure of later ones."""
    runs = [_measure(MODULES) for _ in range(ATTEMPTS)]
    write_baseline({name: statistics.median(run[name] for run in runs) for name in runs[0]})
    return 0


def renew_page(names: Sequence[str]) -> int:
    """The tables of the subjects on the page, one subject after another."""
    for name in names:
        tables = _run("tables", name, subprocess.PIPE)
        print(tables, flush=True)
        PAGE.write_text(with_missed(with_tables(PAGE.read_text(), name, tables)))
    return 0


def _measure(names: Iterable[str]) -> dict[str, float]:
    measured: dict[str, float] = {}
    for name in names:
        print(f"Measuring {name} ...", file=sys.stderr, flush=True)
        measured |= json.loads(_run("ratios", name, subprocess.PIPE))
    return measured


def _run(what: str, name: str, output: int | None) -> str:
    """One subject in a fresh process, and what it prints when its output is a pipe."""
    command = [sys.executable, "-m", "benchmarks", what, name]
    ended = subprocess.run(command, check=False, stdout=output, text=True, timeout=SUBJECT_SECONDS_MAX)
    if ended.returncode:
        sys.exit(f"The benchmark {name} failed.")
    return ended.stdout


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("show", "page"):
        commands.add_parser(name).add_argument("subjects", nargs="*", metavar="subject")
    for name in ("tables", "ratios"):
        commands.add_parser(name).add_argument("subject", choices=MODULES)
    for name in ("compare", "baseline"):
        commands.add_parser(name)
    arguments = parser.parse_args()
    several: list[str] = getattr(arguments, "subjects", []) or list(MODULES)
    unknown = [name for name in several if name not in MODULES]
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}, only {', '.join(MODULES)}")
    match arguments.command:
        case "show":
            return show(several)
        case "tables":
            return print_tables(arguments.subject)
        case "ratios":
            return print_ratios(arguments.subject)
        case "compare":
            return compare()
        case "baseline":
            return renew_baseline()
        case _:
            return renew_page(several)


if __name__ == "__main__":
    sys.exit(main())
