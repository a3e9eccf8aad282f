"""Settings from the environment: every variable with its default, unit and meaning."""

import difflib
import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

PREFIX = "DEALWRIGHT_"

ACCESS = ("auto", "open", "tokens")
WEBHOOK_ADDRESSES = ("public", "any")
LOG_FORMATS = ("auto", "console", "json")
TRACES = ("off", "otlp")
LOG_LEVELS = ("debug", "info", "warning", "error")

IN_FILES = ("DEALWRIGHT_DATABASE_URL", "DEALWRIGHT_TOKEN")
"""Secrets that may be in a file, as orchestrators mount them: the variable with _FILE behind names it."""

COUNT_DIGITS_MAX = 9
"""How many digits a setting that counts something may have."""

SHOWN_CHARS_MAX = 80
"""How much of a wrong value is repeated."""

CONNECTION_SPREAD = 1.1
"""By how much longer than its time gRPC may keep a connection, so that not all end at once."""

LEAVE_SECONDS = 2.0
"""How long a caller may take to leave a connection when it was asked to."""

COMPANY_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""What a company may be called, as promotions are."""

HOST = re.compile(r"[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\]")
"""A name or an address that stands in a URL, without a port."""

COMPANY_ID_NEEDS = "1 to 64 letters of a to z, digits, dots, hyphens and underscores"

PEPPER = re.compile(r"(?:[0-9A-Fa-f]{2}){32,}")
PEPPER_NEEDS = "even number of at least 64 hexadecimal digits"


class SettingsError(ValueError):
    """Settings that can't be used; the text names each variable."""


