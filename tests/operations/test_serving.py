"""What operators and orchestrators see: health, reflection, metrics, probes."""

import asyncio
import urllib.error
import urllib.request
from typing import Any

import dealwright_engine
import grpc
import grpc.aio
import pytest
from google.protobuf.descriptor_database import DescriptorDatabase
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from server.access.rules import HTTP_ALONE, RULES
from server.definitions.service import Definitions, Publication
from server.runtime.app import Application
from tests.definitions.samples import percent_off
from tests.evaluation.requests import EVALUATE, EXPLAIN, call, latte_request

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
EVALUATION_SERVICE = "dealwright.v1.EvaluationService"

METRICS = {
    "dealwright_build_info",
    "dealwright_calls_shed",
    "dealwright_calls_throttled",
    "dealwright_calls_unanswered",
    "dealwright_snapshot_failures",
    "dealwright_certificate_expiry_timestamp_seconds",
    "dealwright_database_connections",
    "dealwright_database_connections_max",
    "dealwright_database_seconds",
    "dealwright_engine_candidates",
    "dealwright_engine_carts",
    "dealwright_engine_eligible",
    "dealwright_engine_nodes",
    "dealwright_engine_unproven",
    "dealwright_evaluation_seconds",
    "dealwright_event_loop_seconds",
    "dealwright_http_request_seconds",
    "dealwright_invariant_violations",
    "dealwright_journal_alarms",
    "dealwright_journal_drifts",
    "dealwright_journal_pending_sales",
    "dealwright_journal_replays",
    "dealwright_lease_wishes",
    "dealwright_leases",
    "dealwright_leases_reclaimed",
    "dealwright_limits_left",
    "dealwright_logins",
    "dealwright_redemption_batch_size",
    "dealwright_redemption_placements",
    "dealwright_redemption_vouchers",
    "dealwright_reservations_expired",
    "dealwright_revision_lookups",
    "dealwright_rollouts_ended",
    "dealwright_rollouts_running",
    "dealwright_rollouts_waiting",
    "dealwright_ruleset_activation_timestamp_seconds",
    "dealwright_ruleset_candidate_revision",
    "dealwright_ruleset_compile_seconds",
    "dealwright_invariants_last_check_timestamp_seconds",
    "dealwright_job_last_success_timestamp_seconds",
    "dealwright_job_period_seconds",
    "dealwright_job_runs",
    "dealwright_streams_behind",
    "dealwright_streams_unsupporting",
    "dealwright_streams_waiting",
    "dealwright_voucher_checks",
    "dealwright_webhook_attempts",
    "dealwright_webhook_deliveries",
    "dealwright_webhook_late_seconds",
    "dealwright_stream_ack_seconds",
    "dealwright_stream_bytes",
    "dealwright_stream_nacks",
    "dealwright_streams",
    "dealwright_ruleset_listening",
    "dealwright_ruleset_last_refresh_timestamp_seconds",
    "dealwright_ruleset_promotions",
    "dealwright_ruleset_refresh_failures",
    "dealwright_ruleset_revision",
    "dealwright_ruleset_unsupported_promotions",
    "grpc_server_handled",
    "grpc_server_handling_seconds",
    "grpc_server_started",
}
"""Every metric of our own, as the registry names them; dashboards and alerts are built on these."""

LABELS = {
    "outcome",
    "grpc_type",
    "grpc_service",
    "grpc_method",
    "grpc_code",
    "method",
    "version",
    "rule_language",
    "python",
    "le",
    "kind",
    "left_percent",
    "invariant",
    "state",
}
"""Every label that may occur: none of them names a customer, a cart, a store or a promotion."""


async def health(channel: grpc.aio.Channel, service: str) -> int:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
    return int(answer.status)


async def fetch(application: Application, path: str) -> tuple[int, str]:
    def get() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://{application.metrics_address}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    return await asyncio.to_thread(get)


