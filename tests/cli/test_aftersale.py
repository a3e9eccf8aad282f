"""dealwright refund, replay and compare: from files, and from a running service."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from admin.cli.main import app
from server.definitions.service import Definitions, Publication
from server.runtime.app import Application
from tests.definitions.samples import percent_off

PROMOTION = """\
id: ten
rule_language: 1
name: [{language: en, text: Ten percent}]
percent_discount: {phase: PHASE_ITEM, percent_off_ppm: 100000}
"""
TEA = """\
id: tea
rule_language: 1
name: [{language: en, text: Free tea}]
free_item:
  min_purchase: {minimum: [{currency_code: IDR, minor: 4000000}]}
  gift: {product_id: tea, unit_value: [{currency_code: IDR, minor: 1200000}]}
"""
POINTS = """\
id: points
rule_language: 1
name: [{language: en, text: Points}]
custom:
  steps:
    - phase: PHASE_REWARD
      reward: {points_per: {points: 1, step: [{currency_code: IDR, minor: 100000}]}}
"""
SALE = """\
evaluate_time: 2026-11-21T08:00:00Z
cart:
  id: bill-1
  currency_code: IDR
  lines:
    - {id: a, product_id: latte, quantity: 2, unit_price_minor: 2500000, tax_rate_ppm: 110000}
    - {id: b, parent_id: a, product_id: shot, quantity: 1, unit_price_minor: 800000}
"""


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Promotions, and a sale with and without its instant."""
    contents = {
        "ten": PROMOTION,
        "twenty": PROMOTION.replace("100000", "200000"),
        "tea": TEA,
        "points": POINTS,
        "sale": SALE,
        "timeless": SALE.split("\n", 1)[1],
    }
    for name, content in contents.items():
        (tmp_path / f"{name}.yaml").write_text(content)
    return {name: str(tmp_path / f"{name}.yaml") for name in contents}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def rows(done: Result) -> dict[str, str]:
    return {line[:58].strip(): line[58:].strip() for line in done.stdout.splitlines()}


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--return", "a=99999999999999999999"),
        ("--return", "a=1@99999999999999999999"),
        ("--gift", "tea/tea=99999999999999999999"),
        ("--refunded", "99999999999999999999"),
        ("--refunded-tax", "99999999999999999999"),
    ],
)
def test_numbers_that_no_message_carries_are_wrong_options(
    files: dict[str, str], option: str, value: str
) -> None:
    done = run("refund", "-p", files["ten"], "-c", files["sale"], option, value)

    assert done.exit_code == 2
    assert option in done.stderr


def test_a_refund_is_a_receipt(files: dict[str, str]) -> None:
    done = run("refund", "-p", files["ten"], "-c", files["sale"], "--return", "a=1", "--refunded", "1000000")

    assert done.exit_code == 0
    assert "Refund for bill-1, policy keep" in done.stdout
    told = rows(done)
    assert told["1 x latte"] == "22,500.00"
    assert told["Due for all that came back"] == "22,500.00"
    assert told["Refunded before"] == "-10,000.00"
    assert told["To refund"] == "12,500.00"
    assert told["tax in it"] == "2,229.72"


