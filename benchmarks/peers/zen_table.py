"""zen-engine as its users would use it: one decision table that collects every row that holds."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import zen

from benchmarks.peers.answering import Prepared, answer

COLUMNS = {"minimum": "subtotal", "target": "targets", "store": "store", "hour": "hour", "tier": "tier"}
NOWHERE = {"x": 0, "y": 0}


def prepare(catalogue: dict[str, Any]) -> Prepared:
    decision = zen.ZenEngine().create_decision(zen.ZenDecisionContent(json.dumps(_graph(catalogue["rules"]))))
    return _evaluating(decision), catalogue["bills"]


def _evaluating(decision: Any) -> Callable[[dict[str, Any]], list[tuple[str, int]]]:
    def evaluate(bill: dict[str, Any]) -> list[tuple[str, int]]:
        subtotal, targets = 0, {}
        for product, category, quantity, price in bill["lines"]:
            subtotal += quantity * price
            targets[product] = targets[category] = True
        facts = {
            "subtotal": subtotal,
            "targets": list(targets),
            "store": bill["store"],
            "hour": bill["hour"],
            "tier": bill["tier"],
        }
        return [(row["id"], int(row["amount"])) for row in decision.evaluate(facts)["result"]]

    return evaluate


def _graph(rules: list[dict[str, Any]]) -> dict[str, Any]:
    fields = [
        {"id": column, "name": column, "type": "expression", "field": field}
        for column, field in COLUMNS.items()
    ]
    outputs = [{"id": f"out_{field}", "name": field, "field": field} for field in ("id", "amount")]
    table = {
        "hitPolicy": "collect",
        "inputs": fields,
        "outputs": outputs,
        "rules": [_row(rule) for rule in rules],
    }
    return {
        "nodes": [
            {"id": "cart", "type": "inputNode", "name": "cart", "position": NOWHERE},
            {
                "id": "promotions",
                "type": "decisionTableNode",
                "name": "promotions",
                "position": NOWHERE,
                "content": table,
            },
            {"id": "found", "type": "outputNode", "name": "found", "position": NOWHERE},
        ],
        "edges": [
            {"id": "in", "type": "edge", "sourceId": "cart", "targetId": "promotions"},
            {"id": "out", "type": "edge", "sourceId": "promotions", "targetId": "found"},
        ],
    }


def _row(rule: dict[str, Any]) -> dict[str, str]:
    off = (
        f"floor(subtotal * {rule['value']} / 100)" if rule["percent"] else f"min([{rule['value']}, subtotal])"
    )
    return {
        "_id": rule["id"],
        "minimum": f">= {rule['minimum']}",
        "target": f"contains($, {json.dumps(rule['target'])})",
        "store": ", ".join(map(json.dumps, rule["stores"])),
        "hour": f"[{rule['start']}..{rule['stop']})",
        "tier": ", ".join(map(json.dumps, rule["tiers"])),
        "out_id": json.dumps(rule["id"]),
        "out_amount": off,
    }


if __name__ == "__main__":
    # Its threads hand work to each other, which is cheaper for it on one core.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    answer(prepare)
