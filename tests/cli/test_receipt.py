"""Receipts: what a customer and a shopkeeper read, and nothing that steers their terminal."""

import json
import sys
from typing import Any

import pytest
from dealwright.v1.cart_pb2 import Cart, PriceMode
from dealwright.v1.diagnostic_pb2 import Diagnostic
from dealwright.v1.result_pb2 import CodeOutcome, Reason, Result, Totals

from admin.cli.findings import of_diagnostic
from admin.cli.output import emit_json, visible
from admin.cli.receipt import receipt

ESCAPE = "\x1b[2J\x9b1m\u202e\n"


def priced(**totals: Any) -> Result:
    result = Result(currency_code="USD", totals=Totals(**totals))
    result.evaluate_time.FromJsonString("2026-11-29T05:30:00Z")
    return result


def rows(cart: Cart, result: Result) -> dict[str, str]:
    return {line[:58].strip(): line[58:].strip() for line in receipt(cart, result).splitlines()}


def test_tax_on_top_is_part_of_what_is_to_pay() -> None:
    cart = Cart(price_mode=PriceMode.PRICE_MODE_TAX_EXCLUSIVE)
    shown = rows(
        cart, priced(list_minor=10_000, discount_minor=1_000, payable_minor=9_000, payable_tax_minor=990)
    )

    assert (shown["Before tax"], shown["Tax"], shown["To pay"]) == ("90.00", "9.90", "99.90")


def test_tax_that_is_inside_is_named_below() -> None:
    shown = rows(Cart(), priced(list_minor=10_000, payable_minor=10_000, payable_tax_minor=991))

    assert (shown["To pay"], shown["tax in it"]) == ("100.00", "9.91")
    assert "Tax" not in shown


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("Asia/Jakarta", "2026-11-29T12:30:00+07:00 Asia/Jakarta, amounts in USD"),
        ("", "2026-11-29T05:30:00Z, amounts in USD"),
        ("Mars/Base", "2026-11-29T05:30:00Z, amounts in USD"),
        ("../etc", "2026-11-29T05:30:00Z, amounts in USD"),
    ],
)
def test_the_time_is_that_of_the_place(zone: str, shown: str) -> None:
    assert receipt(Cart(time_zone=zone), priced()).splitlines()[1] == shown


def test_the_time_has_no_parts_of_a_second() -> None:
    result = priced()
    result.evaluate_time.nanos = 999_999_999

    assert receipt(Cart(), result).splitlines()[1] == "2026-11-29T05:30:00Z, amounts in USD"


def test_a_gift_says_what_it_is_worth() -> None:
    result = priced()
    result.gifts.add(promotion_id="tea", product_id="iced-tea", quantity=2, value_minor=700)

    assert "   2 x iced-tea, a gift of tea, worth 7.00" in receipt(Cart(), result).splitlines()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("There is no s9.", "Check cart.store_id: There is no s9."),
        ("", "Check cart.store_id: s9 [store_unknown]"),
    ],
)
def test_a_remark_stands_at_the_end(text: str, shown: str) -> None:
    result = priced()
    remark = result.remarks.add(code="store_unknown", field="cart.store_id", text=text)
    remark.parameters.add(name="value", text="s9")

    assert receipt(Cart(), result).splitlines()[-1] == shown


@pytest.mark.parametrize(
    ("verdict", "shown"),
    [
        ({"outcome": CodeOutcome.CODE_OUTCOME_UNKNOWN}, "no promotion has this code"),
        ({"outcome": CodeOutcome.CODE_OUTCOME_DUPLICATE}, "given before; it counts once"),
        (
            {"outcome": CodeOutcome.CODE_OUTCOME_NOT_APPLIED, "reason": Reason.REASON_DAY_OF_WEEK},
            "not applied, day of week",
        ),
        (
            {
                "outcome": CodeOutcome.CODE_OUTCOME_NOT_APPLIED,
                "reason": Reason.REASON_CHANNEL,
                "text": "Not on this channel.",
            },
            "Not on this channel.",
        ),
    ],
)
def test_a_code_has_its_reason_in_words(verdict: dict[str, Any], shown: str) -> None:
    result = priced()
    result.codes.add(code="HALO", **verdict)

    assert f"Code HALO: {shown}" in receipt(Cart(), result).splitlines()


def test_nothing_in_a_receipt_steers_the_terminal() -> None:
    cart = Cart(id=ESCAPE, store_id=ESCAPE)
    cart.lines.add(id="a", product_id=ESCAPE, quantity=1)
    result = priced()
    line = result.lines.add(line_id="a", list_minor=5)
    applied = result.applications.add(promotion_id="p", text=ESCAPE)
    applied.shares.add(line_id=line.line_id, discount_minor=1)
    result.gifts.add(promotion_id=ESCAPE, product_id=ESCAPE)
    result.rewards.add(promotion_id=ESCAPE, voucher_promotion_id=ESCAPE)
    result.codes.add(code=ESCAPE, outcome=CodeOutcome.CODE_OUTCOME_UNKNOWN)
    result.verdicts.add(promotion_id=ESCAPE, reason=Reason.REASON_APPLIED, text=ESCAPE)
    result.verdicts.add(promotion_id=ESCAPE, reason=Reason.REASON_UNSUPPORTED)
    result.suggestions.add(text=ESCAPE)

    shown = receipt(cart, result)

    assert len(shown.splitlines()) == len(shown.split("\n")) == 15
    assert shown.replace("\n", "").isprintable()
    assert "\\x1b[2J\\x9b1m\\u202e\\n" in shown


def test_colours_are_ours_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)

    assert receipt(Cart(id=ESCAPE), priced()).splitlines()[0] == f"\x1b[1m{visible(ESCAPE)}\x1b[0m"


def test_findings_steer_nothing_either() -> None:
    finding = of_diagnostic(Diagnostic(code="c", field=ESCAPE, message=ESCAPE, promotion_id=ESCAPE))

    assert str(finding).isprintable()


def test_json_stays_json_and_steers_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    emit_json({"text": f"{ESCAPE}caf\u00e9"})

    written = capsys.readouterr().out
    assert written.replace("\n", "").isprintable()
    assert "caf\u00e9" in written
    assert json.loads(written) == {"text": f"{ESCAPE}caf\u00e9"}
