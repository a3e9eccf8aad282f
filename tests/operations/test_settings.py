"""Settings: each variable is read, and each mistake is named."""

from dataclasses import fields
from pathlib import Path

import pytest

from server.db.database import database
from server.runtime.settings import IN_FILES, Address, Settings, SettingsError, unknown_variables


def test_defaults_listen_on_loopback_only() -> None:
    settings = Settings.from_environment({})

    assert settings == Settings()
    assert str(settings.grpc_address) == "127.0.0.1:50051"
    assert str(settings.metrics_address) == "127.0.0.1:9464"
    settings.refuse_plaintext()


def test_every_variable_is_read() -> None:
    settings = Settings.from_environment(
        {
            "DEALWRIGHT_DATABASE_URL": "postgresql://host/database",
            "DEALWRIGHT_DATA_DIR": "data",
            "DEALWRIGHT_COMPANY": "kopi",
            "DEALWRIGHT_GRPC_ADDRESS": "[::1]:5000",
            "DEALWRIGHT_METRICS_ADDRESS": "localhost:0",
            "DEALWRIGHT_ADMIN_ADDRESS": "127.0.0.1:8081",
            "DEALWRIGHT_ADMIN_HOSTS": "promotions.example, [FD00::7]",
            "DEALWRIGHT_TLS_CERTIFICATE": "tls/tls.crt",
            "DEALWRIGHT_TLS_KEY": "tls/tls.key",
            "DEALWRIGHT_TLS_CLIENT_CA": "tls/ca.crt",
            "DEALWRIGHT_ALLOW_PLAINTEXT": "1",
            "DEALWRIGHT_PEPPER": "ab" * 32,
            "DEALWRIGHT_PEPPER_FILE": "secrets/pepper",
            "DEALWRIGHT_WEBHOOK_ADDRESSES": "any",
            "DEALWRIGHT_REFRESH_SECONDS": "0.5",
            "DEALWRIGHT_DRAIN_SECONDS": "30",
            "DEALWRIGHT_LOG_FORMAT": "json",
            "DEALWRIGHT_LOG_LEVEL": "debug",
        }
    )

    assert settings == Settings(
        database_url="postgresql://host/database",
        data_dir=Path("data"),
        company="kopi",
        grpc_address=Address("::1", 5000),
        metrics_address=Address("localhost", 0),
        admin_address=Address("127.0.0.1", 8081),
        admin_hosts=("promotions.example", "[fd00::7]"),
        tls_certificate=Path("tls/tls.crt"),
        tls_key=Path("tls/tls.key"),
        tls_client_ca=Path("tls/ca.crt"),
        allow_plaintext=True,
        pepper="ab" * 32,
        pepper_file=Path("secrets/pepper"),
        webhook_addresses="any",
        refresh_seconds=0.5,
        drain_seconds=30.0,
        log_format="json",
        log_level="debug",
    )
    assert str(settings.grpc_address) == "[::1]:5000"


def test_every_mistake_is_named_at_once() -> None:
    mistakes = {
        "DEALWRIGHT_GRPC_ADDRESS": "50051",
        "DEALWRIGHT_METRICS_ADDRESS": "host:70000",
        "DEALWRIGHT_ADMIN_ADDRESS": ":8080",
        "DEALWRIGHT_ADMIN_HOSTS": "http://promotions.example",
        "DEALWRIGHT_ALLOW_PLAINTEXT": "yes",
        "DEALWRIGHT_REFRESH_SECONDS": "soon",
        "DEALWRIGHT_DRAIN_SECONDS": "nan",
        "DEALWRIGHT_LOG_FORMAT": "xml",
        "DEALWRIGHT_LOG_LEVEL": "loud",
        "DEALWRIGHT_COMPANY": "Kopi Kita",
    }
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment(mistakes)
    assert all(f"{name}={value}" in str(refused.value) for name, value in mistakes.items())


@pytest.mark.parametrize("company", ["k", "Kopi_kita-2.id", "k" * 64])
def test_companies_are_called_as_promotions_are(company: str) -> None:
    assert Settings.from_environment({"DEALWRIGHT_COMPANY": company}).company == company


