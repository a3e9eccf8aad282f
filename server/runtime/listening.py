"""The sockets of a port that several processes share.

gRPC offers neither the socket that it listens on nor the connections that it has, so both are found among the
files of the process. Linux shares a port among those who ask for it (SO_REUSEPORT), connection by connection.
"""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from server.runtime.settings import Address, AddressTaken

_FILES = Path("/proc/self/fd")


def reserve(address: Address) -> tuple[socket.socket, Address]:
    """Takes a port for the processes to come, without listening on it, and says which it is."""
    if sys.platform != "linux":
        raise AddressTaken("only Linux shares a port among processes; run serve without --workers")
    try:
        # Whoever shares would get half of the calls unnoticed, so alone first.
        _bound(address, socket.SO_REUSEADDR).close()
        reserved = _bound(address, socket.SO_REUSEPORT)
    except OSError as error:
        raise AddressTaken(
            f"gRPC can't listen on {address}: {error.strerror}; if something else runs there, set"
            " DEALWRIGHT_GRPC_ADDRESS"
        ) from error
    return reserved, Address(address.host, reserved.getsockname()[1])


def stop_listening(port: int) -> None:
    """Leaves new connections to the other processes of a port; those that exist go on."""
    for found in _sockets(port):
        if found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            found.shutdown(socket.SHUT_RDWR)


def connections(port: int) -> int:
    """How many connections this process has on a port."""
    return sum(1 for found in _sockets(port) if _connected(found))


def _bound(address: Address, option: int) -> socket.socket:
    family, kind, protocol, _, where = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, option, 1)
        bound.bind(where)
    except OSError:
        bound.close()
        raise
    return bound


def _sockets(port: int) -> Iterator[socket.socket]:
    """The sockets of this process on a port, each open for as long as it is looked at."""
    for file in _FILES.iterdir():
        with suppress(OSError):
            if not str(file.readlink()).startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(file.name))) as found:
                internet = found.family in (socket.AF_INET, socket.AF_INET6)
                if internet and found.type == socket.SOCK_STREAM and found.getsockname()[1] == port:
                    yield found


def _connected(found: socket.socket) -> bool:
    try:
        found.getpeername()
    except OSError:
        return False
    return True
