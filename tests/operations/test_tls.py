"""TLS: real handshakes with the gRPC server and the HTTP API, on certificates of an authority made here."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc.aio
import httpx
import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy import Engine

from admin.api.callers import Callers
from admin.api.server import AdminServer
from server.access.sessions import Sessions
from server.answers.service import Answers
from server.runtime.app import Application
from server.runtime.settings import Address, Settings, SettingsError
from server.runtime.tls import Certificate
from tests.operations.processes import finished

WAIT_SECONDS = 20.0
FREE = Address("127.0.0.1", 0)
EXPIRY = "dealwright_certificate_expiry_timestamp_seconds"


@dataclass
class Files:
    """A server's files, and the authority that signed what is in them."""

    folder: Path
    authority: trustme.CA = field(default_factory=trustme.CA)

    @property
    def certificate(self) -> Path:
        return self.folder / "tls.crt"

    @property
    def key(self) -> Path:
        return self.folder / "tls.key"

    @property
    def settings(self) -> Settings:
        return Settings(
            grpc_address=FREE,
            metrics_address=FREE,
            admin_address=FREE,
            tls_certificate=self.certificate,
            tls_key=self.key,
            drain_seconds=5,
        )

    def write(self, until: datetime | None = None) -> trustme.LeafCert:
        """A certificate, each file put in its place at once as a renewal does."""
        leaf = self.authority.issue_cert("127.0.0.1", "localhost", not_after=until)
        self.put(self.certificate, leaf.cert_chain_pems[0].bytes())
        self.put(self.key, leaf.private_key_pem.bytes())
        return leaf

    def put(self, path: Path, contents: bytes) -> None:
        fresh = path.with_suffix(".fresh")
        fresh.write_bytes(contents)
        fresh.replace(path)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    made = Files(tmp_path)
    made.write()
    return made


@asynccontextmanager
async def serving(settings: Settings, database: Engine) -> AsyncIterator[tuple[Application, AdminServer]]:
    application = Application(settings, database)
    api = AdminServer(
        settings,
        application.methods,
        Callers(application.grants, Sessions(database)),
        Answers(database),
        application.metrics,
    )
    async with AsyncExitStack() as stack:
        for part in (application, api):
            stack.push_async_callback(part.stop)
            await part.start()
        yield application, api


async def health(
    application: Application, authority: trustme.CA, leaf: trustme.LeafCert | None = None
) -> int:
    """Asks over a connection of its own."""
    credentials = grpc.ssl_channel_credentials(
        authority.cert_pem.bytes(),
        leaf.private_key_pem.bytes() if leaf else None,
        leaf.cert_chain_pems[0].bytes() if leaf else None,
    )
    async with grpc.aio.secure_channel(
        str(application.grpc_address), credentials, [("grpc.use_local_subchannel_pool", 1)]
    ) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=WAIT_SECONDS)
    return int(answer.status)


async def api_health(api: AdminServer, authority: trustme.CA, leaf: trustme.LeafCert | None = None) -> int:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if leaf:
        leaf.configure_cert(context)
    async with httpx.AsyncClient(verify=context, timeout=WAIT_SECONDS) as client:
        return (await client.get(f"{api.url}/healthz")).status_code


async def shown(address: Address, files: Files) -> bytes:
    """The certificate that a new connection is shown."""
    context = ssl.create_default_context(cadata=files.authority.cert_pem.bytes().decode())
    context.set_alpn_protocols(["h2", "http/1.1"])
    reader_writer = asyncio.open_connection(
        address.host, address.port, ssl=context, server_hostname="127.0.0.1"
    )
    _, writer = await asyncio.wait_for(reader_writer, WAIT_SECONDS)
    certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return bytes(certificate)


def der(leaf: trustme.LeafCert) -> bytes:
    return ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode())


async def test_both_answer_with_tls_alone(files: Files, database: Engine) -> None:
    async with serving(files.settings, database) as (application, api):
        assert await health(application, files.authority) == health_pb2.HealthCheckResponse.NOT_SERVING
        assert await api_health(api, files.authority) == 200
        assert api.url.startswith("https://")

        stranger = trustme.CA()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await health(application, stranger)
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
        with pytest.raises(httpx.ConnectError):
            await api_health(api, stranger)
        async with grpc.aio.insecure_channel(str(application.grpc_address)) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            with pytest.raises(grpc.aio.AioRpcError):
                await stub.Check(health_pb2.HealthCheckRequest(), timeout=WAIT_SECONDS)


