"""dealwright evaluate --batch: a line in, a line out, whatever happens."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from admin.cli.main import app


def line(percent: int = 10, **changes: Any) -> dict[str, Any]:
    promotion = {
        "id": "offer",
        "rule_language": 1,
        "name": [{"language": "en", "text": "Offer"}],
        "percent_discount": {"phase": "PHASE_ITEM", "percent_off_ppm": percent * 10_000},
    }
    cart = {"currency_code": "IDR", "lines": [{"id": "a", "quantity": 1, "unit_price_minor": "2500000"}]}
    return {"promotions": [promotion], "cart": cart, "at": "2026-11-21T08:00:00Z", **changes}


def run(lines: list[str], *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    done = CliRunner().invoke(app, ["evaluate", "--batch", *arguments], input="\n".join(lines))
    return done.exit_code, [json.loads(answer) for answer in done.stdout.splitlines()]


def test_one_result_a_line_in_order() -> None:
    code, answers = run([json.dumps(line(percent)) for percent in (10, 10, 20)])

    assert code == 0
    assert [answer["totals"]["discount_minor"] for answer in answers] == ["250000", "250000", "500000"]
    assert {answer["evaluate_time"] for answer in answers} == {"2026-11-21T08:00:00Z"}


def test_policy_and_limit_state_count() -> None:
    rounding = {"rounding": {"increments": [{"currency_code": "IDR", "minor": 1_000_000}]}}
    exhausted = {"promotions": [{"promotion_id": "offer", "uses_left": 0}]}

    code, (rounded, limited) = run(
        [json.dumps(line(policy=rounding)), json.dumps(line(limit_state=exhausted))]
    )

    assert code == 0
    assert rounded["totals"].get("discount_minor", "0") == "0"
    assert limited["verdicts"][0]["reason"] == "REASON_LIMIT"


def test_a_bad_line_gives_an_error_object_and_the_rest_goes_on() -> None:
    negative = line()
    negative["cart"]["lines"][0]["quantity"] = -1
    bad = [
        "{",
        '{"promotions": []}',
        json.dumps(line(colour="red")),
        json.dumps(line(at="soon")),
        json.dumps(negative),
        "[]",
    ]

    code, answers = run([json.dumps(line()), "", *bad, json.dumps(line())])

    assert code == 1
    assert [answer.get("error", {}).get("line") for answer in answers] == [None, 3, 4, 5, 6, 7, 8, None]
    assert answers[1]["error"]["file"] == "standard input"
    findings = [finding for answer in answers if "error" in answer for finding in answer["error"]["findings"]]
    assert len(findings) == len(bad)
    assert all(finding["message"] for finding in findings)
    assert [finding["field"] for finding in findings][3:5] == ["evaluate_time", "cart.lines[0].quantity"]


def test_an_unknown_zone_is_an_error_of_its_line() -> None:
    code, (answer,) = run([json.dumps(line(policy={"time_zone": "Mars/Base"}))])

    assert code == 1
    assert answer["error"]["findings"][0]["field"] == "policy.time_zone"


def test_lines_may_come_from_files(tmp_path: Path) -> None:
    file = tmp_path / "lines.jsonl"
    file.write_text(f"{json.dumps(line())}\n{json.dumps(line(20))}\n")

    code, answers = run([], str(file), str(file))

    assert (code, len(answers)) == (0, 4)


def test_a_bad_line_is_found_in_its_file(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("\n\n{")
    (tmp_path / "b.jsonl").write_text("{")

    code, answers = run([], str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl"))

    places = [(Path(answer["error"]["file"]).name, answer["error"]["line"]) for answer in answers]
    assert (code, places) == (1, [("a.jsonl", 3), ("b.jsonl", 1)])


@pytest.mark.parametrize("option", ["--cart", "--promotions", "--language"])
def test_what_stands_in_the_lines_is_no_option(option: str) -> None:
    done = CliRunner().invoke(app, ["evaluate", "--batch", option, "x"], input=json.dumps(line()))

    assert (done.exit_code, done.stdout) == (2, "")
    assert option in done.stderr


def test_a_missing_file_is_a_finding(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["evaluate", "--batch", str(tmp_path / "none.jsonl")])

    assert done.exit_code == 1
    assert "No such file" in done.stderr


def test_at_wins_over_the_lines() -> None:
    _, (answer,) = run([json.dumps(line())], "--at", "2026-12-01T00:00:00Z")

    assert answer["evaluate_time"] == "2026-12-01T00:00:00Z"