@pytest.mark.parametrize("company", ["k" * 65, "kopi kita", "kopi\x1b[31m", "caf\u00e9", "\udcff", "k\n"])
def test_a_company_that_none_can_be_called_is_refused(company: str) -> None:
    with pytest.raises(SettingsError, match=r"DEALWRIGHT_COMPANY=.*1 to 64 letters") as refused:
        Settings.from_environment({"DEALWRIGHT_COMPANY": company})
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    "url",
    [
        "garbage",
        "mysql://kopi:hunter2@h/d",
        "postgresql://kopi:hunter2@h:port/d",
        "postgresql://h/d?colour=red",
    ],
)
def test_a_database_url_that_is_none_is_a_wrong_setting(url: str) -> None:
    settings = Settings.from_environment({"DEALWRIGHT_DATABASE_URL": url})

    with pytest.raises(SettingsError, match="DEALWRIGHT_DATABASE_URL: ") as refused, database(settings):
        pass

    assert "hunter2" not in str(refused.value)


def test_a_variable_that_is_no_setting_is_noticed() -> None:
    environment = {"DEALWRIGHT_DATABSE_URL": "x", "DEALWRIGHT_COMPANY": "kopi", "PATH": "/bin"}

    assert unknown_variables(environment) == [
        "DEALWRIGHT_DATABSE_URL is no setting; did you mean DEALWRIGHT_DATABASE_URL?"
    ]


def test_every_setting_is_a_variable_that_is_read() -> None:
    names = {f"DEALWRIGHT_{field.name.upper()}": "" for field in fields(Settings)}

    assert len(names) == 28
    assert unknown_variables(names) == []


@pytest.mark.parametrize("name", IN_FILES)
def test_a_secret_may_be_in_a_file(tmp_path: Path, name: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("postgresql://kopi:hunter2@h/d\n")
    environment = {f"{name}_FILE": str(secret)}

    assert Settings.from_environment(environment) == Settings.from_environment(
        {name: secret.read_text().strip()}
    )
    assert unknown_variables(environment) == []


@pytest.mark.parametrize(
    ("content", "also", "said"),
    [
        (None, {}, "can't be read: No such file or directory"),
        (b"", {}, "is empty"),
        (b"\xff\xfe", {}, "can't be read: it is no text in UTF-8"),
        (b"postgresql://h/d", {"DEALWRIGHT_DATABASE_URL": "postgresql://h/e"}, "unset one of them"),
    ],
)
def test_a_secret_of_which_a_file_can_not_be_the_place_is_refused(
    tmp_path: Path, content: bytes | None, also: dict[str, str], said: str
) -> None:
    secret = tmp_path / "secret"
    if content is not None:
        secret.write_bytes(content)
    with pytest.raises(SettingsError, match=said):
        Settings.from_environment({"DEALWRIGHT_DATABASE_URL_FILE": str(secret), **also})


def test_a_long_mistake_is_cut() -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment({"DEALWRIGHT_LOG_LEVEL": "x" * 10_000})
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "promotions.example"])
def test_plaintext_off_loopback_is_refused_unless_accepted(host: str) -> None:
    exposed = Settings(grpc_address=Address(host, 50051))
    with pytest.raises(SettingsError, match="DEALWRIGHT_ALLOW_PLAINTEXT"):
        exposed.refuse_plaintext()
    Settings(grpc_address=Address(host, 50051), allow_plaintext=True).refuse_plaintext()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_permission(host: str) -> None:
    Settings(grpc_address=Address(host, 50051)).refuse_plaintext()


def test_with_a_certificate_any_address_is_listened_on() -> None:
    Settings(
        grpc_address=Address("0.0.0.0", 50051),
        admin_address=Address("0.0.0.0", 8080),
        tls_certificate=Path("tls.crt"),
        tls_key=Path("tls.key"),
    ).refuse_plaintext()


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ("DEALWRIGHT_TLS_CERTIFICATE", "DEALWRIGHT_TLS_KEY"),
        ("DEALWRIGHT_TLS_KEY", "DEALWRIGHT_TLS_CERTIFICATE"),
        ("DEALWRIGHT_TLS_CLIENT_CA", "DEALWRIGHT_TLS_CERTIFICATE"),
    ],
)
def test_files_of_tls_need_each_other(given: str, missing: str) -> None:
    with pytest.raises(SettingsError, match="DEALWRIGHT_TLS_CERTIFICATE") as refused:
        Settings.from_environment({given: "file.pem"})
    assert given in str(refused.value)
    assert missing in str(refused.value)