def test_tax_on_top_is_refunded_with_the_amount(files: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(SALE.replace("IDR\n", "IDR\n  price_mode: PRICE_MODE_TAX_EXCLUSIVE\n"))
    done = run("refund", "-p", files["ten"], "-c", str(tmp_path / "net.yaml"), "--return", "a=1")

    told = rows(done)
    assert told["1 x latte"] == "22,500.00"
    assert told["To refund"] == "24,975.00"
    assert told["tax in it"] == "2,475.00"


def test_nothing_of_others_steers_the_terminal(files: dict[str, str], tmp_path: Path) -> None:
    odd = SALE.replace("latte", '"lat\\e[2Jte"').replace("id: a,", 'id: "a\\e",')
    (tmp_path / "odd.yaml").write_text(odd)
    (tmp_path / "free.yaml").write_text(PROMOTION.replace("100000", "1000000"))
    cart = str(tmp_path / "odd.yaml")

    refunded = run("refund", "-p", files["ten"], "-c", cart, "--return", "b=1", "--return", "a\x1b=1")
    compared = run("compare", "--before", files["ten"], "--after", str(tmp_path / "free.yaml"), "-c", cart)

    for done in (refunded, compared):
        assert done.exit_code == 0
        assert "\\x1b" in done.stdout
        assert "\x1b" not in done.stdout


def test_claims_stand_on_the_receipt(files: dict[str, str]) -> None:
    arguments = ["-p", files["ten"], files["tea"], files["points"], "-c", files["sale"]]
    done = run("refund", *arguments, "--return", "a=1", "--policy", "claw-back", "--refunded", "2000000")

    told = rows(done)
    assert told["1 x tea, a gift of tea"] == "-12,000.00"
    assert told["23 points of points, to be reversed"] == "0.00"
    assert told["To refund"] == "0.00"
    assert told["Refunded too much before"] == "9,500.00"


def test_a_recorded_result_says_what_was_paid(files: dict[str, str], tmp_path: Path) -> None:
    record = tmp_path / "result.json"
    record.write_text(run("evaluate", "-p", files["ten"], "-c", files["sale"], "--json").stdout)
    done = run(
        "refund",
        "-p",
        files["ten"],
        "-c",
        files["sale"],
        "-r",
        "a=2",
        "-r",
        "b=1",
        "--json",
        "--result",
        str(record),
    )

    answer = json.loads(done.stdout)
    assert answer["refund"]["refund"] == answer["refund"]["paid"]
    assert answer["refund"]["refund"]["minor"] == "5300000"


@pytest.mark.parametrize(
    ("arguments", "place", "code"),
    [
        (["--return", "a=3"], "--return a=3: returned[0].quantity", "out_of_range"),
        (["-r", "b=1", "-r", "c=1"], "--return c=1: returned[1].line_id", "line_unknown"),
        (["-r", "a=1@0", "-r", "a=1@0"], "--return a=1@0: returned[1].first_unit", "duplicate"),
        (["-r", "a=2"], "sale.yaml:7: cart.lines[1].parent_id", "parent_returned"),
        (["--gift", "x/y=1"], "--gift x/y=1: gifts_returned[0]", "not_allowed"),
        (["--reversed", "x"], "--reversed x: rewards_reversed[0]", "not_allowed"),
        (["--hash", "0" * 64], "sale.result_hash", "result_differs"),
    ],
)
def test_what_is_wrong_is_told_with_its_option(
    files: dict[str, str], arguments: list[str], place: str, code: str
) -> None:
    done = run("refund", "-p", files["ten"], "-c", files["sale"], *arguments)

    assert (done.exit_code, done.stdout) == (1, "")
    assert place in done.stderr
    assert f"[error {code}]" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["refund"],
        ["refund", "-p", "{ten}", "-c", "{sale}", "--return", "a"],
        ["refund", "-p", "{ten}", "-c", "{sale}", "--return", "a=-1"],
        ["refund", "-p", "{ten}", "-c", "{sale}", "--gift", "tea"],
        ["refund", "-p", "{ten}", "-c", "{sale}", "--policy", "all"],
        ["refund", "-p", "{ten}", "-c", "{sale}", "--refunded", "-1"],
        ["refund", "-p", "{ten}", "-c", "{timeless}"],
        ["replay"],
        ["replay", "-p", "{ten}", "-c", "{timeless}"],
        ["replay", "-p", "{ten}", "-c", "{sale}", "--hash", "abc"],
        ["replay", "-c", "{sale}", "--server", "127.0.0.1:1"],
        ["compare", "--before", "{ten}", "-c", "{sale}"],
        ["compare", "--before", "{ten}", "--after", "{ten}"],
        ["compare", "-b", "1", "-a", "x", "-c", "{sale}", "--server", "127.0.0.1:1"],
    ],
)
def test_wrong_usage_ends_with_two(files: dict[str, str], arguments: list[str]) -> None:
    done = run(*(argument.format(**files) for argument in arguments))

    assert (done.exit_code, done.stdout) == (2, "")
    assert "--" in done.stderr


