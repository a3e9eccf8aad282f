"""Vectors of refunds and comparisons through every door: engine, reference, gRPC service and command line."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
import pytest_asyncio
from dealwright.v1.diagnostic_pb2 import Diagnostics
from dealwright.v1.evaluation_service_pb2 import (
    CompareResponse,
    EvaluateResponse,
    RefundRequest,
    RefundResponse,
    ReplayRequest,
)
from dealwright.v1.refund_pb2 import ReturnPolicy
from dealwright_engine import InvalidRequest
from typer.testing import CliRunner, Result

from admin.cli.main import app
from server.definitions.service import Definitions, Publication
from server.documents import to_json, to_value
from server.runtime.app import Application
from tests.differential.test_comparisons import without_texts
from tests.differential.test_refunds import comparable
from tests.evaluation.requests import COMPARE, EVALUATE, REFUND, REPLAY, call, details
from tests.reference.comparison import compare
from tests.reference.refund import refund
from tests.vectors.aftersale import (
    ComparisonVector,
    RefundVector,
    compiled,
    lacking_in_comparison,
    lacking_in_refund,
    read_comparisons,
    read_refunds,
)

REFUNDS = read_refunds()
ANSWERED = [vector for vector in REFUNDS if "refused" not in vector.expect]
REFUSED = [vector for vector in REFUNDS if "refused" in vector.expect]
COMPARISONS = read_comparisons()


def engine_refund(vector: RefundVector) -> bytes:
    return compiled(vector.ruleset).refund(vector.request.SerializeToString())


def engine_comparison(vector: ComparisonVector) -> bytes:
    before, after = compiled(vector.before), compiled(vector.after)
    return before.compare(after, vector.asked().SerializeToString(), 0)


@pytest.mark.parametrize("vector", ANSWERED, ids=str)
def test_the_engine_refunds_what_is_expected(vector: RefundVector) -> None:
    answer = engine_refund(vector)

    assert lacking_in_refund(vector.expect, RefundResponse.FromString(answer)) == []
    assert answer == engine_refund(vector)


@pytest.mark.parametrize("vector", ANSWERED, ids=str)
def test_the_reference_refunds_the_same(vector: RefundVector) -> None:
    answer = refund(vector.ruleset, vector.request)

    assert lacking_in_refund(vector.expect, answer) == []
    assert comparable(answer) == comparable(RefundResponse.FromString(engine_refund(vector)))


@pytest.mark.parametrize("vector", ANSWERED, ids=str)
def test_the_command_line_refunds_the_same(vector: RefundVector, tmp_path: Path) -> None:
    done = run_refund(vector, tmp_path)

    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout) == to_value(RefundResponse.FromString(engine_refund(vector)))


@pytest.mark.parametrize("vector", COMPARISONS, ids=str)
def test_the_engine_tells_the_difference(vector: ComparisonVector) -> None:
    answer = engine_comparison(vector)

    assert lacking_in_comparison(vector.expect, CompareResponse.FromString(answer)) == []
    assert answer == engine_comparison(vector)


@pytest.mark.parametrize("vector", COMPARISONS, ids=str)
def test_the_reference_tells_the_same_difference(vector: ComparisonVector) -> None:
    engine = CompareResponse.FromString(engine_comparison(vector)).comparison

    assert without_texts(engine) == compare(vector.before, vector.after, vector.request)


@pytest.mark.parametrize("vector", COMPARISONS, ids=str)
def test_the_command_line_tells_the_same_difference(vector: ComparisonVector, tmp_path: Path) -> None:
    for name, ruleset in (("before", vector.before), ("after", vector.after)):
        (tmp_path / f"{name}.json").write_text(to_json(ruleset))
    (tmp_path / "cart.json").write_text(to_json(vector.request))
    arguments = [f"--{name}={tmp_path / name}.json" for name in ("before", "after", "cart")]
    language = vector.request.options.language or "en"
    done = CliRunner().invoke(app, ["compare", *arguments, "--language", language, "--json"])

    told = CompareResponse.FromString(engine_comparison(vector))
    if vector.request.options.language:
        assert json.loads(done.stdout) == to_value(told)
    else:
        assert json.loads(done.stdout)["before"]["totals"] == to_value(told.before.totals)
    assert done.exit_code == 0


@dataclass
class Server:
    """The service with both revisions of a vector in its database, the later one in force."""

    channel: grpc.aio.Channel
    definitions: Definitions
    application: Application

    async def publish(self, *rulesets: Any) -> None:
        for ruleset in rulesets:
            publication = Publication(
                ruleset.promotions, settings=ruleset, complete=True, accept_sizes="a vector"
            )
            self.definitions.publish("vectors", publication)
        await self.application.holder.refresh()


@pytest_asyncio.fixture
async def server(
    application: Application, channel: grpc.aio.Channel, definitions: Definitions
) -> AsyncIterator[Server]:
    yield Server(channel, definitions, application)


@pytest.mark.parametrize("vector", COMPARISONS, ids=str)
async def test_the_service_tells_the_engines_difference(vector: ComparisonVector, server: Server) -> None:
    await server.publish(vector.before, vector.after)

    answer = await call(server.channel, COMPARE, vector.asked().SerializeToString())

    assert answer == engine_comparison(vector)


@pytest.mark.parametrize("vector", COMPARISONS, ids=str)
async def test_a_replay_gives_the_bytes_of_then(vector: ComparisonVector, server: Server) -> None:
    await server.publish(vector.before)
    then = await call(server.channel, EVALUATE, vector.request.SerializeToString())
    await server.publish(vector.after)
    recorded = EvaluateResponse.FromString(then).result.result_hash
    asked = ReplayRequest(revision=1, request=vector.request, result_hash=recorded)

    answer = await call(server.channel, REPLAY, asked.SerializeToString())

    assert answer == then + b"\x10\x01"


async def test_the_service_refunds_as_the_engine_does_also_at_past_revisions(server: Server) -> None:
    revisions = {}
    for number, vector in enumerate(ANSWERED, start=1):
        # Some vectors share a ruleset; this makes each a revision of its own, and changes no result.
        ruleset = type(vector.ruleset)()
        ruleset.CopyFrom(vector.ruleset)
        ruleset.policy.search_nodes_max = 1000 + number
        await server.publish(ruleset)
        active = server.application.holder.active
        assert active is not None
        ruleset.revision = active.revision
        revisions[vector.path.stem] = ruleset

    for vector in ANSWERED:
        ruleset = revisions[vector.path.stem]
        request = RefundRequest()
        request.CopyFrom(vector.request)
        request.sale.revision = ruleset.revision
        sale = request.sale.request.SerializeToString()
        priced = EvaluateResponse.FromString(compiled(ruleset).evaluate(sale, 0)).result
        request.sale.result_hash = priced.result_hash
        answer = await call(server.channel, REFUND, request.SerializeToString())

        assert answer == compiled(ruleset).refund(request.SerializeToString())
        assert lacking_in_refund(vector.expect, RefundResponse.FromString(answer)) == []


@pytest.mark.parametrize("vector", REFUSED, ids=str)
async def test_a_refund_is_refused_at_every_door(
    vector: RefundVector, server: Server, tmp_path: Path
) -> None:
    expected = vector.expect["refused"]

    with pytest.raises(InvalidRequest) as refusal:
        engine_refund(vector)
    found = Diagnostics.FromString(refusal.value.diagnostics).diagnostics
    assert {"code": found[0].code, "field": found[0].field} == expected

    await server.publish(vector.ruleset)
    request = RefundRequest()
    request.CopyFrom(vector.request)
    request.sale.revision = 1
    if expected["code"] != "result_differs":
        sale = request.sale.request.SerializeToString()
        priced = await call(server.channel, EVALUATE, sale)
        request.sale.result.CopyFrom(EvaluateResponse.FromString(priced).result)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(server.channel, REFUND, request.SerializeToString())
    info, violations = details(refused.value)
    assert (info.reason.lower(), violations.field_violations[0].field) == tuple(expected.values())

    done = run_refund(vector, tmp_path)
    assert done.exit_code == 1
    assert f"[error {expected['code']}]" in done.stderr
    assert expected["field"].removeprefix("sale.request.") in done.stderr


def run_refund(vector: RefundVector, folder: Path) -> Result:
    """The vector by the command's options; what was paid comes as a hash."""
    (folder / "ruleset.json").write_text(to_json(vector.ruleset))
    (folder / "cart.json").write_text(to_json(vector.request.sale.request))
    request = vector.request
    policy = ReturnPolicy.Name(request.policy or ReturnPolicy.RETURN_POLICY_KEEP)
    arguments = [
        *("-p", str(folder / "ruleset.json"), "-c", str(folder / "cart.json"), "--json"),
        *("--hash", request.sale.result_hash.hex()),
        *("--policy", policy.removeprefix("RETURN_POLICY_").replace("_", "-").lower()),
        *("--refunded", str(request.refunded.minor), "--refunded-tax", str(request.refunded.tax_minor)),
    ]
    for units in request.returned:
        first = f"@{units.first_unit}" if units.HasField("first_unit") else ""
        arguments += ["--return", f"{units.line_id}={units.quantity}{first}"]
    for gift in request.gifts_returned:
        arguments += ["--gift", f"{gift.promotion_id}/{gift.product_id}={gift.quantity}"]
    for promotion_id in request.rewards_reversed:
        arguments += ["--reversed", promotion_id]
    return CliRunner().invoke(app, ["refund", *arguments])
