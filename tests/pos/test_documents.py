"""POS documents: exactly the prescribed shape, nothing half said, and back to the same meaning."""

import json
from typing import Any

import pytest
from dealwright.v1.diagnostic_pb2 import SEVERITY_ERROR
from dealwright.v1.promotion_pb2 import Promotion
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from server.definitions.pos import SCHEMA, Edition, project, read_documents, with_numbers
from server.definitions.validation import validate
from server.documents import DocumentError, parse_json
from tests.engine.messages import changed
from tests.pos.documents import (
    EDITION,
    IDR,
    PROMOTIONS,
    VALIDATOR,
    WHEN,
    definition,
    document_of,
    percent,
    read_back,
    unsaid,
)


def test_the_schema_is_one_of_its_dialect() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_the_weekend_special_has_the_prescribed_shape() -> None:
    weekend = definition(
        id="8a1f",
        code="WEEKEND20",
        name=[{"language": "en", "text": "Weekend Special 20% Off"}],
        description=[{"language": "en", "text": "On weekends"}],
        priority=10,
        schedule={
            "start_date": "2026-02-01",
            "end_date": "2026-02-28",
            "days_of_week": ["DAY_OF_WEEK_SATURDAY", "DAY_OF_WEEK_SUNDAY"],
        },
        targeting={"store_ids": {"include": ["store-1", "store-2"]}, "brand_ids": {"include": ["brand-1"]}},
        percent_discount=percent(
            scope={"include": [{"category_ids": ["cat-1", "cat-2"]}], "exclude": [{"product_ids": ["p-9"]}]},
            max_discount=[{**IDR, "minor": 5_000_000}],
        ),
    )
    document = document_of(weekend)
    expected = {
        "id": "8a1f",
        "code": "WEEKEND20",
        "name": "Weekend Special 20% Off",
        "description": "On weekends",
        "promo_type": "percent_discount",
        "apply_to": "category",
        "execution_stage": "item",
        "execution_priority": 10,
        "is_active": True,
        "is_auto_apply": True,
        "require_voucher": False,
        "member_only": False,
        "validity": {
            "start_date": "2026-02-01",
            "end_date": "2026-02-28",
            "time_start": None,
            "time_end": None,
            "days_of_week": [6, 7],
            "exclude_holidays": False,
        },
        "scope": {
            "apply_to": "category",
            "categories": ["cat-1", "cat-2"],
            "products": [],
            "exclude_categories": [],
            "exclude_products": ["p-9"],
        },
        "targeting": {
            "stores": ["store-1", "store-2"],
            "brands": ["brand-1"],
            "member_only": False,
            "customer_type": "all",
        },
        "rules": {
            "type": "percent",
            "discount_percent": 20.0,
            "max_discount_amount": 50000.0,
            "min_purchase": 0.0,
        },
        "limits": {
            "max_uses": None,
            "max_uses_per_customer": None,
            "max_uses_per_day": None,
            "current_uses": 0,
        },
        "compiled_at": "2026-01-27T10:00:00.000000Z",
        "compiler_version": "1.0",
        "version": 1,
    }
    assert document == expected
    assert list(document) == list(expected)
    assert json.dumps(document["rules"]).count(".0") == 3
    assert read_back(document) == weekend


def test_the_worked_value_test20() -> None:
    promotion = definition(
        code="TEST20",
        schedule={"start_date": "2026-01-01", "end_date": "2026-12-31"},
        percent_discount=percent(max_discount=[{**IDR, "minor": 5_000_000}]),
    )
    document = document_of(promotion)
    assert document["rules"]["discount_percent"] == 20.0
    assert document["rules"]["max_discount_amount"] == 50000.0
    assert (document["code"], document["promo_type"]) == ("TEST20", "percent_discount")


def test_the_worked_value_bogo21() -> None:
    promotion = definition(
        code="BOGO21",
        buy_x_get_y={
            "buy": {"include": [{"product_ids": ["latte"]}]},
            "buy_quantity": 2,
            "get_quantity": 1,
            "same_product": True,
            "reduction": {"percent_off_ppm": 1_000_000},
        },
    )
    assert document_of(promotion)["rules"] == {
        "type": "bogo",
        "buy_quantity": 2,
        "get_quantity": 1,
        "get_discount_percent": 100.0,
        "same_product_only": True,
    }


