"""Jobs: done by one process at a time, again and again, and how they went is known."""

import asyncio
import json
import threading
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text
from typer.testing import CliRunner, Result

from admin.cli.main import app
from server.jobs.service import Job, Jobs, is_late
from server.runtime.metrics import Metrics
from server.runtime.settings import Settings
from server.worker import Worker
from tests.access.calls import PEPPER

WAIT_SECONDS = 60.0


def sample(metrics: Metrics, name: str, /, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def fail() -> None:
    raise RuntimeError("the disk is full")


def test_how_a_job_goes_is_written_down_and_told(database: Engine) -> None:
    metrics = Metrics()
    jobs = Jobs(database, metrics)
    jobs.run(Job("sweep", 60, fail))
    ((failed,), now) = jobs.records()
    assert (failed.runs, failed.failures, failed.failing) == (1, 1, 1)
    assert (failed.problem, failed.success_time) == ("RuntimeError: the disk is full", None)
    assert is_late(failed, now)
    assert sample(metrics, "dealwright_job_last_success_timestamp_seconds", name="sweep") == 0
    jobs.run(Job("sweep", 60, fail))
    jobs.run(Job("sweep", 60, lambda: None))

    ((record,), now) = jobs.records()
    assert (record.runs, record.failures, record.failing, record.problem) == (3, 2, 0, "")
    assert record.success_time == record.end_time
    assert record.period == timedelta(seconds=60)
    assert not is_late(record, now)
    assert not is_late(record, record.end_time + timedelta(seconds=3 * 60 + 300))
    assert is_late(record, record.end_time + timedelta(seconds=3 * 60 + 301))
    assert sample(metrics, "dealwright_job_runs_total", name="sweep", outcome="failed") == 2
    assert sample(metrics, "dealwright_job_runs_total", name="sweep", outcome="done") == 1
    assert sample(metrics, "dealwright_job_period_seconds", name="sweep") == 60
    # Another worker knows it too, though the job never went well there.
    other = Metrics()
    Jobs(database, other).run(Job("sweep", 60, fail))
    told = sample(other, "dealwright_job_last_success_timestamp_seconds", name="sweep")
    assert told == pytest.approx(record.end_time.timestamp())


def test_a_job_runs_in_one_process_at_a_time(database: Engine) -> None:
    begun, over = threading.Event(), threading.Event()
    runs: list[str] = []

    def long() -> None:
        runs.append("long")
        begun.set()
        assert over.wait(WAIT_SECONDS)

    thread = threading.Thread(target=Jobs(database).run, args=(Job("sweep", 60, long),))
    thread.start()
    assert begun.wait(WAIT_SECONDS)
    Jobs(database).run(Job("sweep", 60, lambda: runs.append("meanwhile")))
    Jobs(database).run(Job("other", 60, lambda: runs.append("other")))
    over.set()
    thread.join(WAIT_SECONDS)
    Jobs(database).run(Job("sweep", 60, lambda: runs.append("after")))

    assert runs == ["long", "other", "after"]
    assert {record.name: record.runs for record in Jobs(database).records()[0]} == {"sweep": 2, "other": 1}


async def test_a_worker_does_all_its_jobs(database: Engine) -> None:
    metrics = Metrics()
    worker = Worker(Settings(pepper=PEPPER), database, metrics)
    await worker.start()
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            while len(records := (await asyncio.to_thread(Jobs(database).records))[0]) < len(worker.jobs):
                await asyncio.sleep(0.05)
            while sample(metrics, "dealwright_webhook_deliveries", state="pending") is None:
                await asyncio.sleep(0.05)
            names = sorted(job.name for job in worker.jobs)
            while not all(_told(metrics, name) for name in names):
                await asyncio.sleep(0.05)
    finally:
        await worker.stop()

    assert [record.name for record in records] == names
    assert {record.problem for record in records} == {""}


def _told(metrics: Metrics, name: str) -> bool:
    return bool(sample(metrics, "dealwright_job_last_success_timestamp_seconds", name=name))


def run(database_url: str, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    monkeypatch.setenv("DEALWRIGHT_DATABASE_URL", database_url)
    return CliRunner().invoke(app, list(arguments))


def test_the_command_says_what_is_late(
    database: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    none = run(database_url, monkeypatch, "jobs")
    assert (none.exit_code, none.stdout) == (3, "")
    assert "dealwright worker" in none.stderr
    jobs = Jobs(database)
    jobs.run(Job("clean_up", 3600, lambda: None))
    fine = run(database_url, monkeypatch, "jobs")
    assert fine.exit_code == 0
    assert fine.stdout.startswith("fine  clean_up  every 1 h  went well ")
    assert fine.stdout.endswith(" ago  1 runs  0 failed\n")
    assert "all 1 are on time" in run(database_url, monkeypatch, "doctor").stdout
    with database.begin() as connection:
        connection.execute(text("UPDATE job SET success_time = success_time - interval '4 hours'"))
    jobs.run(Job("clean_up", 3600, fail))

    late = run(database_url, monkeypatch, "jobs")
    assert late.exit_code == 3
    assert late.stdout.startswith("LATE  clean_up  every 1 h  went well 4 h ago  2 runs  1 failed")
    assert "1 in a row: RuntimeError: the disk is full" in late.stdout
    (value,) = json.loads(run(database_url, monkeypatch, "jobs", "--json").stdout)
    assert (value["late"], value["period_seconds"], value["failing"]) == (True, 3600, 1)
    doctor = run(database_url, monkeypatch, "doctor").stdout
    assert "jobs: clean_up late" in doctor
    assert "invariants: all" in doctor
