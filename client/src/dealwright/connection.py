"""Where a server is, who calls it, and how the line is kept alive."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import grpc.aio

from dealwright.errors import DealwrightError

DEFAULT_SECONDS = 10.0
"""How long a call may take in all, its repetitions included."""

MESSAGE_BYTES_MAX = 16 * 1024 * 1024
"""Largest answer that is read."""

OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    # Routers forget quiet connections without a word; a server allows a ping each 10 s.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # A server that is back, or another one at its address, is found before repetitions are used up.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    # Calls are repeated here, where it is known which of them may be.
    ("grpc.enable_retries", 0),
)


class Unusable(DealwrightError):
    """An address or a token with which no call can be made."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A server and a caller.

    Without TLS only this machine is called, unless `plaintext` is given, as behind a proxy that adds it.
    """

    address: str
    """host:port, or unix:PATH."""
    token: str = field(default="", repr=False)
    plaintext: bool | None = None
    """True: without TLS. False: with it. None: with it, except on this machine."""
    credentials: grpc.ChannelCredentials | None = None
    """Of TLS, as `tls` makes them from files. None: the authorities that the machine trusts."""

    def __post_init__(self) -> None:
        host, _, port = self.address.rpartition(":")
        if not (host and port):
            raise Unusable(f"{self.address!r} is no address such as localhost:7070")
        if not (self.token.isascii() and self.token.isprintable()) or " " in self.token:
            raise Unusable("the token has characters that no token has; is there a line break at its end?")
        if self.plaintext and self.credentials is not None:
            raise Unusable("give credentials for TLS or plaintext=True, not both")

    @property
    def secure(self) -> bool:
        if self.credentials is not None:
            return True
        return not (_on_this_machine(self.address) if self.plaintext is None else self.plaintext)

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with each call."""
        return (("authorization", f"Bearer {self.token}"),) if self.token else ()

    def channel(self) -> grpc.Channel:
        if self.secure:
            return grpc.secure_channel(self.address, self._credentials(), OPTIONS)
        return grpc.insecure_channel(self.address, OPTIONS)

    def async_channel(self) -> grpc.aio.Channel:
        if self.secure:
            return grpc.aio.secure_channel(self.address, self._credentials(), OPTIONS)
        return grpc.aio.insecure_channel(self.address, OPTIONS)

    def _credentials(self) -> grpc.ChannelCredentials:
        return self.credentials or grpc.ssl_channel_credentials()


def tls(
    authorities: Path | str | None = None,
    certificate: Path | str | None = None,
    key: Path | str | None = None,
) -> grpc.ChannelCredentials:
    """Credentials of TLS from PEM files: whom to believe, and who calls where a server asks for that.

    Without authorities those that the machine trusts are believed. Raises Unusable.
    """
    if (certificate is None) != (key is None):
        raise Unusable("a certificate and its key need each other")
    return grpc.ssl_channel_credentials(_pem(authorities), _pem(key), _pem(certificate))


def _pem(path: Path | str | None) -> bytes | None:
    if path is None:
        return None
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise Unusable(f"{path} can't be read: {error.strerror}") from error
    if b"-----BEGIN " not in data:
        raise Unusable(f"{path} is no PEM file")
    return data


def _on_this_machine(address: str) -> bool:
    if address.startswith("unix:"):
        return True
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
