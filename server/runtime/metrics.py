"""Every metric of the service. Ids of customers, carts or promotions are never labels."""

import platform

import dealwright_engine
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

# From 50 microseconds, what a small call costs, to the second that nobody should see.
_SECONDS = (
    0.00005,
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    5.0,
)
_CALL = ("grpc_type", "grpc_service", "grpc_method")


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self.registry = registry
        ProcessCollector(registry=registry)

        self.started = Counter("grpc_server_started", "RPCs started.", _CALL, registry=registry)
        self.handled = Counter(
            "grpc_server_handled", "RPCs completed, by status code.", (*_CALL, "grpc_code"), registry=registry
        )
        self.handling_seconds = Histogram(
            "grpc_server_handling_seconds",
            "Time to answer an RPC.",
            _CALL,
            buckets=_SECONDS,
            registry=registry,
        )
        self.evaluation_seconds = Histogram(
            "dealwright_evaluation_seconds",
            "Time in the engine for one request, by method.",
            ("method",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.ruleset_revision = Gauge(
            "dealwright_ruleset_revision",
            "Revision of the active ruleset; 0 when there is none.",
            registry=registry,
        )
        self.ruleset_promotions = Gauge(
            "dealwright_ruleset_promotions", "Promotions in the active ruleset.", registry=registry
        )
        self.ruleset_unsupported = Gauge(
            "dealwright_ruleset_unsupported_promotions",
            "Promotions of the active ruleset that this engine can't use.",
            registry=registry,
        )
        self.refresh_failures = Counter(
            "dealwright_ruleset_refresh_failures",
            "Attempts to refresh the ruleset that failed.",
            registry=registry,
        )
        self.refresh_time = Gauge(
            "dealwright_ruleset_last_refresh_timestamp_seconds",
            "Unix time at which the active ruleset was last known to be the newest.",
            registry=registry,
        )
        Gauge(
            "dealwright_build_info",
            "Always 1; the labels say what runs.",
            ("version", "rule_language", "python"),
            registry=registry,
        ).labels(
            dealwright_engine.VERSION, str(dealwright_engine.RULE_LANGUAGE), platform.python_version()
        ).set(1)
