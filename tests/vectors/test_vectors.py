"""Every vector through every door: the engine, the reference, the gRPC service and the command line."""

import hashlib
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import grpc.aio
import pytest
import pytest_asyncio
from dealwright import Till
from dealwright.till.limits import limited
from dealwright.v1.diagnostic_pb2 import Diagnostics
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest, EvaluateResponse
from dealwright.v1.result_pb2 import Result
from dealwright_engine import InvalidRequest, Ruleset
from typer.testing import CliRunner

from admin.cli.main import app
from server.db.engine import connect
from server.definitions.service import Definitions
from server.documents import to_value
from server.evaluation import rpc
from server.evaluation.aftersale import AfterSale
from server.evaluation.limits import RulesetLimits
from server.evaluation.revisions import Revisions
from server.evaluation.service import Active, Evaluation, RulesetHolder
from server.runtime.intake import PRICING_MAX, Intake, Room
from server.runtime.metrics import Metrics
from server.runtime.observation import ObservedServer
from tests.client.bundles import Signatory
from tests.client.disks import Disk
from tests.differential.cases import Case
from tests.differential.comparison import difference
from tests.evaluation.requests import EVALUATE, call, details
from tests.reference.answer import evaluate
from tests.structure.tree import ROOT
from tests.vectors.aftersale import read_comparisons, read_refunds
from tests.vectors.vectors import Vector, lacking, read_vectors

VECTORS = read_vectors()
ANSWERED = [vector for vector in VECTORS if "refused" not in vector.expect]
REFUSED = [vector for vector in VECTORS if "refused" in vector.expect]
# What no single result shows.
WITHOUT_VECTOR = {"S-1.2", "S-10.4", "S-10.7"}
# The reference tries every plan, so its search never ends at a budget, and it gives no advice.
BOUNDED = [vector for vector in ANSWERED if vector.expect.get("proof") == "BOUNDED"]
DECIDED = [vector for vector in ANSWERED if vector not in BOUNDED]
ADVICE = ("near_misses", "suggestions")


@dataclass
class Server:
    """The gRPC service around one ruleset after the other, without a database."""

    channel: grpc.aio.Channel
    holder: RulesetHolder

    async def evaluate(self, vector: Vector) -> bytes:
        self.holder.active = Active(
            vector.ruleset.company_id,
            vector.ruleset.revision,
            compiled(vector),
            RulesetLimits.of(vector.ruleset),
        )
        return await call(self.channel, EVALUATE, vector.request.SerializeToString())


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    metrics = Metrics()
    # Its ruleset is set by hand, so the definitions are never asked and nothing connects.
    definitions = Definitions(connect("postgresql+psycopg://127.0.0.1/none"))
    holder = RulesetHolder(definitions, metrics, None)
    listening = grpc.aio.server()
    after_sale = AfterSale(Revisions(holder, definitions, metrics), metrics)
    room = Room(Intake(), "pricing", PRICING_MAX, metrics)
    rpc.register(ObservedServer(listening, metrics), Evaluation(holder, metrics), after_sale, room)
    port = listening.add_insecure_port("127.0.0.1:0")
    await listening.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Server(channel, holder)
    await listening.stop(None)


def compiled(vector: Vector) -> Ruleset:
    return Ruleset.compile(vector.ruleset.SerializeToString(deterministic=True))


def engine_answer(vector: Vector) -> bytes:
    return compiled(vector).evaluate(vector.request.SerializeToString(), 0)


@pytest.mark.parametrize("vector", ANSWERED, ids=str)
def test_the_engine_gives_what_is_expected(vector: Vector) -> None:
    answer = engine_answer(vector)

    assert lacking(vector.expect, EvaluateResponse.FromString(answer).result) == []
    assert answer == engine_answer(vector)


@pytest.mark.parametrize("vector", ANSWERED, ids=str)
def test_an_answer_is_written_as_any_encoder_would(vector: Vector) -> None:
    answer = engine_answer(vector)

    assert EvaluateResponse.FromString(answer).SerializeToString(deterministic=True) == answer


@pytest.mark.parametrize("vector", DECIDED, ids=str)
def test_the_reference_gives_what_is_expected(vector: Vector) -> None:
    expected = {name: value for name, value in vector.expect.items() if name not in ADVICE}

    assert lacking(expected, evaluate(vector.ruleset, vector.request)) == []