class AddressTaken(Exception):
    """An address that can't be listened on."""


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a TCP port; port 0 lets the system choose one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class Settings:
    """How a process of the service runs."""

    database_url: str | None = None
    """DEALWRIGHT_DATABASE_URL: a PostgreSQL 15 or newer. Unset: the embedded one."""
    data_dir: Path = Path(".dealwright")
    """DEALWRIGHT_DATA_DIR: where the embedded PostgreSQL keeps its data."""
    snapshot_file: Path | None = None
    """DEALWRIGHT_SNAPSHOT_FILE: where `dealwright serve` keeps what it needs to start while the database
    is away. Unset: snapshot in the data folder."""
    company: str | None = None
    """DEALWRIGHT_COMPANY: whose promotions are served. Unset: the only company in the database."""
    grpc_address: Address = Address("127.0.0.1", 50051)
    """DEALWRIGHT_GRPC_ADDRESS: host:port of the gRPC services."""
    metrics_address: Address = Address("127.0.0.1", 9464)
    """DEALWRIGHT_METRICS_ADDRESS: host:port of /metrics, /healthz and /readyz."""
    admin_address: Address = Address("127.0.0.1", 8080)
    """DEALWRIGHT_ADMIN_ADDRESS: host:port of the HTTP API."""
    admin_hosts: tuple[str, ...] = ()
    """DEALWRIGHT_ADMIN_HOSTS: names, with commas between, under which the HTTP API may be called beside this
    machine's own and that of its address."""
    tls_certificate: Path | None = None
    """DEALWRIGHT_TLS_CERTIFICATE: the PEM file of the certificate and those between it and its authority.
    gRPC and the HTTP API listen with TLS then; a file written anew holds from the next connection on."""
    tls_key: Path | None = None
    """DEALWRIGHT_TLS_KEY: the PEM file with the private key of that certificate, without a passphrase."""
    tls_client_ca: Path | None = None
    """DEALWRIGHT_TLS_CLIENT_CA: the PEM file of the authorities of which every caller needs a certificate.
    Unset: callers show none."""
    allow_plaintext: bool = False
    """DEALWRIGHT_ALLOW_PLAINTEXT: 1 lets gRPC and the HTTP API listen without TLS where other machines can
    reach them."""
    access: str = "auto"
    """DEALWRIGHT_ACCESS: tokens asks for a token on every call; open lets carts be priced without one, on a
    loopback address only; auto is open on loopback. Definitions always need a token."""
    token: str | None = field(default=None, repr=False)
    """DEALWRIGHT_TOKEN: as whom the command acts. Unset: as whoever has the database, its administrator."""
    pepper: str | None = field(default=None, repr=False)
    """DEALWRIGHT_PEPPER: the secret that voucher codes are kept under, at least 64 hexadecimal digits. Unset:
    what the file has."""
    pepper_file: Path | None = None
    """DEALWRIGHT_PEPPER_FILE: the file with that secret. Unset: pepper in the data folder, made when it is
    needed first."""
    keys_dir: Path | None = None
    """DEALWRIGHT_KEYS_DIR: where the keys are that sign what tills receive. Unset: `dealwright up` makes some
    in the data directory, and `dealwright serve` serves no tills."""
    webhook_addresses: str = "public"
    """DEALWRIGHT_WEBHOOK_ADDRESSES: public sends events to public addresses over https alone; any also inside
    of the network and without TLS, for development."""
    sync_calls_per_hour: int = 1000
    """DEALWRIGHT_SYNC_CALLS_PER_HOUR: how often a token may be shown below /api/v1/sync in an hour; more is
    refused with 429. 0: as often as one likes."""
    api_calls_per_hour: int = 0
    """DEALWRIGHT_API_CALLS_PER_HOUR: the same for every other call of the HTTP API."""
    grpc_calls_per_second: int = 10_000
    """DEALWRIGHT_GRPC_CALLS_PER_SECOND: how many calls over gRPC a token may make in a second, or an address
    where carts are priced without one; more is refused with RESOURCE_EXHAUSTED. 0: as many as one likes."""
    stranger_calls_per_minute: int = 6_000
    """DEALWRIGHT_STRANGER_CALLS_PER_MINUTE: how many calls may come in a minute from an address without a
    token or a session that is good; more is refused with RESOURCE_EXHAUSTED or 429. 0: as many as one
    likes."""
    refresh_seconds: float = 2.0
    """DEALWRIGHT_REFRESH_SECONDS: how often the database is asked for a new revision."""
    connection_seconds: float = 60.0
    """DEALWRIGHT_CONNECTION_SECONDS: about how long a connection is given new calls. Its caller is then
    told to make another one, which may reach another process; no call fails of it, and streams go on."""
    drain_seconds: float = 10.0
    """DEALWRIGHT_DRAIN_SECONDS: how long calls in flight may take when the process ends."""
    log_format: str = "auto"
    """DEALWRIGHT_LOG_FORMAT: console, json, or auto (console on a terminal)."""
    log_level: str = "info"
    """DEALWRIGHT_LOG_LEVEL: debug, info, warning or error."""
    traces: str = "off"
    """DEALWRIGHT_TRACES: otlp sends a span of each call to OpenTelemetry, as the OTEL_* variables say."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Reads the DEALWRIGHT_* variables, and says everything that is wrong with them at once."""
        reader = _Reader(environment)
        default = cls()
        settings = cls(
            database_url=reader.secret("DEALWRIGHT_DATABASE_URL"),
            data_dir=Path(environment.get("DEALWRIGHT_DATA_DIR") or default.data_dir),
            snapshot_file=reader.path("DEALWRIGHT_SNAPSHOT_FILE"),
            company=reader.company("DEALWRIGHT_COMPANY"),
            grpc_address=reader.address("DEALWRIGHT_GRPC_ADDRESS", default.grpc_address),
            metrics_address=reader.address("DEALWRIGHT_METRICS_ADDRESS", default.metrics_address),
            admin_address=reader.address("DEALWRIGHT_ADMIN_ADDRESS", default.admin_address),
            admin_hosts=reader.hosts("DEALWRIGHT_ADMIN_HOSTS"),
            tls_certificate=reader.path("DEALWRIGHT_TLS_CERTIFICATE"),
            tls_key=reader.path("DEALWRIGHT_TLS_KEY"),
            tls_client_ca=reader.path("DEALWRIGHT_TLS_CLIENT_CA"),
            allow_plaintext=reader.choice("DEALWRIGHT_ALLOW_PLAINTEXT", ("0", "1"), "0") == "1",
            token=reader.secret("DEALWRIGHT_TOKEN"),
            keys_dir=Path(keys) if (keys := environment.get("DEALWRIGHT_KEYS_DIR")) else None,
            access=reader.choice("DEALWRIGHT_ACCESS", ACCESS, default.access),
            pepper=reader.pepper("DEALWRIGHT_PEPPER"),
            pepper_file=reader.path("DEALWRIGHT_PEPPER_FILE"),
            webhook_addresses=reader.choice(
                "DEALWRIGHT_WEBHOOK_ADDRESSES", WEBHOOK_ADDRESSES, default.webhook_addresses
            ),
            sync_calls_per_hour=reader.count("DEALWRIGHT_SYNC_CALLS_PER_HOUR", default.sync_calls_per_hour),
            api_calls_per_hour=reader.count("DEALWRIGHT_API_CALLS_PER_HOUR", default.api_calls_per_hour),
            grpc_calls_per_second=reader.count(
                "DEALWRIGHT_GRPC_CALLS_PER_SECOND", default.grpc_calls_per_second
            ),
            stranger_calls_per_minute=reader.count(
                "DEALWRIGHT_STRANGER_CALLS_PER_MINUTE", default.stranger_calls_per_minute
            ),
            refresh_seconds=reader.seconds("DEALWRIGHT_REFRESH_SECONDS", default.refresh_seconds),
            connection_seconds=reader.seconds("DEALWRIGHT_CONNECTION_SECONDS", default.connection_seconds),
            drain_seconds=reader.seconds("DEALWRIGHT_DRAIN_SECONDS", default.drain_seconds),
            log_format=reader.choice("DEALWRIGHT_LOG_FORMAT", LOG_FORMATS, default.log_format),
            log_level=reader.choice("DEALWRIGHT_LOG_LEVEL", LOG_LEVELS, default.log_level),
            traces=reader.choice("DEALWRIGHT_TRACES", TRACES, default.traces),
        )
        if (settings.tls_certificate is None) != (settings.tls_key is None):
            reader.problems.append("DEALWRIGHT_TLS_CERTIFICATE and DEALWRIGHT_TLS_KEY need each other")
        elif settings.tls_client_ca and not settings.tls_certificate:
            reader.problems.append("DEALWRIGHT_TLS_CLIENT_CA needs DEALWRIGHT_TLS_CERTIFICATE")
        if reader.problems:
            raise SettingsError("; ".join(reader.problems))
        return settings

    def refuse_plaintext(self) -> None:
        """Without TLS all listens on loopback only, unless that is explicitly accepted."""
        if self.tls_certificate or self.allow_plaintext:
            return
        listening = {
            "DEALWRIGHT_GRPC_ADDRESS": self.grpc_address,
            "DEALWRIGHT_ADMIN_ADDRESS": self.admin_address,
        }
        for name, address in listening.items():
            if not address.loopback:
                raise SettingsError(
                    f"{name}={address} is reachable from other machines without TLS; give"
                    " DEALWRIGHT_TLS_CERTIFICATE and DEALWRIGHT_TLS_KEY or a loopback address, or set"
                    " DEALWRIGHT_ALLOW_PLAINTEXT=1 behind a proxy that adds TLS"
                )

    @property
    def retiring_seconds(self) -> float:
        """How long it takes at most until every caller has left a process that listens no more."""
        return self.connection_seconds * CONNECTION_SPREAD + LEAVE_SECONDS

    @property
    def open_pricing(self) -> bool:
        """Whether carts are priced without a token."""
        return self.access == "open" or (self.access == "auto" and self.grpc_address.loopback)

    def refuse_open_access(self) -> None:
        """Without tokens, only this machine may call."""
        if self.access == "open" and not self.grpc_address.loopback:
            raise SettingsError(
                f"DEALWRIGHT_ACCESS=open with DEALWRIGHT_GRPC_ADDRESS={self.grpc_address} would let anybody"
                " call; use a loopback address, or leave DEALWRIGHT_ACCESS unset and make tokens with"
                " `dealwright token create`"
            )


