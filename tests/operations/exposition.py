"""The names under which Prometheus knows the metrics of a server, and those that an expression asks for."""

import re

from server.runtime.metrics import Metrics, SupervisorMetrics

ENDINGS = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}
SCRAPE = {"up"}
"""What Prometheus adds to each scrape."""

_LABELS = re.compile(
    r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\b(?:by|on|without|ignoring)\s*\([^)]*\)|\b(?:and|or|unless|bool)\b|\$\w+'
)
_FUNCTION = re.compile(r"[\w:]+\s*\(")
_NAME = re.compile(r"[a-zA-Z_][\w:]*")


def exported() -> set[str]:
    """Every name of a sample."""
    workers = Metrics().registry
    return SCRAPE | {
        metric.name + ending
        for metric in SupervisorMetrics(workers, 1, lambda: 1).registry.collect()
        for ending in ENDINGS.get(metric.type, ("",))
    }


def names(expression: str) -> set[str]:
    """The metrics that a PromQL expression asks for: what is no label, no function and no keyword."""
    return set(_NAME.findall(_FUNCTION.sub(" ", _LABELS.sub("", expression))))
