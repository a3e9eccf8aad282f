"""A collector of OpenTelemetry, for a server in the same process."""

from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Collects spans, as a collector of OpenTelemetry does."""

    def __init__(self) -> None:
        self.service = ""
        self.spans: list[Any] = []

    def Export(self, request: Any, context: object) -> Any:  # noqa: N802 - the schema's name
        for of_resource in request.resource_spans:
            values = {each.key: each.value.string_value for each in of_resource.resource.attributes}
            self.service = values["service.name"]
            self.spans += [span for scope in of_resource.scope_spans for span in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()


@contextmanager
def collecting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector, to which spans are sent that begin to be recorded meanwhile."""
    collector = Collector()
    server = grpc.server(futures.ThreadPoolExecutor(2))
    add_to_server: Any = trace_service_pb2_grpc.add_TraceServiceServicer_to_server
    add_to_server(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "tills")
    server.start()
    try:
        yield collector
    finally:
        server.stop(None).wait()
