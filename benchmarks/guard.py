"""The regression guard: ratios as they were when the baseline was written, and as they are now."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.markdown import table

BASELINE = Path(__file__).with_name("baseline.json")
TOLERANCE = 0.3
"""For a ratio that is new in the baseline; what stands there already keeps its own."""


@dataclass(frozen=True)
class Kept:
    """A ratio of the baseline."""

    ratio: float
    tolerance: float
    """The share by which it may grow without being a regression."""

    @property
    def limit(self) -> float:
        return self.ratio * (1 + self.tolerance)


Baseline = dict[str, Kept]


def read_baseline() -> Baseline:
    kept = json.loads(BASELINE.read_text())
    return {name: Kept(**each) for name, each in kept.items()}


def write_baseline(measured: Mapping[str, float]) -> None:
    """Keeps the tolerances of the ratios that stay."""
    before = read_baseline() if BASELINE.exists() else {}
    renewed = {
        name: Kept(float(f"{ratio:.3g}"), before[name].tolerance if name in before else TOLERANCE)
        for name, ratio in measured.items()
    }
    BASELINE.write_text(json.dumps({name: asdict(kept) for name, kept in renewed.items()}, indent=2) + "\n")


def strangers(baseline: Baseline, names: Iterable[str]) -> list[str]:
    """The ratios that only the baseline or only the benchmarks know."""
    return sorted(baseline.keys() ^ set(names))


def regressions(baseline: Baseline, measured: Mapping[str, float]) -> list[str]:
    """The ratios that grew beyond their tolerance."""
    return [name for name, ratio in measured.items() if ratio > baseline[name].limit]


def comparison(baseline: Baseline, measured: Mapping[str, float]) -> str:
    """Every ratio with its verdict."""
    slower = regressions(baseline, measured)
    return table(
        ("ratio", "baseline", "now", "at most", "verdict"),
        [
            (
                name,
                baseline[name].ratio,
                ratio,
                baseline[name].limit,
                "REGRESSION" if name in slower else "pass",
            )
            for name, ratio in measured.items()
        ],
    )