@pytest.mark.parametrize("service", ["", EVALUATION_SERVICE])
async def test_health_follows_the_ruleset(
    application: Application, channel: grpc.aio.Channel, definitions: Definitions, service: str
) -> None:
    assert await health(channel, service) == NOT_SERVING
    stub: Any = health_pb2_grpc.HealthStub(channel)
    watch = stub.Watch(health_pb2.HealthCheckRequest(service=service), timeout=20)
    seen = [(await watch.read()).status]

    definitions.publish("kopi", Publication([percent_off("ten", 10)]))
    seen.append((await watch.read()).status)
    assert await health(channel, service) == SERVING
    watch.cancel()

    assert seen == [NOT_SERVING, SERVING]


async def test_probes_tell_the_process_from_the_ruleset(
    application: Application, definitions: Definitions
) -> None:
    assert await fetch(application, "/healthz") == (200, "ok\n")
    assert await fetch(application, "/readyz") == (503, "no ruleset\n")

    definitions.publish("kopi", Publication([percent_off("ten", 10)]))
    await application.holder.refresh()

    assert await fetch(application, "/readyz") == (200, "ready\n")
    assert (await fetch(application, "/else"))[0] == 404


async def test_reflection_describes_the_service(application: Application, channel: grpc.aio.Channel) -> None:
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type] # sync only
    asked = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=EVALUATION_SERVICE),
    ]
    listed, described = [answer async for answer in stub.ServerReflectionInfo(iter(asked), timeout=10)]

    assert {service.name for service in listed.list_services_response.service} == {
        EVALUATION_SERVICE,
        "dealwright.v1.CheckService",
        "dealwright.v1.JournalService",
        "dealwright.v1.LeaseService",
        "dealwright.v1.RolloutService",
        "dealwright.v1.AccessService",
        "dealwright.v1.ReferenceService",
        "dealwright.v1.RuleStreamService",
        "dealwright.v1.WebhookService",
        "dealwright.v1.AuditService",
        "dealwright.v1.VoucherService",
        "dealwright.v1.DefinitionService",
        "dealwright.v1.RedemptionService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    files = [
        FileDescriptorProto.FromString(file)
        for file in described.file_descriptor_response.file_descriptor_proto
    ]
    methods = {method.name for file in files for service in file.service for method in service.method}
    assert methods == {"Evaluate", "Explain", "Replay", "Compare", "Refund"}


async def test_reflection_has_all_that_a_caller_without_the_schema_needs(channel: grpc.aio.Channel) -> None:
    """As grpcurl walks it: from the list of services to every message that their methods take and give."""
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type] # sync only

    async def ask(**asked: Any) -> Any:
        request = reflection_pb2.ServerReflectionRequest(**asked)
        (answer,) = [answer async for answer in stub.ServerReflectionInfo(iter([request]), timeout=10)]
        return answer

    files = DescriptorDatabase()
    services = [service.name for service in (await ask(list_services="")).list_services_response.service]
    for service in services:
        described = (await ask(file_containing_symbol=service)).file_descriptor_response
        for file in described.file_descriptor_proto:
            files.Add(FileDescriptorProto.FromString(file))

    pool = DescriptorPool(files)
    walked = {
        f"/{service}/{method.name}": (method.input_type.fields, method.output_type.fields)
        for service in services
        for method in pool.FindServiceByName(service).methods
    }
    assert RULES.keys() - HTTP_ALONE.keys() <= walked.keys()


async def test_a_method_can_be_looked_up_by_its_name(channel: grpc.aio.Channel) -> None:
    """As `grpcurl describe` does, also for what isn't there."""
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type] # sync only
    symbols = [f"{EVALUATION_SERVICE}.{method}" for method in ("Evaluate", "Guess")]
    asked = [reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol) for symbol in symbols]

    found, missing = [answer async for answer in stub.ServerReflectionInfo(iter(asked), timeout=10)]

    files = map(FileDescriptorProto.FromString, found.file_descriptor_response.file_descriptor_proto)
    assert "dealwright/v1/evaluation_service.proto" in {file.name for file in files}
    assert missing.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


