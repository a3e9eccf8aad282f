"""dealwright promotions cost: which promotions make pricing slow, on carts of the company or of files."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import dealwright_engine
import typer
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest
from dealwright.v1.redemption_service_pb2 import GetRedemptionRequest, ListRedemptionsRequest
from dealwright.v1.ruleset_pb2 import Ruleset

from admin.cli import offline
from admin.cli.acting import acting
from admin.cli.local import CompanyOption
from admin.cli.offline import AtOption, PromotionsOption
from admin.cli.output import EXIT_CODES, JsonOption, emit, emit_json, say, visible
from admin.cli.process import plain_failures
from server.access.rules import CHECK_SERVICE, REDEMPTION_SERVICE
from server.actors import Actor
from server.definitions.analysis.costs import Cost, Costs, Effort, Progress, measure
from server.definitions.checking import Checks
from server.definitions.checks.gate import read_cart as read_test_cart
from server.definitions.checks.test_carts import request_of
from server.definitions.service import Definitions
from server.documents import CartDocument, read_cart, read_definitions
from server.redemption.records import PAGE_SIZE_MAX, Records

PROGRESS_SECONDS = 2.0
"""How often is said how far it is."""

ROUNDS, SECONDS = 20, 60.0

WIDTHS = (12, 7, 10, 11, 11, 11, 9)
"""Of the columns with numbers."""

NO_CARTS = "there are no carts to price: give --cart FILE or --redemptions NUMBER, or keep some test carts"


@dataclass(frozen=True, slots=True)
class Sample:
    """What is measured: a ruleset on carts."""

    ruleset: Ruleset
    requests: Sequence[EvaluateRequest]


def register(group: typer.Typer) -> None:
    """Adds the command to a group."""
    group.command("cost", epilog=EXIT_CODES)(cost)


def cost(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID...", help="Only of these. Default: of all.")
    ] = None,
    promotions: PromotionsOption = None,
    carts: Annotated[
        list[Path] | None,
        typer.Option(
            "--cart",
            "-c",
            metavar="FILE",
            help="A cart or an EvaluateRequest, instead of test carts. May be repeated.",
        ),
    ] = None,
    redemptions: Annotated[
        int,
        typer.Option(
            min=0, max=PAGE_SIZE_MAX, help="Take the carts of so many newest redemptions, not the test carts."
        ),
    ] = 0,
    revision: Annotated[
        int | None, typer.Option(min=1, metavar="NUMBER", help="Which revision. Default: the last one.")
    ] = None,
    at: AtOption = None,
    rounds: Annotated[
        int, typer.Option(min=1, max=10_000, help="How often each cart is priced for each promotion.")
    ] = ROUNDS,
    seconds: Annotated[float, typer.Option(min=1, max=86_400, help="How long to measure at most.")] = SECONDS,
    company: CompanyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what each promotion costs: what carts take to be priced with it beyond what they take without it.

    The carts are the company's test carts, or those of the options. Definitions come from the database,
    or from files with --promotions, which may hold test carts too. It runs beside the servers: nothing is
    measured in them.
    """
    if promotions and (redemptions or revision is not None or company is not None):
        raise typer.BadParameter(
            "goes without --redemptions, --revision and --company", param_hint="--promotions"
        )
    moment = offline.instant(at)
    with plain_failures():
        documents = [read_cart(path) for path in carts or ()]
        if promotions:
            sample = _of_files(promotions, documents)
        else:
            sample = _of_company(company, revision, redemptions, documents)
        _require_promotions(sample.ruleset, ids or ())
        if not sample.requests:
            raise typer.BadParameter(NO_CARTS)
        if moment is not None:
            for request in sample.requests:
                request.evaluate_time.CopyFrom(moment)
        effort = Effort(rounds, seconds)
        found = measure(
            sample.ruleset, sample.requests, effort, promotion_ids=ids or (), progress=_telling_progress()
        )
    if as_json:
        emit_json(_value(found))
    else:
        for line in _lines(found):
            emit(visible(line))
    if found.unmeasured:
        say(f"{len(found.unmeasured)} promotions weren't measured within {seconds:g} s: give more --seconds.")


def _of_files(promotions: Sequence[Path], documents: Sequence[CartDocument]) -> Sample:
    """Definitions of files, on carts of files; without any, on the test carts among the definitions."""
    definitions = read_definitions(promotions)
    compiled = offline.compiled_definitions(definitions)
    requests = _priceable(compiled, documents) or [request_of(cart) for cart in definitions.carts]
    return Sample(definitions.ruleset(), requests)


