"""Where calls come from: ids and traces, from callers into logs, answers, metrics and webhooks."""

import asyncio
import contextvars
import json
import logging
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import grpc
import grpc.aio
import httpx
import pytest
import structlog
from google.rpc.error_details_pb2 import RequestInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from sqlalchemy import Engine

from server.definitions.service import Definitions, Publication
from server.events.service import Event, EventType, Webhooks, connected, record
from server.keys.service import Pepper
from server.runtime import logs
from server.runtime.app import Application
from server.runtime.errors import STATUS_DETAILS_KEY, Refusal
from server.runtime.metrics import Metrics
from server.runtime.observation import ObservedServer
from server.runtime.origin import REQUEST_ID, Origin, Trace, arrive, trace_of, traceparent
from server.runtime.settings import Settings, SettingsError
from server.runtime.spans import Spans, spans_of
from tests.access.calls import PEPPER, owner
from tests.definitions.samples import percent_off
from tests.evaluation.requests import CALL_SECONDS, EVALUATE, BareMethod, latte_request
from tests.events.receiver import receiving
from tests.operations.collector import collecting

WAIT_SECONDS = 240

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE_ID}-{SPAN_ID}-01"


@pytest.fixture
def lines() -> Iterator[None]:
    logs.configure("json")
    yield
    structlog.reset_defaults()


def arrived(*metadata: tuple[str, str]) -> Origin:
    """Where a call with such metadata comes from; outside of it nothing is left of that."""
    return contextvars.copy_context().run(arrive, metadata)


@pytest.mark.parametrize(
    ("header", "trace"),
    [
        (TRACEPARENT, Trace(TRACE_ID, SPAN_ID, sampled=True)),
        (f"00-{TRACE_ID}-{SPAN_ID}-00", Trace(TRACE_ID, SPAN_ID, sampled=False)),
        (f"01-{TRACE_ID}-{SPAN_ID}-03-what-comes", Trace(TRACE_ID, SPAN_ID, sampled=True)),
        (f"00-{TRACE_ID}-{SPAN_ID}-01-more", None),
        (f"01-{TRACE_ID}-{SPAN_ID}-01more", None),
        (f"ff-{TRACE_ID}-{SPAN_ID}-01", None),
        (f"00-{TRACE_ID.upper()}-{SPAN_ID}-01", None),
        (f"00-{'0' * 32}-{SPAN_ID}-01", None),
        (f"00-{TRACE_ID}-{'0' * 16}-01", None),
        (f"{TRACEPARENT}\n", None),
        ("", None),
    ],
)
def test_a_traceparent_is_read_as_the_standard_has_it(header: str, trace: Trace | None) -> None:
    assert trace_of(header) == trace


@pytest.mark.parametrize("given", ["till-7.42:A_b", "x" * 64])
def test_a_well_formed_id_is_taken(given: str) -> None:
    origin = arrived((REQUEST_ID, given))

    assert (origin.request_id, origin.chosen) == (given, True)


@pytest.mark.parametrize("given", ["", "x" * 65, "two words", "line\nbreak", "café", '{"a":1}'])
def test_any_other_id_is_replaced(given: str) -> None:
    origins = [arrived((REQUEST_ID, given)) for _ in range(2)]

    assert not any(origin.chosen for origin in origins)
    assert all(re.fullmatch(r"[0-9a-f]{24}", origin.request_id) for origin in origins)
    assert origins[0].request_id != origins[1].request_id


def test_what_shows_who_calls_is_never_shown() -> None:
    origin = arrived(("authorization", "Bearer hunter2"))

    assert origin.authorization == "Bearer hunter2"
    assert "hunter2" not in repr(origin)


async def evaluated(channel: grpc.aio.Channel, *metadata: tuple[str, str]) -> dict[str, str | bytes]:
    """What comes behind the answer of a call, whether it fails or not."""
    method: BareMethod = channel.unary_unary(EVALUATE)
    made = method(latte_request().SerializeToString(), timeout=CALL_SECONDS, metadata=metadata)
    return dict(await made.trailing_metadata() or ())


async def test_a_caller_gets_its_id_back_and_is_told_one_when_the_call_fails(
    application: Application, channel: grpc.aio.Channel, definitions: Definitions
) -> None:
    without = await evaluated(channel)
    failed = await evaluated(channel, (REQUEST_ID, "till-7"))
    definitions.publish("kopi", Publication([percent_off("ten", 10)]))
    await application.holder.refresh()
    answered = await evaluated(channel, (REQUEST_ID, "till-7"))

    assert failed[REQUEST_ID] == answered[REQUEST_ID] == "till-7"
    for told in (without, failed):
        encoded = told[STATUS_DETAILS_KEY]
        assert isinstance(encoded, bytes)
        info = RequestInfo()
        assert any(detail.Unpack(info) for detail in Status.FromString(encoded).details)
        assert info.request_id == told[REQUEST_ID]


@asynccontextmanager
async def observed(behaviour: Any, spans: Spans | None = None) -> AsyncIterator[grpc.aio.Channel]:
    """A server with one method, and a channel to it."""
    server = grpc.aio.server()
    handlers: dict[str, Any] = {"Method": grpc.unary_unary_rpc_method_handler(behaviour)}
    ObservedServer(server, Metrics(), spans).add_registered_method_handlers("test.Service", handlers)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        await server.stop(None)


