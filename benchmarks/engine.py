"""What an evaluation costs, from bytes to bytes, against what people would write themselves in Python.

Every row compares in one run, in turns, and gives the best of several rounds: the machine's other work only
ever adds. The peers match promotions and compute amounts on native objects; the engine also decodes, chooses
the best plan, allocates to units, gives verdicts and encodes.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import dealwright_engine

from benchmarks.workload import Bill, Rule, bills, request, rules, ruleset

Found = list[tuple[str, int]]
CARTS = 64
ROUNDS = 9
NO_TARGET = "cat-of-no-cart"


@dataclass(frozen=True)
class Case:
    """Carts as bytes and as peers keep them."""

    bills: list[Bill]
    requests: list[bytes]

    @staticmethod
    def of(listed: list[Bill]) -> Case:
        return Case(listed, [request(bill).SerializeToString() for bill in listed])


def indexed(listed: list[Rule]) -> Callable[[Bill], Found]:
    """Thirty lines that a shop would write: a dictionary from targets to rules."""
    by_target: dict[str, list[Rule]] = {}
    for rule in listed:
        by_target.setdefault(rule.target, []).append(rule)

    def evaluate(bill: Bill) -> Found:
        subtotal, targets = _facts(bill)
        return [
            (rule.id, rule.amount(subtotal))
            for target in targets
            for rule in by_target.get(target, ())
            if _fires(rule, bill, subtotal)
        ]

    return evaluate


def naive(listed: list[Rule]) -> Callable[[Bill], Found]:
    """Every rule for every cart."""

    def evaluate(bill: Bill) -> Found:
        subtotal, targets = _facts(bill)
        return [
            (rule.id, rule.amount(subtotal))
            for rule in listed
            if rule.target in targets and _fires(rule, bill, subtotal)
        ]

    return evaluate


def _facts(bill: Bill) -> tuple[int, dict[str, bool]]:
    subtotal, targets = 0, {}
    for product, category, quantity, price in bill.lines:
        subtotal += quantity * price
        targets[product] = targets[category] = True
    return subtotal, targets


def _fires(rule: Rule, bill: Bill, subtotal: int) -> bool:
    return (
        subtotal >= rule.minimum
        and (not rule.stores or bill.store in rule.stores)
        and bill.hour in rule.hours
        and bill.tier in rule.tiers
    )


def _compile(listed: list[Rule]) -> dealwright_engine.Ruleset:
    return dealwright_engine.Ruleset.compile(ruleset(listed).SerializeToString())


def _micros(contenders: Sequence[tuple[Callable[..., object], Sequence[object]]]) -> list[float]:
    """Microseconds a cart for each contender, the rounds in turns."""
    best = [float("inf")] * len(contenders)
    for _ in range(ROUNDS):
        for place, (evaluate, carts) in enumerate(contenders):
            begin = time.perf_counter()
            for cart in carts:
                evaluate(cart)
            best[place] = min(best[place], (time.perf_counter() - begin) / len(carts) * 1e6)
    return best


def _engine(compiled: dealwright_engine.Ruleset) -> Callable[[bytes], bytes]:
    return lambda body: compiled.evaluate(body, 0)


def sizes(counts: Sequence[int], lengths: Sequence[int]) -> None:
    titles = ("promotions", "lines", "engine us", "indexed us", "naive us", "engine/indexed")
    print("".join(f"{title:>15}" for title in titles))
    for count in counts:
        listed = rules(count)
        compiled, index, loop = _compile(listed), indexed(listed), naive(listed)
        for length in lengths:
            case = Case.of(bills(CARTS, length))
            engine, by_index, by_loop = _micros(
                [(_engine(compiled), case.requests), (index, case.bills), (loop, case.bills)]
            )
            times = f"{engine:>15.1f}{by_index:>15.1f}{by_loop:>15.1f}{engine / by_index:>15.2f}"
            print(f"{count:>15}{length:>15}{times}")


def growth() -> None:
    """What more of something costs, each as a ratio in one run."""
    thousand = rules(1000)
    twenty = Case.of(bills(CARTS, 20))
    cold = [replace(rule, id=f"C{place}") for place, rule in enumerate(rules(99_000, target=NO_TARGET))]
    pairs = {
        "100 to 10 000 promotions, 20 lines": (
            (_engine(_compile(rules(100))), twenty.requests),
            (_engine(_compile(rules(10_000))), twenty.requests),
        ),
        "99 000 promotions added that can't match": (
            (_engine(_compile(thousand)), twenty.requests),
            (_engine(_compile(thousand + cold)), twenty.requests),
        ),
        "quantity 1 to 1000 a line": (
            (_engine(_compile(thousand)), Case.of(bills(CARTS, 20, quantity=1)).requests),
            (_engine(_compile(thousand)), Case.of(bills(CARTS, 20, quantity=1000)).requests),
        ),
        "5 to 100 lines, 1000 promotions": (
            (_engine(_compile(thousand)), Case.of(bills(CARTS, 5)).requests),
            (_engine(_compile(thousand)), Case.of(bills(CARTS, 100)).requests),
        ),
    }
    print(f"\n{'growth':<44} {'from us':>8} {'to us':>8} {'ratio':>6}")
    for name, pair in pairs.items():
        less, more = _micros(list(pair))
        print(f"{name:<44} {less:>8.1f} {more:>8.1f} {more / less:>6.2f}")


def loading() -> None:
    """How long compiling takes, and what a compiled promotion weighs."""
    print(f"\n{'promotions':>10} {'load ms':>8} {'bytes each':>11}")
    for count in (1000, 10_000, 100_000):
        body = ruleset(rules(count)).SerializeToString()
        before = _resident()
        begin = time.perf_counter()
        compiled = dealwright_engine.Ruleset.compile(body)
        seconds = time.perf_counter() - begin
        weight = max(_resident() - before, 0) / compiled.promotion_count
        print(f"{count:>10} {seconds * 1e3:>8.1f} {weight:>11.0f}")


def _resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    quick: bool = parser.parse_args().quick
    loading()
    print()
    sizes((10, 100, 1000) if quick else (10, 100, 1000, 10_000), (5, 20) if quick else (5, 20, 100))
    growth()
    return 0


if __name__ == "__main__":
    sys.exit(main())
