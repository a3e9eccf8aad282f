"""How long statements take, and how many connections are in use, for whoever watches the process."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, QueuePool, event

from server.db.engine import CONNECTIONS_MAX

if TYPE_CHECKING:
    from server.runtime.metrics import Metrics


def watch(engine: Engine, metrics: Metrics) -> None:
    """From now on, for as long as the engine lives. A statement that fails isn't timed."""
    observe = metrics.database_seconds.observe

    def begin(_c: Any, _cursor: Any, _statement: str, _given: Any, context: Any, _many: bool) -> None:
        context.begun_at = time.perf_counter()

    def end(_c: Any, _cursor: Any, _statement: str, _given: Any, context: Any, _many: bool) -> None:
        observe(time.perf_counter() - context.begun_at)

    event.listen(engine, "before_cursor_execute", begin)
    event.listen(engine, "after_cursor_execute", end)
    metrics.database_connections.set_function(lambda: _in_use(engine))
    metrics.database_connections_max.set(CONNECTIONS_MAX)


def _in_use(engine: Engine) -> int:
    # Its pool is another one once the engine was disposed of.
    return engine.pool.checkedout() if isinstance(engine.pool, QueuePool) else 0