def _of_company(
    company: str | None, revision: int | None, redemptions: int, documents: Sequence[CartDocument]
) -> Sample:
    """A revision of a company, on carts of files or of redemptions; without either, on its test carts."""
    reading = [f"{REDEMPTION_SERVICE}/{name}" for name in ("ListRedemptions", "GetRedemption")]
    methods = ["RunTestCarts", *(reading if redemptions else [])]
    with acting(*methods, company=company, service=CHECK_SERVICE) as (engine, actor):
        ruleset = Definitions(engine).ruleset(actor.company_id, revision)
        requests = _redeemed(Records(engine), actor, redemptions) if redemptions else []
        if not redemptions and not documents:
            requests = [request_of(read_test_cart(stored)) for stored in Checks(engine).page(actor)]
    compiled = dealwright_engine.Ruleset.compile(ruleset.SerializeToString())
    return Sample(ruleset, [*_priceable(compiled, documents), *requests])


def _redeemed(records: Records, actor: Actor, count: int) -> list[EvaluateRequest]:
    """The requests of the newest redemptions, as they were priced."""
    found = records.page(actor, ListRedemptionsRequest(page_size=count)).redemptions
    asked = (GetRedemptionRequest(redemption_id=redemption.redemption_id) for redemption in found)
    return [records.get(actor, request).sale.request for request in asked]


def _priceable(
    compiled: dealwright_engine.Ruleset, documents: Sequence[CartDocument]
) -> list[EvaluateRequest]:
    """The requests of files, or the end of the command with what is wrong with one."""
    for document in documents:
        offline.evaluate(compiled, document)
    return [document.request for document in documents]


def _require_promotions(ruleset: Ruleset, ids: Sequence[str]) -> None:
    known = {promotion.id for promotion in ruleset.promotions}
    if not known:
        raise typer.BadParameter(f"there is no promotion in revision {ruleset.revision}")
    unknown = sorted({*ids} - known)
    if unknown:
        raise typer.BadParameter(f"no such promotion there: {', '.join(unknown)}", param_hint="ID")


def _telling_progress() -> Progress:
    """Says how far it is, every few seconds."""
    said = time.monotonic()

    def tell(done: int, count: int) -> None:
        nonlocal said
        if time.monotonic() - said >= PROGRESS_SECONDS:
            said = time.monotonic()
            say(f"{done} of {count} promotions")

    return tell


def _value(found: Costs) -> dict[str, Any]:
    costs = [asdict(each) | {"told_nanos": each.told_nanos} for each in found.costs]
    return asdict(found) | {"costs": costs}


def _lines(found: Costs) -> Iterator[str]:
    """The table: means of an evaluation, the dearest first; what says nothing is counted at the end."""
    yield f"Revision {found.revision}, {found.promotions} promotions; {found.carts} carts"
    if found.unproven:
        yield f"The search ends at its budget in {found.unproven} of the carts (policy.search_nodes_max)."
    yield ""
    yield _row("us", "share", "noise", "nodes", "candidate", "competing", "applied", "promotion")
    everything = (_micros(found.nanos, found), "100 %", f"{found.noise_ppm / 10_000:.1f} %")
    yield _row(*everything, _nodes(found.nodes, found), "", "", "", "(all together)")
    shown = [each for each in found.costs if each.told_nanos or each.nodes]
    yield from (_line(each, found) for each in shown)
    yield ""
    hidden = len(found.costs) - len(shown)
    if hidden:
        yield f"{hidden} promotions cost less than the noise, and no nodes."
    if found.idle:
        yield f"{len(found.idle)} promotions are a candidate of no cart, and cost it nothing."
    yield "Microseconds and nodes are means of an evaluation; what promotions cost doesn't add up to all."


def _line(each: Cost, found: Costs) -> str:
    told = each.told_nanos
    return _row(
        _micros(told, found) if told else "-",
        f"{told * 100 / found.nanos:.0f} %" if told else "-",
        _micros(each.noise_nanos, found),
        _nodes(each.nodes, found),
        str(each.candidate),
        str(each.competing),
        str(each.applied),
        each.promotion_id,
    )


def _row(*cells: str) -> str:
    *numbers, name = cells
    return "".join(f"{cell:>{width}}" for cell, width in zip(numbers, WIDTHS, strict=True)) + f"  {name}"


def _micros(nanos: int, found: Costs) -> str:
    return f"{nanos / found.carts / 1000:,.2f}"


def _nodes(nodes: int, found: Costs) -> str:
    return f"{nodes / found.carts:,.1f}"
