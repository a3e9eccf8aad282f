"""`dealwright up` as a real process: it starts, answers, and ends in good order."""

import json
import signal
import subprocess
from pathlib import Path

import grpc
import httpx
import pytest
from dealwright.v1.evaluation_service_pb2_grpc import EvaluationServiceStub

from server.definitions.service import Definitions, Publication
from tests.definitions.samples import percent_off
from tests.evaluation.requests import latte_request
from tests.operations.processes import DEALWRIGHT, WAIT_SECONDS, environment, finished, running

pytestmark = pytest.mark.process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_zero(
    database_url: str, definitions: Definitions, number: signal.Signals
) -> None:
    definitions.publish("kopi", Publication([percent_off("ten", 10)]))
    with running("serve", DEALWRIGHT_DATABASE_URL=database_url, DEALWRIGHT_LOG_FORMAT="json") as (
        process,
        where,
    ):
        with grpc.insecure_channel(where["grpc"]) as channel:
            response = EvaluationServiceStub(channel).Evaluate(latte_request(), timeout=WAIT_SECONDS)
        process.send_signal(number)
        _, talk = process.communicate(timeout=WAIT_SECONDS)

    assert response.result.totals.discount_minor == 500_000
    assert process.returncode == 0
    events = [json.loads(line)["event"] for line in talk.splitlines()]
    assert events == ["ruleset_active", "serving", "stopped"]


@pytest.mark.database
def test_two_that_start_at_once_share_one_postgres(data_dir: Path) -> None:
    both = [
        subprocess.Popen(
            [DEALWRIGHT, "up", "--json"],
            env=environment(DEALWRIGHT_DATA_DIR=str(data_dir)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    announced = [process.stdout.readline() for process in both if process.stdout]
    for process in both:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=WAIT_SECONDS)

    assert all("grpc" in line for line in announced)
    assert [process.returncode for process in both] == [0, 0]
    assert not (data_dir / "postgres" / "postmaster.pid").exists()


@pytest.mark.database
def test_up_brings_its_own_postgres_and_takes_it_away(data_dir: Path) -> None:
    with running("up", DEALWRIGHT_DATA_DIR=str(data_dir)) as (process, where):
        assert where["grpc"].startswith("127.0.0.1:")
        assert httpx.get(f"{where['api']}/healthz", timeout=WAIT_SECONDS).json() == {"status": "ok"}
        assert (data_dir / "postgres" / "postmaster.pid").exists()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=WAIT_SECONDS)

    assert process.returncode == 0
    assert not (data_dir / "postgres" / "postmaster.pid").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_api_runs_alone_and_ends_in_good_order(database_url: str, number: signal.Signals) -> None:
    settings = {"DEALWRIGHT_DATABASE_URL": database_url, "DEALWRIGHT_LOG_FORMAT": "json"}
    with running("admin", **settings) as (process, where):
        assert httpx.get(f"{where['api']}/openapi.json", timeout=WAIT_SECONDS).status_code == 200
        assert "dealwright_http_request_seconds" in httpx.get(where["metrics"], timeout=WAIT_SECONDS).text
        process.send_signal(number)
        _, talk = process.communicate(timeout=WAIT_SECONDS)

    assert process.returncode == 0
    assert [json.loads(line)["event"] for line in talk.splitlines()] == ["serving", "stopped"]


def test_a_taken_port_is_said_in_words(database_url: str) -> None:
    settings = {"DEALWRIGHT_DATABASE_URL": database_url, "DEALWRIGHT_LOG_LEVEL": "error"}
    with running("serve", **settings) as (_, where):
        second = finished("serve", **settings, DEALWRIGHT_GRPC_ADDRESS=where["grpc"])

    assert second.returncode == 3
    assert second.stderr == (
        f"gRPC can't listen on {where['grpc']}; if something else runs there, set DEALWRIGHT_GRPC_ADDRESS\n"
    )


def test_a_database_without_schema_is_not_served(postgres_url: str) -> None:
    refused = finished("serve", DEALWRIGHT_DATABASE_URL=postgres_url)

    assert refused.returncode == 3
    assert "run `dealwright migrate`" in refused.stderr


def test_an_unreachable_database_is_said_in_words() -> None:
    refused = finished("serve", DEALWRIGHT_DATABASE_URL="postgresql://kopi:hunter2@127.0.0.1:1/dealwright")

    assert refused.returncode == 3
    assert "127.0.0.1:1/dealwright" in refused.stderr
    assert "hunter2" not in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_database_url_that_is_none_is_a_wrong_setting() -> None:
    refused = finished("serve", DEALWRIGHT_DATABASE_URL="garbage", DEALWRIGHT_DATABSE_URL="x")

    assert refused.returncode == 2
    assert refused.stderr.splitlines() == [
        "DEALWRIGHT_DATABSE_URL is no setting; did you mean DEALWRIGHT_DATABASE_URL?",
        "Settings: DEALWRIGHT_DATABASE_URL: it is no URL of a database such as postgresql://user@host/database",
    ]


def test_a_company_without_promotions_is_told_with_those_that_have_some(
    database_url: str, definitions: Definitions
) -> None:
    definitions.publish("kopi", Publication([percent_off("ten", 10)]))
    settings = {"DEALWRIGHT_DATABASE_URL": database_url, "DEALWRIGHT_COMPANY": "roti"}
    with running("serve", **settings) as (process, where):
        process.send_signal(signal.SIGTERM)
        _, talk = process.communicate(timeout=WAIT_SECONDS)

    assert not where["ready"]
    assert "DEALWRIGHT_COMPANY=roti: nothing is published for it, only for kopi" in talk


def test_wrong_settings_are_wrong_usage() -> None:
    refused = finished("up", DEALWRIGHT_GRPC_ADDRESS="0.0.0.0:50051")

    assert refused.returncode == 2
    assert "DEALWRIGHT_ALLOW_PLAINTEXT" in refused.stderr
