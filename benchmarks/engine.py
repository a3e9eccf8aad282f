"""What an evaluation costs, from bytes to bytes, called from Python.

Beside it stand the loops that a shop would write itself. They match promotions and compute amounts on objects
that lie ready; the engine also decodes, searches the best plan, allocates to units, gives verdicts on all
candidates, hashes and encodes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dealwright.v1.evaluation_service_pb2 import (
    VERDICT_SCOPE_CANDIDATES,
    VERDICT_SCOPE_NONE,
    EvaluateOptions,
    EvaluateResponse,
    ExplainRequest,
)
from dealwright.v1.result_pb2 import PROOF_PROVEN

from benchmarks.catalogue import bills, rules, rules_of_no_cart
from benchmarks.loops import indexed, naive
from benchmarks.markdown import Cell, table
from benchmarks.messages import (
    Definition,
    compiled,
    evaluating,
    one_of_all,
    request,
    requests,
    sets,
    stacking,
)
from benchmarks.ratios import Measured, Ratio, of_medians
from benchmarks.timing import ROUNDS_MIN, Calls, Times, measure

COUNTS = (10, 100, 1000, 10_000, 100_000)
LENGTHS = (5, 20, 100, 500)
QUANTITIES = (1, 10, 100, 1000, 6000)
CATALOGUES: dict[str, Definition] = {"one in an order": one_of_all, "stacking": stacking, "sets": sets}

CARTS, CARTS_MIN = 64, 5
LIKE_CARTS = 400
"""Different carts of one shape, for the 99th percentile."""
CELL_SECONDS = 4.0
"""How long one row is measured; rows with dear carts have fewer of them."""


SEARCH = ("search nodes", "most nodes", "proven")


def tables() -> Iterator[str]:
    yield from sizes()
    yield from quantities()
    yield from catalogues()
    yield from answers()


def sizes() -> Iterator[str]:
    """Promotions by lines, beside the loops."""
    rows: list[Sequence[Cell]] = []
    left_out: list[Sequence[Cell]] = []
    for count in COUNTS:
        for lines in LENGTHS:
            contenders = _contenders(count, lines, 1)
            dearest = _seconds_of(contenders)
            carts = min(CARTS, int(CELL_SECONDS / ROUNDS_MIN / dearest))
            if carts < CARTS_MIN:
                left_out.append((count, lines, dearest))
                continue
            engine, by_index, by_loop = measure(_contenders(count, lines, carts), CELL_SECONDS)
            beside = (by_index.p50, by_loop.p50, engine.p50 / by_index.p50)
            rows.append((count, lines, carts, engine.p50, _p99(engine), *beside))
    titles = (
        "promotions",
        "lines",
        "carts",
        "engine us",
        "p99",
        "indexed us",
        "naive us",
        "engine / indexed",
    )
    yield table(titles, rows)
    if left_out:
        yield f"Left out, since {CARTS_MIN} carts would take longer than {CELL_SECONDS:.0f} s:\n"
        yield table(("promotions", "lines", "seconds for a cart"), left_out)


def _contenders(count: int, lines: int, carts: int) -> list[Calls]:
    listed, as_peers_have_them = rules(count), bills(carts, lines)
    return [
        evaluating(listed, requests(carts, lines)),
        Calls(indexed(listed), as_peers_have_them),
        Calls(naive(listed), as_peers_have_them),
    ]


def _seconds_of(contenders: Sequence[Calls]) -> float:
    """How long a round takes; the first is for warming up."""
    rounds = [sum(map(sum, (contender.round() for contender in contenders))) for _ in range(2)]
    return rounds[-1] / 1e6


def _p99(times: Times) -> Cell:
    return times.p99 if times.has_p99 else ""


def quantities() -> Iterator[str]:
    """The same lines with more units."""
    rows = []
    for name in ("one in an order", "sets"):
        carts = [requests(CARTS, 20, quantity=units) for units in QUANTITIES]
        contenders = [evaluating(rules(1000), each, CATALOGUES[name]) for each in carts]
        times = measure(contenders, CELL_SECONDS * 2)
        rows += [
            (name, units, each.p50, each.p99, *_search(CATALOGUES[name], asked))
            for units, each, asked in zip(QUANTITIES, times, carts, strict=True)
        ]
    yield "1 000 promotions, 20 lines:\n"
    yield table(("catalogue", "units of a line", "engine us", "p99", *SEARCH), rows)


def catalogues() -> Iterator[str]:
    """What promotions that live with each other, and sets of units, cost more."""
    carts = requests(CARTS, 20)
    times = measure(
        [evaluating(rules(1000), carts, define) for define in CATALOGUES.values()], CELL_SECONDS * 2
    )
    rows = [
        (name, each.p50, each.p99, *_search(define, carts))
        for (name, define), each in zip(CATALOGUES.items(), times, strict=True)
    ]
    yield "1 000 promotions, 20 lines of one to three units:\n"
    yield table(("catalogue", "engine us", "p99", *SEARCH), rows)


def _search(define: Definition, carts: Sequence[bytes]) -> tuple[int, int, str]:
    """What the search for the best plan did."""
    ruleset = compiled(rules(1000), define)
    selections = [EvaluateResponse.FromString(ruleset.evaluate(cart, 0)).result.selection for cart in carts]
    nodes = sorted(selection.nodes for selection in selections)
    proven = sum(selection.proof == PROOF_PROVEN for selection in selections)
    return nodes[len(nodes) // 2], nodes[-1], f"{proven} of {len(carts)}"


def answers() -> Iterator[str]:
    """What is asked for beside the price."""
    names = ("no verdicts", "verdicts", "verdicts and texts", "Explain, no near misses", "Explain")
    times = measure([_answer(name) for name in names], CELL_SECONDS * 2)
    rows = [
        (name, each.p50, each.p99, each.p50 / times[0].p50) for name, each in zip(names, times, strict=True)
    ]
    yield "1 000 promotions, 20 lines; verdicts are those on candidates, in Explain on every promotion:\n"
    yield table(("asked for", "engine us", "p99", "to no verdicts"), rows)


def _answer(name: str) -> Calls:
    if name == "Explain":
        return _explaining(ExplainRequest(language="en"))
    if name == "Explain, no near misses":
        return _explaining(ExplainRequest(language="en", near_misses_max=0, suggestions_max=0))
    options = {
        "no verdicts": EvaluateOptions(verdicts=VERDICT_SCOPE_NONE),
        "verdicts": EvaluateOptions(verdicts=VERDICT_SCOPE_CANDIDATES),
        "verdicts and texts": EvaluateOptions(verdicts=VERDICT_SCOPE_CANDIDATES, language="en"),
    }
    return evaluating(rules(1000), requests(CARTS, 20, options=options[name]))


def _explaining(asked: ExplainRequest) -> Calls:
    ruleset, carts = compiled(rules(1000)), []
    for each in map(request, bills(CARTS, 20)):
        asked.cart.CopyFrom(each.cart)
        asked.evaluate_time.CopyFrom(each.evaluate_time)
        carts.append(asked.SerializeToString())
    return Calls(lambda body: ruleset.explain(body, 0), carts)


def _engine(
    count: int, lines: int, *, quantity: int | None = None, define: Definition = one_of_all, cold: int = 0
) -> Calls:
    return evaluating(
        rules(count) + rules_of_no_cart(cold), requests(CARTS, lines, quantity=quantity), define
    )


def _p99_beside_median() -> Measured:
    (times,) = measure([evaluating(rules(1000), requests(LIKE_CARTS, 20))], CELL_SECONDS)
    return Measured(times.p99, times.p50)


RATIOS = (
    Ratio(
        "100 to 10 000 promotions, 20 lines",
        of_medians(lambda: _engine(10_000, 20), lambda: _engine(100, 20)),
        wanted=10,
    ),
    Ratio(
        "99 000 promotions added that can't match",
        of_medians(lambda: _engine(1000, 20, cold=99_000), lambda: _engine(1000, 20)),
        wanted=1.3,
    ),
    Ratio(
        "quantity 1 to 1 000 a line",
        of_medians(lambda: _engine(1000, 20, quantity=1000), lambda: _engine(1000, 20, quantity=1)),
        wanted=1.1,
    ),
    Ratio(
        "quantity 10 to 6 000 a line, sets",
        of_medians(
            lambda: _engine(1000, 20, quantity=6000, define=sets),
            lambda: _engine(1000, 20, quantity=10, define=sets),
        ),
        wanted=1.1,
    ),
    Ratio(
        "5 to 100 lines, 1 000 promotions",
        of_medians(lambda: _engine(1000, 100), lambda: _engine(1000, 5)),
        wanted=30,
    ),
    Ratio("p99 to median of like carts", _p99_beside_median, wanted=3),
    Ratio(
        "no verdicts to verdicts",
        of_medians(lambda: _answer("no verdicts"), lambda: _answer("verdicts")),
        wanted=1,
    ),
    Ratio(
        "texts to no verdicts",
        of_medians(lambda: _answer("verdicts and texts"), lambda: _answer("no verdicts")),
    ),
    Ratio("Explain to no verdicts", of_medians(lambda: _answer("Explain"), lambda: _answer("no verdicts"))),
)