async def test_every_log_line_of_a_call_has_its_id_and_its_trace(
    lines: None, capsys: pytest.CaptureFixture[str]
) -> None:
    async def behaviour(request: bytes, context: object) -> bytes:
        structlog.get_logger().info("begun")
        await asyncio.to_thread(logging.getLogger("a_library").warning, "in a thread")
        raise KeyError

    async with observed(behaviour) as channel:
        method: BareMethod = channel.unary_unary("/test.Service/Method")
        for number in (1, 2):
            told = ((REQUEST_ID, f"till-{number}"), ("traceparent", TRACEPARENT))
            with pytest.raises(grpc.aio.AioRpcError):
                await method(b"", timeout=CALL_SECONDS, metadata=told)
    structlog.get_logger().info("outside")

    written = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    found = [(line["event"], line.get("request_id"), line.get("trace_id")) for line in written]
    assert found == [
        *(
            (event, f"till-{number}", TRACE_ID)
            for number in (1, 2)
            for event in ("begun", "in a thread", "call_failed")
        ),
        ("outside", None, None),
    ]


async def test_measurements_of_calls_that_somebody_traces_can_be_looked_up(
    application: Application, channel: grpc.aio.Channel
) -> None:
    await evaluated(channel, ("traceparent", TRACEPARENT))
    await evaluated(channel, ("traceparent", TRACEPARENT[:-1] + "0"))
    async with httpx.AsyncClient() as client:
        url = f"http://{application.metrics_address}/metrics"
        plain = await client.get(url, headers={"accept": "text/plain"})
        answer = await client.get(url, headers={"accept": "application/openmetrics-text; version=1.0.0"})

    parse: Any = text_string_to_metric_families
    (family,) = (each for each in parse(answer.text) if each.name == "grpc_server_handling_seconds")
    exemplars = [sample.exemplar for sample in family.samples if sample.exemplar is not None]
    assert [exemplar.labels for exemplar in exemplars] == [{"trace_id": TRACE_ID}]
    assert TRACE_ID not in plain.text


async def test_a_webhook_goes_on_with_the_trace_of_the_call(database: Engine) -> None:
    Definitions(database).create_company(owner())
    webhooks = Webhooks(database, Pepper(Settings(pepper=PEPPER), database), inside=True)
    with receiving() as receiver:
        webhooks.create(owner(), receiver.url)
        with database.begin() as connection:
            record(connection, "kopi", [Event(EventType.BUDGET_LOW, "untraced")])

        def happen() -> None:
            arrive([("traceparent", TRACEPARENT)])
            with database.begin() as connection:
                record(connection, "kopi", [Event(EventType.BUDGET_LOW, "traced")])

        contextvars.copy_context().run(happen)
        async with connected() as client:
            while await webhooks.deliver(client, lambda _: None):
                pass

    told = {each.event["subject"]: each.headers.get("traceparent") for each in receiver.received}
    assert told == {"untraced": None, "traced": TRACEPARENT}


async def test_a_call_is_a_span_of_the_trace_that_its_caller_began(monkeypatch: pytest.MonkeyPatch) -> None:
    caused = []

    async def behaviour(request: bytes, context: object) -> bytes:
        caused.append(traceparent())
        if request == b"refused":
            raise Refusal("CLOSED", "hunter2")
        if request == b"broken":
            raise KeyError("hunter2")
        return b""

    with collecting(monkeypatch) as collector:
        spans = spans_of(Settings(traces="otlp"))
        assert spans is not None
        async with observed(behaviour, spans) as channel:
            method: BareMethod = channel.unary_unary("/test.Service/Method")
            for request in (b"answered", b"refused", b"broken"):
                with suppress(grpc.aio.AioRpcError):
                    await method(request, timeout=CALL_SECONDS, metadata=(("traceparent", TRACEPARENT),))
            await method(b"alone", timeout=CALL_SECONDS)
            unsampled = (("traceparent", TRACEPARENT[:-1] + "0"),)
            await method(b"unsampled", timeout=CALL_SECONDS, metadata=unsampled)
        await asyncio.to_thread(spans.close)

    assert {collector.service} == {"tills"}
    assert [span.name for span in collector.spans] == ["test.Service/Method"] * 4
    begun = [(span.trace_id.hex(), span.parent_span_id.hex()) for span in collector.spans]
    assert begun[:3] == [(TRACE_ID, SPAN_ID)] * 3
    assert begun[3][0] not in (TRACE_ID, "0" * 32)
    assert begun[3][1] == ""
    assert caused[:4] == [f"00-{span.trace_id.hex()}-{span.span_id.hex()}-01" for span in collector.spans]
    assert [span.status.code for span in collector.spans] == [0, 0, 2, 0]
    assert "hunter2" not in repr(collector.spans)


def test_without_traces_nothing_of_opentelemetry_is_imported() -> None:
    program = (
        "import sys, admin.cli.serve, admin.api.server, dealwright.client; from server.runtime import spans;"
        "from server.runtime.settings import Settings; assert spans.spans_of(Settings()) is None;"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=WAIT_SECONDS, check=True
    )

    assert done.stdout == "[]\n"


def test_traces_without_their_library_are_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)

    with pytest.raises(SettingsError, match=r"pip install 'dealwright-server\[traces\]'"):
        spans_of(Settings(traces="otlp"))
