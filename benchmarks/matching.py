"""The engine beside general rule engines, each through its natural interface, and beside plain Python.

Every peer finds the promotions that hold and what each would take off. None of them chooses the best plan,
allocates to lines and units, says why a promotion isn't applied, rounds by a policy, or encodes an answer.
Their answers are checked against each other before anything is timed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import cache
from typing import Any

from dealwright_engine import Ruleset as Compiled

from benchmarks.catalogue import Bill, Rule, bills, rules
from benchmarks.loops import Found, indexed, naive
from benchmarks.markdown import table
from benchmarks.messages import evaluating, requests, ruleset
from benchmarks.peers.process import Peer, node_peer, python_peer, started
from benchmarks.ratios import Measured, Ratio
from benchmarks.timing import Calls, Contender, Times, measure

ENGINE, INDEXED, NAIVE = "engine", "indexed Python", "naive Python"
ZEN, RULES_ENGINE = "zen-engine (Python)", "json-rules-engine (Node)"
DOES = {
    ENGINE: "bytes to bytes: decodes, matches, best plan, allocates, verdicts, hashes, encodes",
    INDEXED: "matches and amounts only, on ready objects",
    NAIVE: "matches and amounts only, on ready objects",
    ZEN: "matches and amounts only, from a dictionary; one decision table",
    RULES_ENGINE: "matches and amounts only, from an object; one rule a promotion",
}

CELLS = ((10, 20), (100, 20), (1000, 5), (1000, 20), (1000, 100), (10_000, 20))
CARTS = 64
DEAR, DEAR_CARTS, DEAR_COUNT_MAX = RULES_ENGINE, 8, 1000
"""What needs milliseconds a cart has few carts, and isn't asked about the largest catalogue."""
SECONDS = 8.0
LOADS = 5


def tables() -> Iterator[str]:
    rows = []
    for count, lines in CELLS:
        measured = _measured(count, lines)
        for name, times in measured.items():
            p99 = times.p99 if times.has_p99 else ""
            carts = len(times.shortest)
            rows.append((name, count, lines, carts, times.p50, p99, times.p50 / measured[ENGINE].p50))
    yield table(("contender", "promotions", "lines", "carts", "us", "p99", "times the engine"), rows)
    commands = _commands()
    if DEAR in commands:
        yield f"{DEAR} is left out above {DEAR_COUNT_MAX} promotions: a cart takes too long.\n"
    else:
        yield f"{DEAR} is left out: Node isn't here, or its packages couldn't be installed.\n"
    loading = _loading_ms()
    yield table(
        ("contender", "what it does", "loading 1 000 promotions, ms"),
        [(name, does, loading.get(name, "")) for name, does in DOES.items() if name in {NAIVE, *loading}],
    )


def _commands() -> dict[str, list[str]]:
    """The peers in processes of their own that this machine can run."""
    commands = {ZEN: python_peer("zen_table"), RULES_ENGINE: node_peer("rules_engine.mjs")}
    return {name: command for name, command in commands.items() if command is not None}


@cache
def _measured(count: int, lines: int) -> dict[str, Times]:
    """Everybody's times on the same carts, in turns."""
    listed, carts = rules(count), bills(CARTS, lines)
    by_loop = naive(listed)
    expected = [by_loop(bill) for bill in carts]
    contenders: dict[str, Contender] = {
        ENGINE: evaluating(listed, requests(CARTS, lines)),
        INDEXED: Calls(indexed(listed), carts),
        NAIVE: Calls(by_loop, carts),
    }
    with ExitStack() as running:
        for name, command in _commands().items():
            if name == DEAR and count > DEAR_COUNT_MAX:
                continue
            peer = running.enter_context(started(command))
            asked = DEAR_CARTS if name == DEAR else CARTS
            _check(name, _load(peer, listed, carts[:asked]), expected[:asked])
            contenders[name] = peer
        times = measure(list(contenders.values()), SECONDS)
    return dict(zip(contenders, times, strict=True))


def _loading_ms() -> dict[str, float]:
    """The shortest of several loads."""
    listed = rules(1000)
    own = {
        ENGINE: Calls(Compiled.compile, [ruleset(listed)]),
        INDEXED: Calls(indexed, [listed]),
    }
    times = measure(list(own.values()), seconds=1.0)
    loading = {name: each.p50 / 1e3 for name, each in zip(own, times, strict=True)}
    for name, command in _commands().items():
        with started(command) as peer:
            loading[name] = min(_loaded_in(peer, listed) for _ in range(LOADS))
    return loading


def _loaded_in(peer: Peer, listed: Sequence[Rule]) -> float:
    _load(peer, listed, [])
    return peer.loading_ms


def _load(peer: Peer, listed: Sequence[Rule], carts: Sequence[Bill]) -> Any:
    return peer.load(
        {"rules": [rule.document() for rule in listed], "bills": [bill.document() for bill in carts]}
    )


def _check(name: str, answers: Any, expected: Sequence[Found]) -> None:
    """A peer that is fast and wrong would be no peer."""
    found = [sorted((rule, amount) for rule, amount in answer) for answer in answers]
    if found != [sorted(each) for each in expected]:
        raise SystemExit(f"{name} finds other promotions than the loop does")


def _engine_beside(name: str, count: int) -> Measured:
    measured = _measured(count, 20)
    return Measured(measured[ENGINE].p50, measured[name].p50)


RATIOS = (
    Ratio(
        "engine to zen-engine, 1 000 promotions",
        lambda: _engine_beside(ZEN, 1000),
        wanted=1 / 15,
    ),
    Ratio("engine to indexed Python, 1 000 promotions", lambda: _engine_beside(INDEXED, 1000), wanted=1),
    Ratio("engine to naive Python, 10 promotions", lambda: _engine_beside(NAIVE, 10), wanted=1),
)