def unknown_variables(environment: Mapping[str, str] = os.environ) -> list[str]:
    """What to say of each DEALWRIGHT_* variable that is no setting."""
    known = [PREFIX + setting.name.upper() for setting in fields(Settings)]
    known += [f"{name}_FILE" for name in IN_FILES]
    return [
        f"{_shown(name)} is no setting; did you mean {difflib.get_close_matches(name, known, 1, 0)[0]}?"
        for name in sorted(environment.keys() - set(known))
        if name.startswith(PREFIX)
    ]


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.problems: list[str] = []

    def company(self, name: str) -> str | None:
        value = self.environment.get(name)
        if value and not COMPANY_ID.fullmatch(value):
            self.problems.append(f"{name}={_shown(value)} is no id of a company: it needs {COMPANY_ID_NEEDS}")
        return value or None

    def secret(self, name: str) -> str | None:
        value, file = self.environment.get(name), self.environment.get(f"{name}_FILE")
        if not file:
            return value or None
        if value:
            self.problems.append(f"{name} and {name}_FILE are both given; unset one of them")
        try:
            secret = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
            self.problems.append(f"{name}_FILE={_shown(file)} can't be read: {reason}")
            return None
        if not secret:
            self.problems.append(f"{name}_FILE={_shown(file)} is empty")
        return secret

    def pepper(self, name: str) -> str | None:
        value = self.environment.get(name)
        if value and not PEPPER.fullmatch(value):
            # It is a secret even when it can't be used.
            self.problems.append(f"{name} is no {PEPPER_NEEDS}")
        return value or None

    def path(self, name: str) -> Path | None:
        value = self.environment.get(name)
        return Path(value) if value else None

    def address(self, name: str, default: Address) -> Address:
        value = self.environment.get(name)
        if not value:
            return default
        host, _, port = value.rpartition(":")
        if not (host and port.isascii() and port.isdigit() and int(port) <= 65535):
            self.problems.append(f"{name}={_shown(value)} is no host:port such as {default}")
            return default
        return Address(host.strip("[]"), int(port))

    def hosts(self, name: str) -> tuple[str, ...]:
        value = self.environment.get(name) or ""
        hosts = tuple(host.strip().lower() for host in value.split(",") if host.strip())
        if not all(HOST.fullmatch(host) for host in hosts):
            self.problems.append(f"{name}={_shown(value)} is no list of names such as promotions.example")
        return hosts

    def count(self, name: str, default: int) -> int:
        value = self.environment.get(name) or str(default)
        if not (value.isascii() and value.isdigit() and len(value) <= COUNT_DIGITS_MAX):
            self.problems.append(
                f"{name}={_shown(value)} is no whole number from 0 to {10**COUNT_DIGITS_MAX - 1}"
            )
            return default
        return int(value)

    def seconds(self, name: str, default: float) -> float:
        value = self.environment.get(name)
        if not value:
            return default
        try:
            seconds = float(value)
        except ValueError:
            seconds = -1.0
        if not 0 < seconds <= 3600:
            self.problems.append(f"{name}={_shown(value)} is no number of seconds above 0 and up to 3600")
        return seconds

    def choice(self, name: str, choices: tuple[str, ...], default: str) -> str:
        value = self.environment.get(name) or default
        if value not in choices:
            self.problems.append(f"{name}={_shown(value)} is none of {', '.join(choices)}")
        return value


def _shown(value: str) -> str:
    """A value in a sentence: what can't be read as it is escaped, and what is long is cut."""
    return value if value.isprintable() and len(value) <= SHOWN_CHARS_MAX else repr(value[:SHOWN_CHARS_MAX])
