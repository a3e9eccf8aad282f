"""The metrics of several serving workers as those of one process, each sample with its worker's number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from server.runtime.supervised import Report, ServingWorker

LABEL = "worker"

ASKED_AT_ONCE = 8
"""How many workers are asked at the same time."""


class MergedMetrics(Collector):
    """Asks every worker when somebody scrapes. One that doesn't answer is left out, and not counted."""

    def __init__(self, workers: Callable[[], Sequence[ServingWorker]]) -> None:
        self.answered = 0
        """How many workers answered when they were asked last."""
        self._workers = workers
        self._asking = ThreadPoolExecutor(ASKED_AT_ONCE, thread_name_prefix="scrape")

    @property
    def any_ready(self) -> bool:
        """Whether a worker has a ruleset. Those that don't listen are given no connections."""
        return any(report.ready for _, report in self._reports())

    def describe(self) -> list[Metric]:
        """Nothing is known before workers are asked; the registry would ask them when it is told of this."""
        return []

    def collect(self) -> Iterator[Metric]:
        reports = self._reports()
        self.answered = len(reports)
        families: dict[str, Metric] = {}
        for number, report in reports:
            for metric in report.metrics:
                family = families.setdefault(
                    metric.name, Metric(metric.name, metric.documentation, metric.type, metric.unit)
                )
                family.samples.extend(
                    sample._replace(labels={**sample.labels, LABEL: str(number)}) for sample in metric.samples
                )
        yield from families.values()

    def _reports(self) -> list[tuple[int, Report]]:
        workers = self._workers()
        answers = self._asking.map(ServingWorker.report, workers)
        return [
            (worker.number, report)
            for worker, report in zip(workers, answers, strict=True)
            if report is not None
        ]