RULES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"amount_discount": {"phase": "PHASE_ORDER", "amount_off": [{**IDR, "minor": 1_500_000}]}},
        {"type": "amount", "discount_amount": 15000.0, "min_purchase": 0.0},
    ),
    (
        {
            "combo": {
                "items": [{"product_id": "a"}, {"product_id": "b", "quantity": 2}],
                "set_price": [{**IDR, "minor": 4_200_050}],
            }
        },
        {
            "type": "combo",
            "combo_price": 42000.5,
            "products": [{"product_id": "a", "quantity": 1}, {"product_id": "b", "quantity": 2}],
            "all_required": True,
        },
    ),
    (
        {
            "free_item": {
                "gift": {"product_id": "tea", "source": "GIFT_SOURCE_IN_CART"},
                "trigger": {"include": [{"product_ids": ["soto"]}]},
                "trigger_quantity": 2,
            }
        },
        {
            "type": "free_item",
            "min_purchase": 0.0,
            "trigger_product_id": "soto",
            "trigger_min_qty": 2,
            "free_product_id": "tea",
            "free_quantity": 1,
        },
    ),
    (
        {
            "schedule": {
                "days_of_week": ["DAY_OF_WEEK_FRIDAY"],
                "daily_windows": [{"start": "22:00", "end": "02:00:30"}],
            },
            "happy_hour": {"reduction": {"fixed_price": {"per_currency": [{**IDR, "minor": 2_500_000}]}}},
        },
        {
            "type": "happy_hour",
            "discount_percent": None,
            "discount_amount": None,
            "special_price": 25000.0,
            "time_start": "22:00:00",
            "time_end": "02:00:30",
            "days_of_week": [5],
        },
    ),
    (
        {
            "cashback": {
                "cashback_ppm": 55_500,
                "max_cashback": [{**IDR, "minor": 1_500_000}],
                "payment": {"methods": ["qris"]},
            }
        },
        {
            "type": "cashback",
            "cashback_type": "percent",
            "cashback_value": 5.55,
            "cashback_max": 15000.0,
            "min_purchase": 0.0,
            "payment_methods": ["qris"],
            "cashback_method": "points",
        },
    ),
    (
        {
            "payment_discount": {
                "payment": {"methods": ["card"]},
                "amount_off": {"per_currency": [{**IDR, "minor": 100}]},
                "min_purchase": {"minimum": [{**IDR, "minor": 10_000}]},
            }
        },
        {
            "type": "payment_discount",
            "payment_methods": ["card"],
            "discount_type": "amount",
            "discount_value": 1.0,
            "max_discount": None,
            "min_purchase": 100.0,
        },
    ),
    (
        {
            "package": {
                "slots": [
                    {"name": "main", "product_id": "rendang", "quantity": 2},
                    {
                        "name": "side",
                        "optional": True,
                        "pick": {"category_id": "sides", "min_picks": 1, "max_picks": 2},
                    },
                ],
                "set_price": [{**IDR, "minor": 9_900_000}],
                "allow_modification": True,
            }
        },
        {
            "type": "package",
            "package_name": "Test",
            "package_price": 99000.0,
            "items": [
                {"item_type": "main", "quantity": 2.0, "is_required": True, "product_id": "rendang"},
                {
                    "item_type": "side",
                    "quantity": 1.0,
                    "is_required": False,
                    "category_id": "sides",
                    "min_selection": 1,
                    "max_selection": 2,
                },
            ],
            "allow_modification": True,
        },
    ),
    (
        {
            "mix_match": {
                "scope": {"include": [{"category_ids": ["pastry"]}]},
                "required_quantity": 6,
                "set_price": {"per_currency": [{**IDR, "minor": 9_900_000}]},
                "different_products": True,
            }
        },
        {
            "type": "mix_match",
            "category_id": "pastry",
            "required_quantity": 6,
            "special_price": 99000.0,
            "allow_same_product": False,
        },
    ),
    (
        {
            "upsell": {
                "required": {"include": [{"product_ids": ["latte"]}]},
                "upsell_product_id": "croissant",
                "special_price": [{**IDR, "minor": 1_800_000}],
                "message": [{"language": "en", "text": "A croissant with it?"}],
            }
        },
        {
            "type": "upsell",
            "upsell_message": "A croissant with it?",
            "required_product_id": "latte",
            "required_min_qty": 1,
            "upsell_product_id": "croissant",
            "special_price": 18000.0,
        },
    ),
    (
        {
            "threshold_tier": {
                "tiers": [
                    {
                        "name": "small",
                        "minimum": [{**IDR, "minor": 10_000}],
                        "below": [{**IDR, "minor": 20_000}],
                        "percent_off_ppm": 50_000,
                    },
                    {
                        "name": "large",
                        "minimum": [{**IDR, "minor": 20_000}],
                        "points_multiplier_ppm": 2_500_000,
                    },
                ]
            }
        },
        {
            "type": "threshold_tier",
            "tiers": [
                {
                    "tier_name": "small",
                    "min_amount": 100.0,
                    "max_amount": 200.0,
                    "discount_type": "percent",
                    "discount_value": 5.0,
                },
                {
                    "tier_name": "large",
                    "min_amount": 200.0,
                    "max_amount": None,
                    "discount_type": "points_multiplier",
                    "discount_value": 2.5,
                    "points_multiplier": 2.5,
                },
            ],
        },
    ),
]


