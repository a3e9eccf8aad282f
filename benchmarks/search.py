"""The search for the best plan beside OR-Tools CP-SAT, on the same problems.

CP-SAT is handed the worth of each choice and what excludes what, and builds its model from that in Python.
The engine is handed a cart and definitions as bytes, and finds all of that out itself; no verdicts are asked
for. Where the engine says that its plan is proven, both must find the same value; else CP-SAT's must lie
within the gap that the engine names. Otherwise the benchmark fails.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import dealwright_engine
from dealwright.v1.evaluation_service_pb2 import EvaluateResponse
from dealwright.v1.result_pb2 import PROOF_PROVEN, SelectionReport

from benchmarks.catalogue import SEED
from benchmarks.markdown import table
from benchmarks.peers.process import python_peer, started
from benchmarks.problems import KINDS, Problem
from benchmarks.ratios import Measured, Ratio
from benchmarks.timing import Calls, Times, measure

CANDIDATES = (10, 20, 30, 40, 50)
INSTANCES = 15
SECONDS = 2.0
WANTED = 0.1


class Engine:
    """The engine on several problems, as a contender."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.calls = [
            (
                dealwright_engine.Ruleset.compile(problem.ruleset.SerializeToString()),
                problem.request.SerializeToString(),
            )
            for problem in problems
        ]

    def selections(self) -> list[SelectionReport]:
        return [
            EvaluateResponse.FromString(ruleset.evaluate(body, 0)).result.selection
            for ruleset, body in self.calls
        ]

    def round(self) -> Sequence[float]:
        return Calls(lambda call: call[0].evaluate(call[1], 0), self.calls).round()


@dataclass(frozen=True)
class Row:
    """Both on the same instances."""

    engine: Times
    cp_sat: Times
    selections: Sequence[SelectionReport]
    optima: Sequence[int]

    @property
    def nodes(self) -> list[int]:
        return sorted(selection.nodes for selection in self.selections)

    @property
    def proven(self) -> int:
        return sum(selection.proof == PROOF_PROVEN for selection in self.selections)

    @property
    def worst_share(self) -> float:
        """The least part of the optimum that the engine found."""
        pairs = zip(self.selections, self.optima, strict=True)
        return min(selection.benefit_minor / optimum for selection, optimum in pairs)


def tables() -> Iterator[str]:
    rows = []
    for kind in KINDS:
        for candidates in CANDIDATES:
            row = _measured(kind, candidates)
            times = (
                row.engine.p50,
                row.engine.max,
                row.cp_sat.p50,
                row.cp_sat.max,
                row.cp_sat.p50 / row.engine.p50,
            )
            found = (
                row.nodes[INSTANCES // 2],
                row.nodes[-1],
                f"{row.proven} of {INSTANCES}",
                row.worst_share,
            )
            rows.append((kind, candidates, *times, *found))
    titles = ("problem", "candidates", "engine us", "longest", "CP-SAT us", "longest", "CP-SAT / engine")
    yield table((*titles, "nodes", "most", "proven", "worst / optimum"), rows)


@cache
def _measured(kind: str, candidates: int) -> Row:
    chance = random.Random(SEED + candidates)
    problems = [KINDS[kind](chance, candidates) for _ in range(INSTANCES)]
    engine = Engine(problems)
    with started(python_peer("cp_sat")) as cp_sat:
        optima = cp_sat.load({"problems": [problem.document() for problem in problems]})
        selections = engine.selections()
        for place, (selection, optimum) in enumerate(zip(selections, optima, strict=True)):
            _check(f"{kind}, {candidates} candidates, instance {place}", selection, optimum)
        mine, theirs = measure([engine, cp_sat], SECONDS)
    return Row(mine, theirs, selections, optima)


def _check(where: str, selection: SelectionReport, optimum: int) -> None:
    least, most = selection.benefit_minor, selection.benefit_minor + selection.gap_minor
    if not least <= optimum <= most:
        proof = "proven" if selection.proof == PROOF_PROVEN else "bounded"
        raise SystemExit(f"{where}: the engine says {least} to {most} ({proof}), CP-SAT finds {optimum}")


def _beside_cp_sat(kind: str) -> Callable[[], Measured]:
    def medians() -> Measured:
        row = _measured(kind, CANDIDATES[-1])
        return Measured(row.engine.p50, row.cp_sat.p50)

    return medians


RATIOS = tuple(
    Ratio(f"engine to CP-SAT, {kind}, {CANDIDATES[-1]} candidates", _beside_cp_sat(kind), wanted=WANTED)
    for kind in KINDS
)
