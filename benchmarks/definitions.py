"""What people who write promotions wait for: pages of 10 000, and a publication until it prices carts.

A page is timed as gRPC's and HTTP's common use case with its message, and over HTTP with its client, database
included; beside it stands a bare SELECT of the rows that it shows. Each page is taken several times in turns,
and its shortest time counts. A publication can't be taken twice: it counts once, from its commit until a call
over gRPC is answered with it.
"""

from __future__ import annotations

import asyncio
import math
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import grpc.aio
import httpx
import sqlalchemy
from dealwright.v1 import definition_service_pb2 as schema
from dealwright.v1.evaluation_service_pb2 import EvaluateResponse
from dealwright.v1.lifecycle_pb2 import PROMOTION_STATE_ACTIVE, PROMOTION_STATE_DRAFT
from dealwright.v1.promotion_pb2 import Promotion
from dealwright_engine import Ruleset as Compiled
from sqlalchemy import Engine

from admin.api.callers import Callers
from admin.api.server import AdminServer
from benchmarks.catalogue import CATEGORIES, bills, rules
from benchmarks.markdown import table
from benchmarks.messages import request, stacking
from benchmarks.ratios import Measured, Ratio
from server.access.service import Access
from server.access.sessions import Sessions
from server.actors import Actor, Role
from server.answers.service import Answers
from server.db.embedded import EmbeddedPostgres
from server.db.engine import connect
from server.db.migrate import upgrade
from server.definitions.promotions import Promotions
from server.definitions.service import Definitions, Publication
from server.documents import to_value
from server.runtime import logs
from server.runtime.app import Application
from server.runtime.settings import Address, Settings

PROMOTIONS, ACTIVE = 10_000, 1_000
BATCH = 1_000
PAGES, ROUNDS = 50, 5
"""How many pages of each kind, and how often each is taken."""
KIND_SECONDS = 30
"""No further round of a kind begins after it: on a machine that is busy otherwise there are fewer."""
PAGE_SIZE = 50
PUBLICATIONS = 50
ASK_SECONDS = 0.002
"""Between two calls that look for a publication; without a pause they would keep it from being loaded."""

ANSWER_SECONDS = 60
"""How long a page over HTTP is waited for: a machine that is busy with something else may pause for long."""

PAGE_MS_WANTED = 100
PUBLICATION_MS_WANTED = 250
COMPILE_MS_WANTED = 1
"""For one promotion."""

OWNER = Actor("bench", "bench", frozenset({Role.ADMIN}), "benchmark")
LIST = "/dealwright.v1.DefinitionService/ListPromotions"
EVALUATE = "/dealwright.v1.EvaluationService/Evaluate"
SEASONS = ("ramadan", "christmas", "new year", "payday")
ROWS = sqlalchemy.text(
    "SELECT p.*, v.* FROM promotion p JOIN promotion_version v USING (company_id, promotion_id, version)"
    " WHERE p.company_id = 'bench' AND p.promotion_id = ANY(:ids) ORDER BY p.promotion_id"
)


@dataclass(frozen=True)
class Paged:
    """Milliseconds of each page of one kind."""

    kind: str
    pages: list[float]
    over_http: list[float]
    bare: list[float]


@dataclass(frozen=True)
class Figures:
    """What one run found."""

    paged: list[Paged]
    published: list[float]
    """Milliseconds from the commit of each publication until an answer with it."""
    committed: list[float]
    """Milliseconds that publishing itself took."""
    compile_ms: float
    """Of one promotion."""