def test_a_replay_ends_with_one_when_the_result_is_another(files: dict[str, str]) -> None:
    paid = json.loads(run("evaluate", "-p", files["ten"], "-c", files["sale"], "--json").stdout)
    asked = ["-c", files["sale"], "--hash", paid["result_hash"], "--json"]

    same = run("replay", "-p", files["ten"], *asked)
    other = run("replay", "-p", files["twenty"], *asked)

    assert (same.exit_code, other.exit_code) == (0, 1)
    assert json.loads(same.stdout) == {"result": paid, "matches": True}
    assert json.loads(other.stdout)["matches"] is False
    assert "recorded" in other.stderr


def test_a_replay_is_a_receipt_with_its_hash(files: dict[str, str]) -> None:
    done = run("replay", "-p", files["ten"], "-c", files["sale"])
    word, hash_ = done.stdout.splitlines()[-1].split()

    assert (done.exit_code, word, len(bytes.fromhex(hash_))) == (0, "Hash", 32)


def test_a_comparison_is_told_in_words(files: dict[str, str]) -> None:
    done = run("compare", "--before", files["ten"], "--after", files["twenty"], "-c", files["sale"])

    assert done.exit_code == 0
    assert "ten: Before: Applied: IDR 5,000.00 off. After: Applied: IDR 10,000.00 off." in done.stdout
    assert "line a: discount +5,000.00, to pay -5,000.00" in done.stdout
    assert "IDR 5,000.00 less to pay." in done.stdout


def test_nothing_differs_between_a_folder_and_itself(files: dict[str, str]) -> None:
    done = run("compare", "--before", files["ten"], "--after", files["ten"], "-c", files["sale"], "-l", "id")

    assert "Yang dibayar sama." in done.stdout
    assert done.stdout.endswith("Nothing differs.\n")


def test_a_broken_cart_of_a_comparison_ends_with_one_and_its_place(
    files: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "broken.yaml").write_text(SALE.replace("quantity: 2", "quantity: -2"))
    cart = str(tmp_path / "broken.yaml")

    for arguments in (
        ["compare", "--before", files["ten"], "--after", files["ten"], "-c", cart],
        ["replay", "-p", files["ten"], "-c", cart],
        ["refund", "-p", files["ten"], "-c", cart],
    ):
        done = run(*arguments)
        assert (done.exit_code, done.stdout) == (1, "")
        assert "broken.yaml:6: cart.lines[0].quantity" in done.stderr


async def test_a_service_answers_for_its_revisions(
    application: Application, definitions: Definitions, files: dict[str, str]
) -> None:
    definitions.publish("kopi", Publication([percent_off("ten", 10)]))
    definitions.publish("kopi", Publication([percent_off("ten", 20)]))
    await application.holder.refresh()
    where = ["-c", files["sale"], "--server", str(application.grpc_address)]

    replayed = await process("replay", *where, "--revision", "1", "--json")
    compared = await process("compare", *where, "--before", "1", "--after", "2")
    unknown = await process("replay", *where, "--revision", "3")

    assert json.loads(replayed.stdout)["result"]["totals"]["payable_minor"] == "5300000"
    assert "IDR 5,000.00 less to pay." in compared.stdout
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "there is no revision 3" in unknown.stderr


async def process(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own, while the server of the test goes on."""
    command = [sys.executable, "-m", "admin.cli.main", *arguments]
    return await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_service_that_is_not_there_ends_with_three(files: dict[str, str]) -> None:
    done = run("replay", "-c", files["sale"], "--server", "127.0.0.1:1", "--revision", "1")

    assert (done.exit_code, done.stdout) == (3, "")
    assert "127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr
