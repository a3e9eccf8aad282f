"""What the validator leaves alone: definitions that are just what they should be, beside what it remarks on.

Each is named after the file of tests/invalid/meaning that it stands beside.
"""

from typing import Any

import pytest
from dealwright.v1.diagnostic_pb2 import Diagnostics
from dealwright.v1.promotion_pb2 import Promotion
from dealwright_engine import validate
from google.protobuf.json_format import ParseDict

from tests.engine.offers import Document, money, of, products

TEN_PERCENT = {"phase": "PHASE_ITEM", "percent_off_ppm": 100_000}


def ten_percent(**more: Any) -> Document:
    return {"percent_discount": TEN_PERCENT | more}


def off_the_order(minor: int, **more: Any) -> Document:
    return {"amount_discount": {"phase": "PHASE_ORDER", "amount_off": money(minor), **more}}


def tiers(*each: Document) -> Document:
    return {"threshold_tier": {"tiers": [{"name": str(place), **tier} for place, tier in enumerate(each)]}}


def windows(*each: tuple[str, str]) -> Document:
    return {"daily_windows": [{"start": start, "end": end} for start, end in each]}


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(
            {"schedule": {"start_date": "2026-11-23", "end_date": "2026-11-28", "days_of_week": [6, 7]}},
            id="schedule_without_day",
        ),
        pytest.param(
            {"schedule": {"end_time": "2026-12-01T03:00:00Z", "start_date": "2026-12-01"}},
            id="schedule_disjoint",
        ),
        pytest.param({"schedule": windows(("12:00", "12:01"))}, id="window_too_short"),
        pytest.param({"schedule": windows(("22:00", "02:00"), ("02:00", "04:00"))}, id="windows_overlap"),
        pytest.param(
            ten_percent(scope=of("coffee", "tea") | {"exclude": products("latte")["include"]}),
            id="selects_nothing",
        ),
        pytest.param(
            ten_percent(
                scope={
                    "include": [{"product_ids": ["latte"]}],
                    "exclude": [{"product_ids": ["latte"], "brand_ids": ["other"]}],
                }
            ),
            id="included_and_excluded",
        ),
        pytest.param(
            {
                "mix_match": {
                    "scope": products("latte", "mocha", "tubruk"),
                    "required_quantity": 3,
                    "different_products": True,
                    "set_price": {"per_currency": money(100)},
                }
            },
            id="products_too_few",
        ),
        pytest.param(
            {
                "cross_brand": {
                    "trigger_brand_ids": ["a"],
                    "benefit_brand_ids": ["a"],
                    "spend": "SPEND_SOURCE_PAST_VISITS",
                    "period": "month",
                }
            },
            id="brands_equal",
        ),
        pytest.param({"trigger": {"code": {"codes": ["HALO"]}}}, id="code_too_short"),
        pytest.param({"limits": {"max_uses": 5, "max_uses_per_customer": 5}}, id="limit_never_reached"),
        pytest.param({"limits": {"budget": money(500)}} | off_the_order(500), id="budget_too_small"),
        pytest.param(off_the_order(499, min_purchase={"minimum": money(500)}), id="minimum_becomes_free"),
        pytest.param(
            off_the_order(
                500, min_purchase={"minimum": money(500), "extent": "EXTENT_CART"}, scope=of("coffee")
            ),
            id="minimum_becomes_free-other-lines",
        ),
        pytest.param(
            {"percent_discount": {"phase": "PHASE_DELIVERY", "percent_off_ppm": 1_000_000}},
            id="everything_free-delivery",
        ),
        pytest.param(
            ten_percent(percent_off_ppm=1_000_000, max_discount=money(500)), id="everything_free-capped"
        ),
        pytest.param(
            ten_percent(percent_off_ppm=1_000_000, scope=of("cookies")), id="everything_free-in-scope"
        ),
        pytest.param(ten_percent(percent_off_ppm=1_000), id="share_tiny"),
        pytest.param(
            tiers(
                {"minimum": money(100), "below": money(200), "percent_off_ppm": 50_000},
                {"minimum": money(200), "percent_off_ppm": 80_000},
            ),
            id="tiers_apart",
        ),
        pytest.param(
            tiers(
                {"minimum": money(100), "percent_off_ppm": 50_000, "max_discount": money(10)},
                {"minimum": money(200), "percent_off_ppm": 50_000, "max_discount": money(20)},
            ),
            id="tier_gives_less",
        ),
        pytest.param({"receipt_text": [{"language": "en", "text": "x" * 40}]}, id="receipt_text_long"),
        pytest.param({"condition": {"customer": {"birthday_within_days": 182}}}, id="always_holds"),
        pytest.param({"condition": {"quantity": {"units": {"maximum": 0}}}}, id="below_zero"),
    ],
)
def test_what_may_well_be_meant_is_left_alone(document: Document) -> None:
    has_rule = {"percent_discount", "amount_discount", "mix_match", "threshold_tier"} & document.keys()
    head = {"id": "fine", "rule_language": 1, "name": [{"language": "en", "text": "Fine"}]}
    rule = {} if has_rule else ten_percent()
    definition = ParseDict({**head, **rule, **document}, Promotion())

    assert list(Diagnostics.FromString(validate(definition.SerializeToString())).diagnostics) == []