def tables() -> Iterator[str]:
    figures = _figures()
    rows = [
        (
            paged.kind,
            _percentile(paged.pages, 0.5),
            _percentile(paged.pages, 0.95),
            _percentile(paged.over_http, 0.95),
            _percentile(paged.bare, 0.95),
            _percentile(paged.pages, 0.95) / _percentile(paged.bare, 0.95),
        )
        for paged in figures.paged
    ]
    yield table(("pages of", "p50 ms", "p95 ms", "p95 over HTTP", "p95 of SELECT", "p95 to SELECT"), rows)
    slowest = max(_percentile(paged.over_http, 0.95) for paged in figures.paged)
    yield _promised("The slowest kind of page over HTTP, p95", slowest, PAGE_MS_WANTED)
    p99 = _percentile(figures.published, 0.99)
    yield _promised(f"From publishing to pricing, p99 of {PUBLICATIONS}", p99, PUBLICATION_MS_WANTED)
    median, commit = _percentile(figures.published, 0.5), _percentile(figures.committed, 0.5)
    yield f"Its median: {median:.1f} ms, after the {commit:.1f} ms that publishing takes.\n"
    yield _promised("Compiling one promotion of the active ones", figures.compile_ms, COMPILE_MS_WANTED)


def _promised(what: str, milliseconds: float, wanted: float) -> str:
    reached = "reached" if milliseconds <= wanted else "not reached"
    return f"{what}: {milliseconds:.3g} ms, at most {wanted} wanted, {reached}.\n"


def _percentile(times: Sequence[float], share: float) -> float:
    return sorted(times)[math.ceil(share * len(times)) - 1]


@cache
def _figures() -> Figures:
    return asyncio.run(_measured())


async def _measured() -> Figures:
    logs.configure(level="error")
    async with _serving() as (engine, application, api):
        paged = []
        for kind, queries in _kinds().items():
            _progress(f"pages of {kind}")
            paged.append(await _page(kind, queries, engine, application, api))
        _progress(f"{PUBLICATIONS} publications")
        published, committed = await _publish(engine, application)
        ruleset = Definitions(engine).ruleset("bench").SerializeToString()
    begin = time.perf_counter()
    compiled = Compiled.compile(ruleset)
    seconds = time.perf_counter() - begin
    return Figures(paged, published, committed, seconds * 1e3 / compiled.promotion_count)


