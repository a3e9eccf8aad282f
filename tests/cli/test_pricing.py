"""dealwright evaluate and explain: files in, receipts or JSON out, no database."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from admin.cli.main import app

PROMOTION = """\
id: ten
rule_language: 1
name: [{language: en, text: Ten percent}, {language: id, text: Sepuluh persen}]
percent_discount: {phase: PHASE_ITEM, percent_off_ppm: 100000}
"""
CART = """\
id: bill-1
currency_code: IDR
lines:
  - {id: a, product_id: latte, quantity: 2, unit_price_minor: 2500000}
"""
AT = "2026-11-21T08:00:00Z"
TIER = "{name: a, minimum: [{currency_code: IDR, minor: 1}], points_multiplier_ppm: 2500000}"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """A promotion, a cart, and each of them broken."""
    contents = {
        "promotion": PROMOTION,
        "cart": CART,
        "broken_cart": CART.replace("quantity: 2", "quantity: -2"),
        "unreadable_cart": CART.replace("2500000", "2500000.5"),
        "request": "evaluate_time: 2026-01-01T00:00:00Z\ncart:\n  " + CART.replace("\n", "\n  "),
    }
    for name, content in contents.items():
        (tmp_path / f"{name}.yaml").write_text(content)
    return {name: str(tmp_path / f"{name}.yaml") for name in contents}


def test_a_receipt_adds_up_in_whole_units(files: dict[str, str]) -> None:
    done = CliRunner().invoke(app, ["evaluate", "-p", files["promotion"], "-c", files["cart"], "--at", AT])

    rows = {line[:40].strip(): line[40:].strip() for line in done.stdout.splitlines()}
    assert done.exit_code == 0
    assert rows["2 x latte"] == "50,000.00"
    assert rows["Ten percent"] == "-5,000.00"
    assert rows["To pay"] == "45,000.00"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("rule", "row"),
    [
        ("cashback: {cashback_ppm: 100000}", "Reward of ten: 5,000.00 cashback"),
        (f"threshold_tier: {{tiers: [{TIER}]}}", "Reward of ten: points times 2.5"),
    ],
)
def test_rewards_stand_on_the_receipt_and_lower_nothing(
    files: dict[str, str], tmp_path: Path, rule: str, row: str
) -> None:
    (tmp_path / "reward.yaml").write_text("\n".join([*PROMOTION.splitlines()[:3], rule]))

    done = CliRunner().invoke(app, ["evaluate", "-p", str(tmp_path / "reward.yaml"), "-c", files["cart"]])

    assert row in done.stdout.splitlines()
    assert "Discounts" not in done.stdout


def test_json_is_the_result_as_protojson(files: dict[str, str]) -> None:
    done = CliRunner().invoke(
        app, ["evaluate", "-p", files["promotion"], "-c", files["cart"], "--at", AT, "--json"]
    )

    result = json.loads(done.stdout)
    assert result["totals"]["payable_minor"] == "4500000"
    assert result["evaluate_time"] == AT
    assert result["applications"][0]["promotion_id"] == "ten"


def test_promotions_may_follow_one_option(files: dict[str, str], tmp_path: Path) -> None:
    second = tmp_path / "second.yaml"
    second.write_text(PROMOTION.replace("id: ten", "id: twenty").replace("100000", "200000"))

    done = CliRunner().invoke(
        app, ["evaluate", "--promotions", files["promotion"], str(second), "--cart", files["cart"], "--json"]
    )

    applied = {application["promotion_id"] for application in json.loads(done.stdout)["applications"]}
    assert applied == {"ten", "twenty"}


def test_the_instant_of_a_request_is_kept_and_at_wins(files: dict[str, str]) -> None:
    arguments = ["evaluate", "-p", files["promotion"], "-c", files["request"], "--json"]

    kept = json.loads(CliRunner().invoke(app, arguments).stdout)
    moved = json.loads(CliRunner().invoke(app, [*arguments, "--at", AT]).stdout)

    assert (kept["evaluate_time"], moved["evaluate_time"]) == ("2026-01-01T00:00:00Z", AT)


def test_a_cart_may_come_from_standard_input(files: dict[str, str]) -> None:
    done = CliRunner().invoke(app, ["evaluate", "-p", files["promotion"], "-c", "-", "--json"], input=CART)

    assert json.loads(done.stdout)["totals"]["payable_minor"] == "4500000"


def test_texts_come_in_the_language_asked_for(files: dict[str, str]) -> None:
    done = CliRunner().invoke(
        app, ["evaluate", "-p", files["promotion"], "-c", files["cart"], "--language", "id"]
    )

    assert "Sepuluh persen" in done.stdout


@pytest.mark.parametrize(
    ("cart", "place"),
    [
        ("broken_cart", "broken_cart.yaml:4: cart.lines[0].quantity"),
        ("unreadable_cart", "unreadable_cart.yaml:4"),
    ],
)
@pytest.mark.parametrize("command", ["evaluate", "explain"])
def test_a_broken_cart_ends_with_one_and_its_place(
    files: dict[str, str], command: str, cart: str, place: str
) -> None:
    done = CliRunner().invoke(app, [command, "-p", files["promotion"], "-c", files[cart]])

    assert done.exit_code == 1
    assert done.stdout == ""
    assert place in done.stderr


def test_explain_speaks_of_no_batch() -> None:
    assert "--batch" not in CliRunner().invoke(app, ["explain", "--help"]).stdout


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["-p", "-", "-c", "-"],
        ["--cart", "none.yaml"],
        ["--nonsense"],
        ["-p", "a.yaml", "-c", "b.yaml", "--at", "tomorrow"],
    ],
)
@pytest.mark.parametrize("command", ["evaluate", "explain"])
def test_wrong_usage_ends_with_two(command: str, arguments: list[str]) -> None:
    done = CliRunner().invoke(app, [command, *arguments])

    assert done.exit_code == 2
    assert done.stdout == ""


def test_an_unusable_promotion_is_told_and_leaves_the_others_in_force(
    files: dict[str, str], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text(PROMOTION.replace("id: ten", "id: broken").replace("100000", "5000000"))

    done = CliRunner().invoke(
        app, ["evaluate", "-p", str(broken), files["promotion"], "-c", files["cart"], "--json"]
    )

    assert done.exit_code == 0
    assert "broken.yaml:4: percent_discount.percent_off_ppm" in done.stderr
    assert [applied["promotion_id"] for applied in json.loads(done.stdout)["applications"]] == ["ten"]


def test_explain_says_how_in_words_and_gives_every_verdict(files: dict[str, str], tmp_path: Path) -> None:
    later = tmp_path / "later.yaml"
    later.write_text(
        PROMOTION.replace("id: ten", "id: later") + "schedule: {start_time: 2030-01-01T00:00:00Z}\n"
    )
    arguments = ["explain", "-p", files["promotion"], str(later), "-c", files["cart"], "--at", AT]

    text = CliRunner().invoke(app, arguments)
    value = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)

    assert text.exit_code == 0
    assert "How it was computed\n  ten: " in text.stdout
    assert "later: not started" in text.stdout
    reasons = {verdict["promotion_id"]: verdict["reason"] for verdict in value["result"]["verdicts"]}
    assert reasons == {"ten": "REASON_APPLIED", "later": "REASON_NOT_STARTED"}
    assert value["traces"][0]["given_minor"] == "500000"
