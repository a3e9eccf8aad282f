"""dealwright till as a process without a network: scripts, a dumb terminal, and kills while selling."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest
from dealwright.till.journal import FILE, Journal
from dealwright.till.storage import Storage
from dealwright.till.till import Till

from server.documents import read_definitions
from tests.client.bundles import Signatory
from tests.operations.processes import DEALWRIGHT, WAIT_SECONDS, environment, finished
from tests.structure.tree import ROOT

DEMO = ROOT / "examples" / "demo"
KILLS = 5

pytestmark = pytest.mark.process


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    """A till with the demo company's promotions on its disk."""
    signatory = Signatory()
    ruleset = read_definitions([DEMO / "company.yaml", DEMO / "promotions"]).ruleset()
    ruleset.revision = 1
    with Till(tmp_path / "till", "till-1", signatory.root_key) as till:
        till.offer(signatory.bundle(ruleset))
    (tmp_path / "root.pub").write_text(signatory.root_key.hex())
    return [
        *("till", "--folder", str(tmp_path / "till"), "--root-key", str(tmp_path / "root.pub")),
        *("--store", "kopi-tepi-sudirman", "--every-store"),
    ]


def test_a_script_scans_and_sells(arguments: list[str], tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(
        """
        # two dishes and a drink
        mie-goreng-jawa 2
        scan es-jeruk
        status
        pay bill-1
        remove 1   # there is nothing left to remove
        """
    )
    done = finished(*arguments, "--script", str(script))

    assert "   2 x mie-goreng-jawa" in done.stdout
    assert "   1 x es-jeruk" in done.stdout
    assert "offline; rules stale; revision 1; 0 to upload" in done.stdout.replace("fresh", "stale")
    assert re.search(r"^To pay .*\n(?:.*\n)+Sold bill-1 for", done.stdout, re.MULTILINE)
    assert (done.returncode, "there is no line 1" in done.stderr) == (1, True)
    assert Journal(Storage(tmp_path / "till")).sale("bill-1") is not None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("mie", "is it mie-goreng-jawa"),
        ("nothing-of-the-kind", "products lists them"),
        ("es-jeruk 0", "a quantity is 1 to 999"),
        ("es-jeruk 1 2 3", "with 4 arguments"),
        ("pay", "the cart is empty"),
        ("upload", "has no address"),
        ("offer missing-file", "No such file"),
        ("wait for-ever", "wait for revision N"),
    ],
)
def test_what_is_wrong_is_told(arguments: list[str], tmp_path: Path, line: str, said: str) -> None:
    script = tmp_path / "script"
    script.write_text(line)
    done = finished(*arguments, "--script", str(script))

    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_key_it_says_what_it_needs(tmp_path: Path) -> None:
    done = finished("till", "--folder", str(tmp_path / "till"))
    assert (done.returncode, "--root-key" in done.stderr) == (2, True)


def test_a_dumb_terminal_gets_line_after_line(arguments: list[str]) -> None:
    done = subprocess.run(
        [DEALWRIGHT, *arguments],
        env=environment(TERM="dumb"),
        input="es-jeruk 3\nnonsense\npay bill-1\nquit\n",
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    for part in ("   3 x es-jeruk", "there is no nonsense", "Sold bill-1", "Goodbye."):
        assert part in done.stdout


def test_a_kill_in_the_middle_of_selling_loses_no_receipt(arguments: list[str], tmp_path: Path) -> None:
    """What was printed is in the journal, and what is in the journal counts once."""
    printed: set[str] = set()
    for round_number in range(KILLS):
        script = "".join(f"es-jeruk\npay bill-{round_number}-{number}\n" for number in range(2000))
        process = subprocess.Popen(
            [DEALWRIGHT, *arguments, "--script", "-"],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        (tmp_path / "script").write_text(script)
        process.stdin.write(script[:4000])
        process.stdin.flush()
        end = time.monotonic() + WAIT_SECONDS
        wanted = len(printed) + 3 + round_number
        for line in process.stdout:
            if line.startswith("Sold "):
                printed.add(line.split()[1])
            if len(printed) >= wanted or time.monotonic() > end:
                break
        process.kill()
        rest, _ = process.communicate(timeout=WAIT_SECONDS)
        printed |= {
            line.split()[1] for line in rest.splitlines() if line.startswith("Sold ") and "entry" in line
        }

    storage = Storage(tmp_path / "till")
    assert storage.read(FILE)
    journal = Journal(storage)
    _, messages = journal.pending(10_000, 1 << 30)
    kept = [entry.record.sale.sale_id for entry in journal._entries if entry.record.HasField("sale")]  # noqa: SLF001
    assert len(messages) == journal.place.sequence
    assert printed <= set(kept)
    assert len(kept) == len(set(kept)) <= len(printed) + KILLS * 50
