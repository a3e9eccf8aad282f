"""Something that a till does with a server in a thread of its own, again and again."""

from __future__ import annotations

import threading
from collections.abc import Callable

from dealwright.errors import CallFailed, DeadlineExceeded, Unavailable
from dealwright.till.storage import DiskFailed

AGAIN_SECONDS = 5.0
"""How long to wait when a server wasn't there."""

REFUSED_SECONDS = 300.0
"""How long to wait when a server refused: it takes a person to change that."""

END_SECONDS = 10.0


class Background:
    """Acts whenever there is something to do, and after a while in any case if there is `every`."""

    def __init__(
        self,
        name: str,
        act: Callable[[], object],
        close: Callable[[], None],
        tell: Callable[[CallFailed | DiskFailed | None], None],
        every: float | None = None,
    ) -> None:
        """`close` ends a call that is on its way; `tell` hears what became of each act."""
        self._act = act
        self._close = close
        self._tell = tell
        self._every = every
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"dealwright-{name}", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There is something to do."""
        self._wake.set()

    def stop(self) -> None:
        self._stopping.set()
        self._wake.set()
        self._close()
        self._thread.join(END_SECONDS)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                self._act()
                self._tell(None)
                self._wake.wait(self._every)
            except (CallFailed, DiskFailed) as failed:
                self._tell(failed)
                away = isinstance(failed, (Unavailable, DeadlineExceeded))
                self._stopping.wait(AGAIN_SECONDS if away else REFUSED_SECONDS)
            except ValueError:
                # The channel was closed under a call.
                return