@pytest.mark.parametrize("vector", BOUNDED, ids=str)
def test_no_plan_beats_one_of_a_search_that_ended_by_more_than_its_gap(vector: Vector) -> None:
    found = EvaluateResponse.FromString(engine_answer(vector)).result.selection
    best = evaluate(vector.ruleset, vector.request).selection

    assert found.benefit_minor <= best.benefit_minor <= found.benefit_minor + found.gap_minor


@pytest.mark.parametrize("vector", DECIDED, ids=str)
def test_engine_and_reference_agree_on_the_rest(vector: Vector) -> None:
    case = Case(vector.ruleset, vector.request, explain=False)

    assert difference(case) is None


@pytest.mark.parametrize("vector", ANSWERED, ids=str)
async def test_the_service_gives_the_engines_bytes(vector: Vector, server: Server) -> None:
    assert await server.evaluate(vector) == engine_answer(vector)


@pytest.mark.parametrize("vector", ANSWERED, ids=str)
def test_a_till_without_a_network_gives_the_engines_bytes(vector: Vector) -> None:
    signatory = Signatory()
    with Till("", "till-1", signatory.root_key, storage=Disk()) as till:
        till.offer(signatory.bundle(vector.ruleset))
        answer = till.evaluate_bytes(vector.request.SerializeToString())

    assert answer == engine_answer(without_leases(vector))


def without_leases(vector: Vector) -> Vector:
    """What a till is asked that never reached a server: it has no lease of any promotion with limits."""
    request = EvaluateRequest()
    request.CopyFrom(vector.request)
    for promotion_id, limits in limited(vector.ruleset.promotions).items():
        if limits.concern(request.cart.currency_code):
            request.limit_state.promotions.add(promotion_id=promotion_id, leased_uses_left=0)
    return replace(vector, request=request)


@pytest.mark.parametrize("vector", ANSWERED, ids=str)
def test_the_command_line_gives_the_engines_result(vector: Vector) -> None:
    code, answer = run_batch(vector)

    assert code == 0
    assert answer == to_value(EvaluateResponse.FromString(engine_answer(vector)).result)


@pytest.mark.parametrize("vector", ANSWERED, ids=str)
def test_the_result_names_its_own_hash(vector: Vector) -> None:
    result = EvaluateResponse.FromString(engine_answer(vector)).result
    unhashed = Result()
    unhashed.CopyFrom(result)
    unhashed.ClearField("result_hash")

    assert result.result_hash == hashlib.sha256(unhashed.SerializeToString(deterministic=True)).digest()


@pytest.mark.parametrize("vector", REFUSED, ids=str)
async def test_a_request_is_refused_at_every_door(vector: Vector, server: Server) -> None:
    expected = vector.expect["refused"]

    with pytest.raises(InvalidRequest) as refusal:
        engine_answer(vector)
    found = Diagnostics.FromString(refusal.value.diagnostics).diagnostics
    assert {"code": found[0].code, "field": found[0].field} == expected

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await server.evaluate(vector)
    info, violations = details(refused.value)
    assert (info.reason.lower(), violations.field_violations[0].field) == tuple(expected.values())

    code, answer = run_batch(vector)
    assert code == 1
    assert expected.items() <= answer["error"]["findings"][0].items()


def test_every_rule_in_force_has_a_vector() -> None:
    page = (ROOT / "docs" / "semantics.md").read_text()
    rules = set(re.findall(r"^\*\*(S-\d+\.\d+)\*\*", page, re.MULTILINE))

    shown = {vector.rule for vector in VECTORS}
    shown |= {vector.rule for vector in read_refunds()} | {vector.rule for vector in read_comparisons()}
    assert rules - shown == WITHOUT_VECTOR


def run_batch(vector: Vector) -> tuple[int, dict[str, Any]]:
    ruleset = to_value(vector.ruleset)
    ruleset.pop("revision", None)
    request = to_value(vector.request)
    request["at"] = request.pop("evaluate_time")
    done = CliRunner().invoke(app, ["evaluate", "--batch"], input=json.dumps({**ruleset, **request}))
    answer: dict[str, Any] = json.loads(done.stdout)
    return done.exit_code, answer
