"""What a process exports, read from its metrics, and what happened between two looks."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families

TIMEOUT_SECONDS = 5


class Unreadable(Exception):
    """Metrics that can't be read; the text names the address."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"{url} can't be read: {why}")


@dataclass(frozen=True, slots=True)
class Scrape:
    """The samples of one or several processes at one moment, whichever of their workers has them."""

    at_seconds: float
    """Of a clock that only goes forward."""
    samples: dict[str, dict[frozenset[tuple[str, str]], list[float]]]

    def values(self, name: str, **labels: str) -> Iterator[tuple[dict[str, str], list[float]]]:
        """Every sample of a name that has these labels: its own ones, and the value of each process."""
        wanted = labels.items()
        for given, values in self.samples.get(name, {}).items():
            if wanted <= set(given):
                yield dict(given), values

    def total(self, name: str, **labels: str) -> float:
        """The sum over all processes and other labels; 0 without any."""
        return math.fsum(value for _, values in self.values(name, **labels) for value in values)

    def least(self, name: str) -> float:
        """The smallest value of a process; 0 without any."""
        return min((value for _, values in self.values(name) for value in values), default=0.0)

    def most(self, name: str) -> float:
        """The largest value of a process; 0 without any."""
        return max((value for _, values in self.values(name) for value in values), default=0.0)


@dataclass(frozen=True, slots=True)
class Span:
    """Two scrapes of the same processes, one after the other."""

    before: Scrape
    after: Scrape

    @property
    def seconds(self) -> float:
        return self.after.at_seconds - self.before.at_seconds

    def grown(self, name: str, **labels: str) -> float:
        """By how much a counter grew. One that a process began anew counts from zero."""
        return max(self.after.total(name, **labels) - self.before.total(name, **labels), 0.0)

    def rate(self, name: str, **labels: str) -> float:
        """The same for each second."""
        return self.grown(name, **labels) / self.seconds

    def quantile(self, part: float, name: str, **labels: str) -> float | None:
        """The bound below which that part of a histogram's new observations lies; None without any.

        As Prometheus does it: between the bounds of the bucket by its share; beyond the last bound, that one.
        """
        buckets = sorted(
            (float(bound), self.grown(f"{name}_bucket", **labels, le=bound)) for bound in self._bounds(name)
        )
        total = buckets[-1][1] if buckets else 0.0
        if not total:
            return None
        lower_bound = lower_count = 0.0
        for bound, count in buckets:
            if count >= part * total:
                if math.isinf(bound):
                    return lower_bound
                share = (part * total - lower_count) / (count - lower_count) if count > lower_count else 1.0
                return lower_bound + (bound - lower_bound) * share
            lower_bound, lower_count = bound, count
        return lower_bound

    def _bounds(self, name: str) -> set[str]:
        return {labels["le"] for labels, _ in self.after.values(f"{name}_bucket")}


def scrape(urls: list[str]) -> Scrape:
    """Reads the metrics of processes."""
    samples: dict[str, dict[frozenset[tuple[str, str]], list[float]]] = defaultdict(lambda: defaultdict(list))
    for url in urls:
        for family in text_string_to_metric_families(_fetched(url)):
            for sample in family.samples:
                labels = frozenset((name, value) for name, value in sample.labels.items() if name != "worker")
                samples[sample.name][labels].append(sample.value)
    return Scrape(time.monotonic(), samples)


def _fetched(url: str) -> str:
    try:
        answer = httpx.get(url, timeout=TIMEOUT_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unreadable(url, str(error) or type(error).__name__) from error
    if not answer.is_success or "dealwright_build_info" not in answer.text:
        raise Unreadable(url, "it doesn't answer with the metrics of Dealwright")
    return answer.text
