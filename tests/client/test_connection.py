"""Where TLS is used, and what no call can be made with."""

from pathlib import Path

import grpc
import pytest
import trustme
from dealwright.connection import Connection, Unusable, tls


@pytest.mark.parametrize(
    "address", ["localhost:7070", "127.0.0.1:7070", "127.8.0.1:1", "[::1]:7070", "unix:///run/d.sock"]
)
def test_this_machine_is_called_without_tls(address: str) -> None:
    assert not Connection(address).secure
    assert Connection(address, plaintext=False).secure


@pytest.mark.parametrize(
    "address", ["prices.example:443", "10.0.0.7:7070", "[2001:db8::1]:7070", "dns:///a:1"]
)
def test_other_machines_are_called_with_tls(address: str) -> None:
    assert Connection(address).secure
    assert not Connection(address, plaintext=True).secure


def test_credentials_mean_tls_on_this_machine_too() -> None:
    assert Connection("localhost:7070", credentials=grpc.ssl_channel_credentials()).secure


@pytest.mark.parametrize("address", ["", "localhost", ":7070", "localhost:"])
def test_an_address_needs_host_and_port(address: str) -> None:
    with pytest.raises(Unusable, match="no address such as"):
        Connection(address)


@pytest.mark.parametrize("token", ["dw_1\n", "dw 1", "d\u00e9"])
def test_a_token_with_other_characters_is_told_at_once(token: str) -> None:
    with pytest.raises(Unusable, match="token"):
        Connection("localhost:7070", token)


def test_plaintext_and_credentials_exclude_each_other() -> None:
    with pytest.raises(Unusable, match="not both"):
        Connection("a:1", plaintext=True, credentials=grpc.ssl_channel_credentials())


def test_files_of_tls_are_read_or_refused_by_name(tmp_path: Path) -> None:
    authority = trustme.CA()
    (tmp_path / "ca.pem").write_bytes(authority.cert_pem.bytes())
    (tmp_path / "text").write_text("no certificate")
    assert Connection("localhost:7070", credentials=tls(tmp_path / "ca.pem")).secure
    with pytest.raises(Unusable, match=r"text is no PEM file"):
        tls(tmp_path / "text")
    with pytest.raises(Unusable, match=r"nothing can't be read: No such file"):
        tls(tmp_path / "nothing")
    with pytest.raises(Unusable, match="need each other"):
        tls(tmp_path / "ca.pem", certificate=tmp_path / "ca.pem")


def test_a_token_is_not_shown() -> None:
    assert "secret" not in repr(Connection("localhost:7070", "secret"))
