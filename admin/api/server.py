"""Serving the API: listening, and ending in good order."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn

from admin.api.app import application
from admin.api.callers import Callers
from admin.api.routes import Methods
from server.answers.service import Answers
from server.runtime.metrics import Metrics
from server.runtime.settings import Address, AddressTaken, Settings
from server.runtime.spans import spans_of
from server.runtime.throttles import Throttles
from server.runtime.tls import certificate_of

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
"""The names of this machine to itself, under which the API may always be called."""

BACKLOG = 128
"""How many connections may wait to be taken."""

STARTED_POLL_SECONDS = 0.01


class AdminServer:
    """The API on an address of its own, in the event loop of its process."""

    def __init__(
        self, settings: Settings, methods: Methods, callers: Callers, answers: Answers, metrics: Metrics
    ) -> None:
        settings.refuse_plaintext()
        self.address = settings.admin_address
        self._settings = settings
        self._certificate = certificate_of(settings, metrics.certificate_expiry)
        self._spans = spans_of(settings)
        self.throttles = Throttles.of(settings, metrics)
        self._application = application(
            methods,
            callers,
            answers,
            metrics,
            _hosts(settings),
            throttles=self.throttles,
            spans=self._spans,
        )
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"{'https' if self._certificate else 'http'}://{self.address}"

    async def start(self) -> None:
        """Listens, and answers from then on."""
        certificate = self._certificate
        listener = listening(self.address)
        self.address = Address(self.address.host, listener.getsockname()[1])
        self._server = _Server(
            uvicorn.Config(
                self._application,
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=max(1, round(self._settings.drain_seconds)),
                ssl_context_factory=(lambda *_: certificate.http_context()) if certificate else None,
            )
        )
        self._task = asyncio.create_task(self._server.serve([listener]))
        while not self._server.started and not self._task.done():
            await asyncio.sleep(STARTED_POLL_SECONDS)

    async def drain(self) -> None:
        """Takes no more connections, answers what was asked, and closes."""
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await self._task
            self._task = None
        if self._spans is not None:
            await asyncio.to_thread(self._spans.close)

    stop = drain


class _Server(uvicorn.Server):
    """One of several servers of a process, which gets its signals itself."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _hosts(settings: Settings) -> set[str]:
    host = settings.admin_address.host
    return {*LOOPBACK_HOSTS, f"[{host}]" if ":" in host else host, *settings.admin_hosts}


def listening(address: Address) -> socket.socket:
    """A socket that listens at an address."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Connections inherit it. Otherwise a body waits 40 ms for the head of its answer to be acknowledged;
    # asyncio sets it only on sockets that name TCP as their protocol.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind((address.host, address.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise AddressTaken(
            f"the API can't listen on {address}: {error.strerror}; set DEALWRIGHT_ADMIN_ADDRESS"
        ) from error
    listener.setblocking(False)
    return listener
