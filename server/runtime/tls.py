"""TLS of what listens: the certificate and key from files, read again when they have changed."""

import calendar
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from time import strptime

import grpc
import structlog
from prometheus_client import Gauge

from server.runtime.settings import Settings, SettingsError

log = structlog.get_logger()

HTTP_PROTOCOLS = ("http/1.1",)

_Seen = tuple[tuple[int, int, int], ...]
"""What tells a file that was written anew: its inode, its size and when it was written, of each file."""


@dataclass(frozen=True, slots=True)
class _Identity:
    """What a server shows, and whom it lets in; checked as a whole."""

    key: bytes
    certificate: bytes
    client_ca: bytes | None
    context: ssl.SSLContext
    ends: float
    """Unix time at which the certificate expires."""


class Certificate:
    """The certificate of this process. What replaces it holds from the next connection on.

    A file that can't be used is logged once and changes nothing: a renewal that went wrong shows in the log
    and in the time of expiry, and callers go on.
    """

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None, expiry: Gauge) -> None:
        self._files = {"DEALWRIGHT_TLS_CERTIFICATE": certificate, "DEALWRIGHT_TLS_KEY": key}
        if client_ca is not None:
            self._files["DEALWRIGHT_TLS_CLIENT_CA"] = client_ca
        self._lock = threading.Lock()
        self._seen = self._look()
        self._identity = self._load()
        expiry.set_function(lambda: self._current().ends)

    def grpc_credentials(self) -> grpc.ServerCredentials:
        """For a gRPC server, which asks before each handshake."""
        return grpc.dynamic_ssl_server_credentials(
            self._grpc_configuration(), self._grpc_configuration, "DEALWRIGHT_TLS_CLIENT_CA" in self._files
        )

    def http_context(self) -> ssl.SSLContext:
        """For the HTTP server. Its callback runs at each handshake, whatever name is asked for."""

        def renew(connection: ssl.SSLObject, _: str | None, __: ssl.SSLContext) -> None:
            connection.context = self._current().context

        context = self._current().context
        context.sni_callback = renew
        return context

    def _grpc_configuration(self) -> grpc.ServerCertificateConfiguration:
        identity = self._current()
        return grpc.ssl_server_certificate_configuration(
            [(identity.key, identity.certificate)], identity.client_ca
        )

    def _current(self) -> _Identity:
        """What the files hold now, or held when they could be used."""
        with self._lock:
            try:
                seen = self._look()
                if seen != self._seen:
                    self._seen = seen
                    self._identity = self._load()
                    log.info("certificate_renewed", ends=self._identity.ends)
            except SettingsError as error:
                log.error("certificate_unusable", error=str(error))
            return self._identity

    def _look(self) -> _Seen:
        def look(path: Path) -> tuple[int, int, int]:
            try:
                status = path.stat()
            except OSError:
                # Reading it says what is wrong with it.
                return (0, 0, 0)
            return (status.st_ino, status.st_size, status.st_mtime_ns)

        return tuple(look(path) for path in self._files.values())

    def _load(self) -> _Identity:
        contents = {name: _read(name, path) for name, path in self._files.items()}
        client_ca = contents.get("DEALWRIGHT_TLS_CLIENT_CA")
        context = _context(self._files, client_ca)
        certificate = contents["DEALWRIGHT_TLS_CERTIFICATE"]
        try:
            ends = _expiry(self._files, certificate)
        except (ssl.SSLError, ValueError) as error:
            raise _unusable(self._files, "DEALWRIGHT_TLS_CERTIFICATE", _reason(error)) from error
        return _Identity(contents["DEALWRIGHT_TLS_KEY"], certificate, client_ca, context, ends)


def certificate_of(settings: Settings, expiry: Gauge) -> Certificate | None:
    """The certificate that the settings name; none is for plaintext."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return Certificate(settings.tls_certificate, settings.tls_key, settings.tls_client_ca, expiry)


def _read(name: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{name}={path} can't be read: {error.strerror}") from error


def _context(files: dict[str, Path], client_ca: bytes | None) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(list(HTTP_PROTOCOLS))
    certificate, key = files["DEALWRIGHT_TLS_CERTIFICATE"], files["DEALWRIGHT_TLS_KEY"]
    try:
        # An empty passphrase, because OpenSSL would ask for one on the terminal.
        context.load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        raise SettingsError(
            f"DEALWRIGHT_TLS_CERTIFICATE={certificate} with DEALWRIGHT_TLS_KEY={key}: {_reason(error)}"
        ) from error
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(cadata=client_ca.decode("ascii"))
        except (ssl.SSLError, ValueError) as error:
            raise _unusable(files, "DEALWRIGHT_TLS_CLIENT_CA", _reason(error)) from error
    return context


def _expiry(files: dict[str, Path], certificate: bytes) -> float:
    """When the certificate ends, from a handshake in memory of this server with a client that trusts it.

    A certificate that is over, or isn't meant for servers, fails here rather than at every caller.
    """
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(files["DEALWRIGHT_TLS_CERTIFICATE"], files["DEALWRIGHT_TLS_KEY"], password="")
    client_side = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_side.check_hostname = False
    client_side.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    client_side.load_verify_locations(cadata=certificate.decode("ascii"))
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_side.wrap_bio(back, there)
    server = server_side.wrap_bio(there, back, server_side=True)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    shown = client.getpeercert() or {}
    return float(calendar.timegm(strptime(str(shown["notAfter"]), "%b %d %H:%M:%S %Y GMT")))


def _reason(error: Exception) -> str:
    """What OpenSSL found, in its words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return (error.reason or "no certificate or key in PEM").lower().replace("_", " ")
    return "no PEM file"


def _unusable(files: dict[str, Path], name: str, reason: str) -> SettingsError:
    return SettingsError(f"{name}={files[name]}: {reason}")
