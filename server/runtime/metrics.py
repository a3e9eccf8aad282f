"""Every metric of the service. Ids of customers, carts or promotions are never labels."""

import platform
from collections.abc import Callable

import dealwright_engine
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.registry import Collector

from server.runtime.metering import Calls, Durations, EngineWork


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self.registry = registry
        ProcessCollector(registry=registry)

        self.calls = Calls()
        registry.register(self.calls)
        self.evaluation_seconds = Durations(
            "dealwright_evaluation_seconds", "Time in the engine for one request, by method.", ("method",)
        )
        registry.register(self.evaluation_seconds)
        registry.register(EngineWork())
        self.loop_seconds = Counter(
            "dealwright_event_loop_seconds",
            "Processor time of the thread that answers gRPC calls; a second per second is all there is.",
            registry=registry,
        )
        self.http_seconds = Durations(
            "dealwright_http_request_seconds",
            "Time to answer an HTTP request, by verb, route and class of status.",
            ("verb", "route", "status"),
        )
        registry.register(self.http_seconds)
        self.ruleset_revision = Gauge(
            "dealwright_ruleset_revision",
            "Revision of the active ruleset; 0 when there is none.",
            registry=registry,
        )
        self.ruleset_candidate_revision = Gauge(
            "dealwright_ruleset_candidate_revision",
            "Revision that is in force in the stores of a rollout; 0 when none runs.",
            registry=registry,
        )
        self.rollouts_running = Gauge(
            "dealwright_rollouts_running",
            "Rollouts that run, as the worker saw them last; one per company at most.",
            registry=registry,
        )
        self.rollouts_waiting = Gauge(
            "dealwright_rollouts_waiting",
            "Of these, those that have baked and wait for tills.",
            registry=registry,
        )
        self.rollouts_ended = Counter(
            "dealwright_rollouts_ended",
            "Rollouts that the worker has ended, by outcome: promoted, or stopped for failures.",
            ("outcome",),
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
        self.ruleset_compile_seconds = Gauge(
            "dealwright_ruleset_compile_seconds",
            "How long it took to compile the ruleset that was compiled last.",
            registry=registry,
        )
        self.ruleset_activation_time = Gauge(
            "dealwright_ruleset_activation_timestamp_seconds",
            "Unix time since which the active ruleset answers.",
            registry=registry,
        )
        self.revision_lookups = Counter(
            "dealwright_revision_lookups",
            "Rulesets that returns and replays asked for: active, past (still in memory) or rebuilt.",
            ("outcome",),
            registry=registry,
        )
        self.listening = Gauge(
            "dealwright_ruleset_listening",
            "1 when publications are heard of at once; 0 when the poll alone finds them.",
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
        self.shed = Counter(
            "dealwright_calls_shed",
            "Calls that were refused for want of room, by kind: pricing or redemption.",
            ("kind",),
            registry=registry,
        )
        self.throttled = Counter(
            "dealwright_calls_throttled",
            "Calls that were refused because their caller makes too many: by the bound that they met.",
            ("kind",),
            registry=registry,
        )
        self.unanswered = Gauge(
            "dealwright_calls_unanswered",
            "Calls that were taken and aren't answered yet, by kind.",
            ("kind",),
            registry=registry,
        )
        self.database_seconds = Histogram(
            "dealwright_database_seconds",
            "Time from a statement to the database's answer; what waits for locks waits in it.",
            buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
            registry=registry,
        )
        self.database_connections = Gauge(
            "dealwright_database_connections",
            "Connections to the database that are in use.",
            registry=registry,
        )
        self.database_connections_max = Gauge(
            "dealwright_database_connections_max",
            "How many of them the process may use; whoever needs one more waits.",
            registry=registry,
        )
        self.snapshot_failures = Counter(
            "dealwright_snapshot_failures",
            "Attempts to write the snapshot that failed.",
            registry=registry,
        )
        self.certificate_expiry = Gauge(
            "dealwright_certificate_expiry_timestamp_seconds",
            "Unix time at which the certificate for TLS expires; 0 without TLS.",
            registry=registry,
        )
        self.journal_replays = Counter(
            "dealwright_journal_replays",
            "Sales of tills that were priced again, by what it gave: same, drifted or unverified.",
            ("outcome",),
            registry=registry,
        )
        self.journal_pending = Gauge(
            "dealwright_journal_pending_sales", "Sales of tills that wait for it.", registry=registry
        )
        self.journal_drifts = Gauge(
            "dealwright_journal_drifts", "Sales of tills that weren't found the same.", registry=registry
        )
        self.journal_alarms = Gauge(
            "dealwright_journal_alarms",
            "Gaps, forks, mendings and overruns in journals of tills.",
            registry=registry,
        )
        self.placements = Counter(
            "dealwright_redemption_placements",
            "Orders for which promotions were wanted, by method and by what became of them.",
            ("method", "outcome"),
            registry=registry,
        )
        self.redemption_vouchers = Counter(
            "dealwright_redemption_vouchers",
            "Vouchers that orders named: applying, or why they didn't.",
            ("outcome",),
            registry=registry,
        )
        self.redemption_batch_size = Histogram(
            "dealwright_redemption_batch_size",
            "Orders that shared a transaction.",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=registry,
        )
        self.reservations_expired = Counter(
            "dealwright_reservations_expired", "Reservations that this process gave back.", registry=registry
        )
        self.limits_left = Gauge(
            "dealwright_limits_left",
            "Limits of which something was used, by kind and by what is left in per cent, rounded up.",
            ("kind", "left_percent"),
            registry=registry,
        )
        self.invariant_violations = Gauge(
            "dealwright_invariant_violations",
            "Rows that break an invariant of redemption, as of the last look.",
            ("invariant",),
            registry=registry,
        )
        self.invariants_time = Gauge(
            "dealwright_invariants_last_check_timestamp_seconds",
            "Unix time at which the invariants of redemption were looked at last; 0 before.",
            registry=registry,
        )
        self.lease_wishes = Counter(
            "dealwright_lease_wishes",
            "What tills wished to lease: granted, also in part, or refused.",
            ("outcome",),
            registry=registry,
        )
        self.leases = Gauge(
            "dealwright_leases",
            "Leases of tills: usable, waiting (expired; sales may still come) or overrun (too much granted).",
            ("state",),
            registry=registry,
        )
        self.leases_reclaimed = Counter(
            "dealwright_leases_reclaimed",
            "Leases that this process took back because their till wasn't heard of.",
            registry=registry,
        )
        self.webhook_attempts = Counter(
            "dealwright_webhook_attempts",
            "Attempts to deliver events: delivered, failed, or dead after the last one.",
            ("outcome",),
            registry=registry,
        )
        self.job_runs = Counter(
            "dealwright_job_runs",
            "Jobs of the worker, by name and whether they went well.",
            ("name", "outcome"),
            registry=registry,
        )
        self.job_period = Gauge(
            "dealwright_job_period_seconds",
            "About how long it is between two runs of a job.",
            ("name",),
            registry=registry,
        )
        self.job_success_time = Gauge(
            "dealwright_job_last_success_timestamp_seconds",
            "Unix time at which a job went well last, in whichever worker; 0 when it never did.",
            ("name",),
            registry=registry,
        )
        self.deliveries = Gauge(
            "dealwright_webhook_deliveries",
            "Deliveries of events that are pending, or dead after the last attempt.",
            ("state",),
            registry=registry,
        )
        self.deliveries_late = Gauge(
            "dealwright_webhook_late_seconds",
            "For how long the event that is to be sent first has been due.",
            registry=registry,
        )
        self.voucher_checks = Counter(
            "dealwright_voucher_checks",
            "Codes that were checked: hit, miss, or malformed by their check symbols.",
            ("outcome",),
            registry=registry,
        )
        self.logins = Counter(
            "dealwright_logins",
            "Attempts to log in or to choose a password: opened (a session), refused, or later (they wait).",
            ("outcome",),
            registry=registry,
        )
        self.streams = Gauge("dealwright_streams", "Open rule streams.", registry=registry)
        self.streams_behind = Gauge(
            "dealwright_streams_behind",
            "Open rule streams whose till hasn't acked the newest revision.",
            registry=registry,
        )
        self.streams_unsupporting = Gauge(
            "dealwright_streams_unsupporting",
            "Open rule streams whose till can't apply some promotion of its revision.",
            registry=registry,
        )
        self.streams_waiting = Gauge(
            "dealwright_streams_waiting",
            "Open rule streams that wait until fewer others get a snapshot.",
            registry=registry,
        )
        self.stream_bytes = Counter(
            "dealwright_stream_bytes",
            "Bytes written to tills: of snapshots, of deltas, and other.",
            ("part",),
            registry=registry,
        )
        self.stream_nacks = Counter(
            "dealwright_stream_nacks",
            "Revisions that tills refused, by reason.",
            ("reason",),
            registry=registry,
        )
        stream_ack_seconds = Durations(
            "dealwright_stream_ack_seconds", "From the first frame of a revision to the till's ack.", ()
        )
        registry.register(stream_ack_seconds)
        self.stream_ack_seconds = stream_ack_seconds.timer()
        Gauge(
            "dealwright_build_info",
            "Always 1; the labels say what runs.",
            ("version", "rule_language", "python"),
            registry=registry,
        ).labels(
            dealwright_engine.VERSION, str(dealwright_engine.RULE_LANGUAGE), platform.python_version()
        ).set(1)


class SupervisorMetrics:
    """What a supervisor adds to the metrics of its serving workers, behind them."""

    def __init__(self, workers: Collector, expected: int, answered: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(workers)
        Gauge(
            "dealwright_serving_workers_expected",
            "Serving workers that there should be.",
            registry=self.registry,
        ).set(expected)
        Gauge(
            "dealwright_serving_workers",
            "Serving workers that answered when they were asked for their metrics.",
            registry=self.registry,
        ).set_function(answered)
        self.restarts = Counter(
            "dealwright_serving_worker_restarts",
            "Attempts to start a serving worker again that had died.",
            registry=self.registry,
        )
