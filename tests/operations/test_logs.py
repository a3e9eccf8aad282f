"""Logs are heard by whoever listens, and stop nothing when nobody does."""

import subprocess
import sys

import pytest
import structlog

from server.runtime import logs


def test_a_log_that_nobody_reads_stops_nothing() -> None:
    program = (
        "import structlog; from server.runtime import logs; logs.configure();"
        "structlog.get_logger().info('said'); print('went on')"
    )
    done = subprocess.run(
        ["/bin/sh", "-c", '"$0" -c "$1" 2>/dev/full', sys.executable, program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stdout == "went on\n"


def test_a_line_is_written_to_what_standard_error_is(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        logs.configure("json")
        structlog.get_logger().info("said", by="kopi")
    finally:
        structlog.reset_defaults()

    assert '"by": "kopi"' in capsys.readouterr().err
