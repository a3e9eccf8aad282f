"""OR-Tools CP-SAT, handed a best-plan problem as numbers: what a choice is worth, what excludes what."""

from __future__ import annotations

from typing import Any

from ortools.sat.python import cp_model

from benchmarks.peers.answering import Prepared, answer


def prepare(loaded: dict[str, Any]) -> Prepared:
    return _solve, loaded["problems"]


def _solve(problem: dict[str, Any]) -> int:
    """The highest value. One worker, as the engine has one thread."""
    model = cp_model.CpModel()
    chosen = [model.new_int_var(0, most, "") for most in problem["most"]]
    for row in problem["rows"]:
        members = [chosen[place] for place in row["choices"]]
        if row["limit"] == 1:
            model.add_at_most_one(members)
        else:
            model.add(sum(members) <= row["limit"])
    model.maximize(cp_model.LinearExpr.weighted_sum(chosen, problem["worth"]))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    if solver.solve(model) != cp_model.OPTIMAL:
        raise RuntimeError("CP-SAT found no proven optimum")
    optimum: int = round(solver.objective_value)
    return optimum


if __name__ == "__main__":
    answer(prepare)
