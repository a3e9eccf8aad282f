"""Counts and times what happens on every call, with plain numbers that are read when somebody scrapes.

The library's own counters take a lock for each of several numbers, which costs a tenth of a small call. These
are written on the event loop alone, so that they need none.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterator

import dealwright_engine
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

BOUNDS_SECONDS = (
    *(0.00005, 0.0001, 0.00025, 0.0005),
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0),
)
"""From 50 microseconds, what a small call costs, to the seconds that nobody should see."""

Bucket = tuple[str, float] | tuple[str, float, Exemplar]

_CALL = ("grpc_type", "grpc_service", "grpc_method")

_ENGINE = {
    "carts": "Carts that were priced, for whichever method.",
    "unproven": "Of these, those for which the search ended at its budget.",
    "candidates": "Promotions that were a candidate of a cart, summed over carts.",
    "eligible": "Of these, those that were eligible.",
    "nodes": "Nodes that searches visited.",
}
"""What the engine counts, by the names that it has there."""


class Durations(Collector):
    """A histogram of durations for each combination of labels."""

    def __init__(self, name: str, documentation: str, labels: tuple[str, ...]) -> None:
        self._family = (name, documentation, labels)
        self._timers: dict[tuple[str, ...], Timer] = {}

    def timer(self, *labels: str) -> Timer:
        """The timer of these labels."""
        return self._timers.setdefault(labels, Timer())

    def collect(self) -> Iterator[Metric]:
        name, documentation, labels = self._family
        family = HistogramMetricFamily(name, documentation, labels=labels)
        for values, timer in self._timers.items():
            family.add_metric(values, timer.buckets(), timer.sum_seconds)
        yield family


class Timer:
    """How often something took how long."""

    __slots__ = ("_counts", "_exemplars", "sum_seconds")

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_SECONDS) + 1)
        self._exemplars: dict[int, Exemplar] = {}
        """The last one that was traced, for each bound."""
        self.sum_seconds = 0.0

    def observe(self, seconds: float, trace_id: str = "") -> None:
        """With a trace, this measurement can be looked up in it."""
        index = bisect_left(BOUNDS_SECONDS, seconds)
        self._counts[index] += 1
        self.sum_seconds += seconds
        if trace_id:
            self._exemplars[index] = Exemplar({"trace_id": trace_id}, seconds, time.time())

    def buckets(self) -> list[Bucket]:
        """How many took at most each bound."""
        total = 0
        buckets: list[Bucket] = []
        bounds = (*map(str, BOUNDS_SECONDS), "+Inf")
        for index, (bound, count) in enumerate(zip(bounds, self._counts, strict=True)):
            total += count
            exemplar = self._exemplars.get(index)
            buckets.append((bound, total) if exemplar is None else (bound, total, exemplar))
        return buckets


class CallMeter:
    """The numbers of one gRPC method."""

    __slots__ = ("by_code", "started", "timer")

    def __init__(self, timer: Timer) -> None:
        self.started = 0
        self.by_code: dict[str, int] = {}
        self.timer = timer

    def finish(self, code: str, seconds: float, trace_id: str = "") -> None:
        self.by_code[code] = self.by_code.get(code, 0) + 1
        self.timer.observe(seconds, trace_id)


class Calls(Collector):
    """What dashboards know of a gRPC server."""

    def __init__(self) -> None:
        self._meters: dict[tuple[str, ...], CallMeter] = {}
        self._seconds = Durations("grpc_server_handling_seconds", "Time to answer an RPC.", _CALL)

    def meter(self, kind: str, service: str, method: str) -> CallMeter:
        """The numbers of a method; `kind` is unary or one of the streaming ones."""
        labels = (kind, service, method)
        return self._meters.setdefault(labels, CallMeter(self._seconds.timer(*labels)))

    def collect(self) -> Iterator[Metric]:
        started = CounterMetricFamily("grpc_server_started", "RPCs started.", labels=_CALL)
        handled = CounterMetricFamily(
            "grpc_server_handled", "RPCs completed, by status code.", labels=(*_CALL, "grpc_code")
        )
        for labels, meter in self._meters.items():
            started.add_metric(labels, meter.started)
            for code, count in list(meter.by_code.items()):
                handled.add_metric((*labels, code), count)
        yield started
        yield handled
        yield from self._seconds.collect()


class EngineWork(Collector):
    """What the engine counts by itself, in every thread, so that a call does nothing for it."""

    def collect(self) -> Iterator[Metric]:
        for name, count in dealwright_engine.work().items():
            yield CounterMetricFamily(f"dealwright_engine_{name}", _ENGINE[name], count)