@asynccontextmanager
async def _serving() -> AsyncIterator[tuple[Engine, Application, httpx.AsyncClient]]:
    """The service and the API over a database with the promotions."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder)) as embedded:
        engine = connect(embedded.url())
        upgrade(engine)
        _progress(f"{PROMOTIONS} promotions are put into a database")
        _stock(engine)
        any_port = Address("127.0.0.1", 0)
        settings = Settings(grpc_address=any_port, metrics_address=any_port, admin_address=any_port)
        application = Application(settings, engine)
        api = AdminServer(
            settings,
            application.methods,
            Callers(application.grants, Sessions(engine)),
            Answers(engine),
            application.metrics,
        )
        token = Access(engine).create(OWNER, "bench", [Role.VIEWER])
        await application.start()
        await api.start()
        headers = {"authorization": f"Bearer {token}"}
        base_url = f"http://{api.address}"
        async with httpx.AsyncClient(base_url=base_url, headers=headers, timeout=ANSWER_SECONDS) as client:
            yield engine, application, client
        await api.stop()
        await application.stop()
        engine.dispose()


def _stock(engine: Engine) -> None:
    """Some promotions in force, and drafts."""
    chance = random.Random(7)
    promotions = []
    for rule in rules(PROMOTIONS):
        promotion = stacking(rule)
        promotion.name[0].text = f"{rule.target} {'percent' if rule.percent else 'amount'} {rule.value} off"
        promotion.labels.add(name="season", text=chance.choice(SEASONS))
        promotions.append(promotion)
    Definitions(engine).publish("bench", Publication(promotions[:ACTIVE]))
    for begin in range(ACTIVE, PROMOTIONS, BATCH):
        Promotions(engine).apply(OWNER, promotions[begin : begin + BATCH])
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # As the database does by itself a minute after such an import.
        connection.execute(sqlalchemy.text("ANALYZE"))


def _progress(step: str) -> None:
    """Says what comes next, since the whole takes minutes."""
    print(f"  {step}", file=sys.stderr, flush=True)


def _kinds() -> dict[str, list[schema.ListPromotionsRequest]]:
    """Pages of each kind, each of them another one as far as there are so many."""
    chance = random.Random(11)
    ids = [rule.id for rule in rules(PROMOTIONS)]

    def pages(**fields: Any) -> list[schema.ListPromotionsRequest]:
        after = [chance.choice(ids) for _ in range(PAGES)]
        return [schema.ListPromotionsRequest(page_token=token, **fields) for token in after]

    season = schema.ListPromotionsRequest().labels.add(name="season", text=SEASONS[0])
    return {
        "all": pages(),
        "the active ones": pages(states=[PROMOTION_STATE_ACTIVE]),
        "drafts of a type": pages(states=[PROMOTION_STATE_DRAFT], types=["percent_discount"]),
        "a label": pages(labels=[season]),
        "nothing that there is": pages(types=["combo"]),
        "a rare word": [
            schema.ListPromotionsRequest(search=f"cat-{number % CATEGORIES}") for number in range(PAGES)
        ],
        "a frequent beginning": pages(search="per"),
        "two words, active": pages(search="amount off", states=[PROMOTION_STATE_ACTIVE]),
        "words that nothing has": pages(search="percent amount"),
    }


async def _page(
    kind: str,
    queries: Sequence[schema.ListPromotionsRequest],
    engine: Engine,
    application: Application,
    api: httpx.AsyncClient,
) -> Paged:
    """Each page in turns: as the use case, over HTTP, and the same rows alone."""
    use_case = application.methods[LIST]
    taken: list[list[tuple[float, float, float]]] = [[] for _ in queries]
    end = time.perf_counter() + KIND_SECONDS
    for turn in range(ROUNDS):
        if turn > 0 and time.perf_counter() > end:
            break
        for number, query in enumerate(queries):
            begin = time.perf_counter()
            listed: Any = use_case(OWNER, query)
            listed.SerializeToString()
            paged = time.perf_counter()
            answer = await api.get("/api/v1/promotions", params=_parameters(query))
            over_http = time.perf_counter()
            answer.raise_for_status()

            ids = [record.promotion.id for record in listed.records]
            selecting = time.perf_counter()
            with engine.connect() as connection:
                rows = connection.execute(ROWS, {"ids": ids}).all()
            bare = time.perf_counter() - selecting
            assert len(rows) == len(ids) <= PAGE_SIZE  # noqa: S101 - other rows would mean nothing
            taken[number].append((paged - begin, over_http - paged, bare))
    shortest = [[min(times) * 1e3 for times in zip(*turns, strict=True)] for turns in taken]
    pages, over_http_ms, bare_ms = (list(times) for times in zip(*shortest, strict=True))
    return Paged(kind, pages, over_http_ms, bare_ms)


def _parameters(query: schema.ListPromotionsRequest) -> dict[str, Any]:
    value = to_value(query)
    labels = value.pop("labels", None)
    return {**value, **({} if labels is None else {"labels": str(labels).replace("'", '"')})}


async def _publish(engine: Engine, application: Application) -> tuple[list[float], list[float]]:
    """Publications one after another, each of one promotion that is in force."""
    definitions = Definitions(engine)
    body = request(bills(1, 20)[0]).SerializeToString()
    published, committed = [], []
    async with grpc.aio.insecure_channel(str(application.grpc_address)) as channel:
        evaluate: Any = channel.unary_unary(EVALUATE)
        for number, rule in enumerate(rules(ACTIVE)[:PUBLICATIONS]):
            changed: Promotion = stacking(replace(rule, minimum=rule.minimum + number + 1))
            begin = time.perf_counter()
            done = await asyncio.to_thread(definitions.publish, "bench", Publication([changed]))
            commit = time.perf_counter()
            committed.append((commit - begin) * 1e3)
            while EvaluateResponse.FromString(await evaluate(body)).result.revision < done.revision:
                await asyncio.sleep(ASK_SECONDS)
            published.append((time.perf_counter() - commit) * 1e3)
    return published, committed


def _pages_beside_select() -> Measured:
    paged = _figures().paged[0]
    return Measured(_percentile(paged.pages, 0.5) * 1e3, _percentile(paged.bare, 0.5) * 1e3)


RATIOS = (Ratio("a page of 10 000 promotions to a SELECT of its rows", _pages_beside_select),)