@pytest.mark.parametrize(("parts", "rules"), RULES, ids=lambda part: str(part.get("type", "")))
def test_each_type_has_the_prescribed_rules_and_is_read_back(
    parts: dict[str, Any], rules: dict[str, Any]
) -> None:
    document = document_of(definition(**parts))
    assert document["rules"] == rules
    assert list(document["rules"]) == list(rules)
    assert document_of(read_back(document)) == document


def test_the_other_sections_have_the_prescribed_shape() -> None:
    promotion = definition(
        trigger={"members": {}},
        schedule={"holidays": {"mode": "HOLIDAY_MODE_EXCLUDE", "calendar_ids": ["id-public"]}},
        targeting={
            "brand_ids": {"exclude": ["b"]},
            "member_tiers": {"include": ["GOLD"]},
            "channels": {"include": ["app"], "exclude": ["delivery"]},
            "customer_type": "CUSTOMER_TYPE_RETURNING",
        },
        cross_brand={
            "trigger_brand_ids": ["a"],
            "minimum_spend": [{**IDR, "minor": 5_000_000}],
            "benefit_brand_ids": ["b"],
            "spend": "SPEND_SOURCE_PAST_VISITS",
            "period": "month",
        },
        limits={"max_uses": 100, "max_uses_per_customer": 1, "max_uses_per_day": 5},
        percent_discount=percent(),
    )
    document = document_of(promotion)
    assert document["validity"]["exclude_holidays"] is True
    assert (document["member_only"], document["is_auto_apply"]) == (True, True)
    assert document["targeting"] == {
        "stores": "all",
        "brands": "all",
        "member_only": True,
        "customer_type": "returning",
        "exclude_brands": ["b"],
        "member_tiers": ["GOLD"],
        "sales_channels": ["app"],
        "exclude_channels": ["delivery"],
    }
    assert document["limits"] == {
        "max_uses": 100,
        "max_uses_per_customer": 1,
        "max_uses_per_day": 5,
        "current_uses": 0,
    }
    assert document["cross_brand"] == {
        "enabled": True,
        "type": "trigger_benefit",
        "trigger_brands": ["a"],
        "trigger_min_amount": 50000.0,
        "benefit_brands": ["b"],
        "rules": {"spend": "past_visits", "period": "month"},
    }
    assert document_of(read_back(document)) == document
    voucher = document_of(definition(trigger={"voucher": {}}, percent_discount=percent()))
    assert (voucher["is_auto_apply"], voucher["require_voucher"]) == (False, True)