async def test_metrics_have_the_names_that_dashboards_know(
    application: Application, channel: grpc.aio.Channel, definitions: Definitions
) -> None:
    definitions.publish("kopi", Publication([percent_off("ten", 10), percent_off("five", 5)]))
    await application.holder.refresh()
    before = dealwright_engine.work()["carts"]
    for _ in range(3):
        await call(channel, EVALUATE, latte_request().SerializeToString())
    await call(channel, EXPLAIN, latte_request().SerializeToString())
    with pytest.raises(grpc.aio.AioRpcError):
        await call(channel, EVALUATE, b"\xff")
    await health(channel, "")

    families = {family.name: family for family in application.metrics.registry.collect()}
    labels = {label for family in families.values() for sample in family.samples for label in sample.labels}
    assert {name for name in families if not name.startswith("process_")} == METRICS
    assert labels <= LABELS

    def value(name: str, **labels: str) -> float | None:
        return application.metrics.registry.get_sample_value(name, labels)

    evaluate = {"grpc_type": "unary", "grpc_service": EVALUATION_SERVICE, "grpc_method": "Evaluate"}
    assert value("grpc_server_started_total", **evaluate) == 4
    assert value("grpc_server_handled_total", **evaluate, grpc_code="OK") == 3
    assert value("grpc_server_handled_total", **evaluate, grpc_code="INVALID_ARGUMENT") == 1
    assert value("grpc_server_handling_seconds_count", **evaluate) == 4
    assert value("dealwright_evaluation_seconds_count", method="Evaluate") == 3
    assert value("dealwright_evaluation_seconds_count", method="Explain") == 1
    assert value("dealwright_engine_carts_total") == before + 4
    assert value("dealwright_ruleset_revision") == 1
    assert value("dealwright_ruleset_promotions") == 2
    assert value("dealwright_ruleset_unsupported_promotions") == 0
    assert value("dealwright_ruleset_refresh_failures_total") == 0
    assert (value("dealwright_ruleset_last_refresh_timestamp_seconds") or 0) > 1_767_225_600
    assert "grpc_server_handled_total{" in (await fetch(application, "/metrics"))[1]


async def test_a_method_that_does_not_exist_is_unimplemented_and_not_counted(
    application: Application, channel: grpc.aio.Channel
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(channel, f"/{EVALUATION_SERVICE}/Invented", b"")

    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "Invented" not in (await fetch(application, "/metrics"))[1]


async def test_stopping_lets_calls_in_flight_finish(
    application: Application, channel: grpc.aio.Channel, definitions: Definitions
) -> None:
    definitions.publish("kopi", Publication([percent_off("ten", 10)]))
    await application.holder.refresh()
    large = latte_request(lines=10_000).SerializeToString()
    started = {"grpc_type": "unary", "grpc_service": EVALUATION_SERVICE, "grpc_method": "Explain"}

    stub: Any = health_pb2_grpc.HealthStub(channel)
    watch = stub.Watch(health_pb2.HealthCheckRequest(service=""), timeout=30)
    seen = [(await watch.read()).status]

    calls = [asyncio.create_task(call(channel, EXPLAIN, large)) for _ in range(10)]
    async with asyncio.timeout(20):
        while application.metrics.registry.get_sample_value("grpc_server_started_total", started) != len(
            calls
        ):
            await asyncio.sleep(0)
    unfinished = sum(not task.done() for task in calls)
    stopping = asyncio.create_task(application.stop())
    seen.append((await watch.read()).status)
    watch.cancel()
    await stopping

    assert unfinished > 0
    assert seen == [SERVING, NOT_SERVING]
    assert all(await asyncio.gather(*calls))
    assert not application.ready
