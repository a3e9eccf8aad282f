"""The HTTP endpoint for operators: /metrics, /healthz (the process lives) and /readyz (it has a ruleset)."""

import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from server.runtime.settings import Address, AddressTaken

POLL_SECONDS = 0.05
"""How soon the endpoint notices that it is to stop."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Scrapes aren't worth a line each."""


class Monitoring:
    """Serves the endpoint from a thread of its own, so that a busy event loop doesn't hide it."""

    def __init__(self, address: Address, registry: CollectorRegistry, ready: Callable[[], bool]) -> None:
        self._metrics = make_wsgi_app(registry)
        self._ready = ready
        try:
            self._server = make_server(
                address.host, address.port, self._respond, server_class=_Server, handler_class=_QuietHandler
            )
        except OSError as error:
            raise AddressTaken(
                f"the metrics can't listen on {address}: {error.strerror}; set DEALWRIGHT_METRICS_ADDRESS"
            ) from error
        self.address = Address(address.host, self._server.server_port)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(POLL_SECONDS,), name="monitoring", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        # It waits for the thread to see it, so without one forever.
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()

    def _respond(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO")
        if path == "/metrics":
            return self._metrics(environ, start_response)  # type: ignore[no-any-return]
        if path == "/healthz":
            status, body = "200 OK", b"ok\n"
        elif path == "/readyz":
            status, body = (
                ("200 OK", b"ready\n") if self._ready() else ("503 Service Unavailable", b"no ruleset\n")
            )
        else:
            status, body = "404 Not Found", b"try /metrics, /healthz or /readyz\n"
        start_response(
            status, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
        )
        return [body]