async def test_a_renewed_certificate_is_shown_from_the_next_connection_on(
    files: Files, database: Engine
) -> None:
    async with serving(files.settings, database) as (application, api):
        before = [await shown(address, files) for address in (application.grpc_address, api.address)]
        until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
        renewed = files.write(until)

        for address in (application.grpc_address, api.address):
            assert await shown(address, files) == der(renewed)
        assert der(renewed) not in before
        assert application.metrics.registry.get_sample_value(EXPIRY) == until.timestamp()
        assert await health(application, files.authority) == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_a_renewal_that_went_wrong_changes_nothing(
    files: Files, database: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving(files.settings, database) as (application, api):
        before = await shown(api.address, files)
        files.put(files.key, files.authority.issue_cert("127.0.0.1").private_key_pem.bytes())

        for address in (application.grpc_address, api.address):
            assert await shown(address, files) == before
        captured = capsys.readouterr()
    assert "key values mismatch" in captured.out + captured.err


async def test_callers_need_a_certificate_where_an_authority_is_named(files: Files, database: Engine) -> None:
    callers = trustme.CA()
    client_ca = files.folder / "callers.crt"
    files.put(client_ca, callers.cert_pem.bytes())
    caller, stranger = callers.issue_cert("till-7"), trustme.CA().issue_cert("till-7")
    settings = Settings(**{**_values(files.settings), "tls_client_ca": client_ca})

    async with serving(settings, database) as (application, api):
        assert await health(application, files.authority, caller)
        assert await api_health(api, files.authority, caller) == 200
        for nobody in (None, stranger):
            with pytest.raises(grpc.aio.AioRpcError):
                await health(application, files.authority, nobody)
            with pytest.raises(httpx.TransportError):
                await api_health(api, files.authority, nobody)

        files.put(client_ca, trustme.CA().cert_pem.bytes())
        with pytest.raises(grpc.aio.AioRpcError):
            await health(application, files.authority, caller)
        with pytest.raises(httpx.TransportError):
            await api_health(api, files.authority, caller)


def _values(settings: Settings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in Settings.__slots__}


@pytest.mark.process
def test_doctor_looks_at_it(files: Files) -> None:
    variables = {
        "DEALWRIGHT_DATA_DIR": str(files.folder),
        "DEALWRIGHT_TLS_CERTIFICATE": str(files.certificate),
        "DEALWRIGHT_TLS_KEY": str(files.key),
    }
    fine = finished("doctor", **variables)
    files.key.unlink()
    broken = finished("doctor", **variables)

    assert f"certificate: {files.certificate} can be used" in fine.stdout
    assert f"certificate: DEALWRIGHT_TLS_KEY={files.key} can't be read" in broken.stdout
    assert broken.returncode == 3


def load(files: Files, client_ca: Path | None = None) -> Certificate:
    expiry = Gauge("expiry", "A certificate's.", registry=CollectorRegistry())
    return Certificate(files.certificate, files.key, client_ca, expiry)


def test_a_missing_file_is_named(files: Files) -> None:
    files.key.unlink()
    with pytest.raises(SettingsError, match=r"DEALWRIGHT_TLS_KEY=.*tls\.key can't be read: No such file"):
        load(files)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_may_not_be_read_is_named(files: Files) -> None:
    files.key.chmod(0)
    with pytest.raises(SettingsError, match=r"DEALWRIGHT_TLS_KEY=.*Permission denied"):
        load(files)


def test_a_key_of_another_certificate_is_refused(files: Files) -> None:
    files.key.write_bytes(files.authority.issue_cert("127.0.0.1").private_key_pem.bytes())
    with pytest.raises(SettingsError, match=r"TLS_CERTIFICATE=.*TLS_KEY=.*key values mismatch"):
        load(files)


@pytest.mark.parametrize("contents", [b"", b"no certificate\n", b"\xff\xfe"])
def test_a_file_that_is_no_certificate_is_refused(files: Files, contents: bytes) -> None:
    files.certificate.write_bytes(contents)
    with pytest.raises(SettingsError, match="DEALWRIGHT_TLS_CERTIFICATE="):
        load(files)


@pytest.mark.parametrize("contents", [b"", b"no certificate\n", b"\xff\xfe"])
def test_authorities_that_are_none_are_refused(files: Files, contents: bytes) -> None:
    client_ca = files.folder / "callers.crt"
    client_ca.write_bytes(contents)
    with pytest.raises(SettingsError, match=r"DEALWRIGHT_TLS_CLIENT_CA=.*callers\.crt"):
        load(files, client_ca)


def test_a_certificate_that_is_over_is_refused(files: Files) -> None:
    files.write(datetime.now(UTC) - timedelta(days=1))
    with pytest.raises(SettingsError, match="certificate has expired"):
        load(files)


def test_a_key_under_a_passphrase_is_refused_without_asking_for_it(files: Files) -> None:
    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    with pytest.raises(SettingsError, match="DEALWRIGHT_TLS_KEY="):
        load(files)