@pytest.mark.parametrize(
    ("parts", "path"),
    [
        (
            {"percent_discount": percent(min_purchase={"minimum": [{"currency_code": "USD", "minor": 5}]})},
            "percent_discount.min_purchase.minimum",
        ),
        (
            {"percent_discount": percent(), "limits": {"budget": [{"currency_code": "USD", "minor": 5}]}},
            "limits.budget",
        ),
        ({"custom": {"steps": []}}, "custom"),
        ({}, "rule"),
    ],
)
def test_what_a_document_cannot_say_leaves_no_document(parts: dict[str, Any], path: str) -> None:
    assert path in unsaid(definition(**parts))


def test_amounts_are_said_in_one_currency() -> None:
    amounts = [{**IDR, "minor": 1_500_000}, {"currency_code": "JPY", "minor": 300}]
    promotion = definition(amount_discount={"phase": "PHASE_ORDER", "amount_off": amounts})
    assert document_of(promotion)["rules"]["discount_amount"] == 15000.0
    assert document_of(promotion, Edition("JPY"))["rules"]["discount_amount"] == 300.0
    assert unsaid(promotion, Edition("USD")) == ["amount_discount.amount_off"]
    assert unsaid(promotion, Edition("")) == ["amount_discount.amount_off"]


BAD: list[tuple[str, Any, str]] = [
    ("rules.discount_percent", 0, "rules.discount_percent"),
    ("rules.discount_percent", 12.34567, "rules"),
    ("rules.min_purchase", 0.001, "rules"),
    ("rules.min_purchase", -1, "rules.min_purchase"),
    ("rules.colour", "red", "rules"),
    ("member_only", True, "member_only"),
    ("is_auto_apply", False, "is_auto_apply"),
    ("apply_to", "category", "apply_to"),
    ("execution_stage", "set", "execution_stage"),
    ("scope.categories", ["a"], "scope.categories"),
    ("validity.time_start", "10:00:00", "validity.time_start"),
    ("validity.days_of_week", [8], "validity.days_of_week[0]"),
    ("promo_type", "lottery", "promo_type"),
    ("limits.max_uses", 0, "limits.max_uses"),
    ("compiler_version", "1.1", "compiler_version"),
]


@pytest.mark.parametrize(("path", "value", "named"), BAD)
def test_a_document_that_contradicts_itself_is_refused(path: str, value: Any, named: str) -> None:
    document = document_of(definition(percent_discount=percent()))
    *outer, name = path.split(".")
    part = document
    for step in outer:
        part = part[step]
    part[name] = value
    with pytest.raises(DocumentError) as refused:
        read_back(document)
    assert any(problem.field == f"test: {named}" for problem in refused.value.problems), str(refused.value)


def test_what_a_document_lacks_is_told_without_an_empty_place() -> None:
    document = document_of(definition(percent_discount=percent()))
    del document["code"]
    with pytest.raises(DocumentError) as refused:
        read_documents(parse_json(json.dumps(document, default=float), "a till"), EDITION)
    assert str(refused.value) == "a till: test: 'code' is a required property"


def test_documents_come_as_one_as_a_list_or_as_a_sync_gives_them() -> None:
    document = document_of(definition(percent_discount=percent()))
    for form in (document, [document], {"promotions": [document], "count": 1}):
        assert read_back(form).id == "test"
    for text in ("null", "7", "[7]", "{}", '"text"', "[[]]"):
        with pytest.raises(DocumentError):
            read_documents(parse_json(text, "a till"), EDITION)


# Most changed definitions are refused.
@settings(suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(st.sampled_from(PROMOTIONS).flatmap(changed))
def test_any_definition_has_a_valid_document_or_a_reason_for_none(promotion: Promotion) -> None:
    assume(all(found.severity != SEVERITY_ERROR for found in validate(promotion)))
    projection = project(promotion, EDITION, 1, WHEN)
    assert (projection.document is None) == bool(projection.unsaid)
    if projection.document is not None:
        VALIDATOR.validate(json.loads(json.dumps(with_numbers(projection.document))))
