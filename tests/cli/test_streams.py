"""Standard streams that are full, closed, missing or of few letters never lead to a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.operations.processes import environment

pytestmark = pytest.mark.process

DEALWRIGHT = Path(sys.executable).with_name("dealwright")
DEMO = Path(__file__).parents[2] / "examples" / "demo"
EVALUATE = (
    "evaluate",
    *("--promotions", str(DEMO / "company.yaml"), str(DEMO / "promotions")),
    *("--cart", str(DEMO / "carts" / "01-sunday-family.yaml")),
)


def run(redirection: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command, started by a shell that redirects its streams."""
    return subprocess.run(
        ["/bin/sh", "-c", f'"$0" "$@" {redirection}', DEALWRIGHT, *arguments],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("arguments", [("--help",), EVALUATE])
def test_a_full_device_is_said_in_words(arguments: tuple[str, ...]) -> None:
    done = run(">/dev/full", *arguments)

    assert done.returncode == 3
    assert done.stderr == "Standard output can't be written: No space left on device.\n"


def test_a_reader_that_has_left_is_told_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [DEALWRIGHT, *EVALUATE], stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False
    )
    os.close(writing)

    assert (done.returncode, done.stderr) == (3, b"")


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_closed_streams_do_no_harm(closed: str) -> None:
    done = run(closed, *EVALUATE)

    assert (done.returncode, done.stderr) == (0, "")


def test_standard_input_that_is_closed_is_empty() -> None:
    done = run("<&-", "validate", "-")

    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_letters_that_the_terminal_lacks_are_shown_by_number(tmp_path: Path) -> None:
    (tmp_path / "cart.yaml").write_text(
        "currency_code: USD\nlines: [{id: a, product_id: café, quantity: 1, unit_price_minor: 5}]"
    )
    (tmp_path / "none.yaml").write_text("[]")

    done = run(
        "",
        *("evaluate", "-p", str(tmp_path / "none.yaml"), "-c", str(tmp_path / "cart.yaml")),
        PYTHONIOENCODING="ascii",
    )

    assert done.returncode == 0, done.stderr
    assert "1 x caf\\xe9" in done.stdout


def test_talk_that_nobody_can_hear_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "none.yaml").write_text("[]")

    assert run("2>/dev/full", "validate", str(tmp_path)).returncode == 0
