"""Extensions of POS documents: what no other section says, for tills that understand it."""

from typing import Any

import pytest

from server.definitions.pos import understood
from server.documents import DocumentError
from tests.pos.documents import (
    EDITION,
    IDR,
    PROMOTIONS,
    WITH_STORES,
    definition,
    document_of,
    percent,
    read_back,
    unsaid,
)

EXTENDED: list[tuple[dict[str, Any], list[str]]] = [
    ({"percent_discount": percent(percent_base="PERCENT_BASE_LIST")}, ["percent_discount"]),
    ({"percent_discount": percent(units={"max_units": 2})}, ["percent_discount"]),
    ({"percent_discount": percent(), "trigger": {"code": {"codes": ["TEN"]}}}, ["trigger"]),
    ({"percent_discount": percent(), "stacking": {"closes_units": True}}, ["stacking"]),
    ({"percent_discount": percent(), "limits": {"max_uses": 9, "max_uses_per_store": 2}}, ["limits"]),
    ({"percent_discount": percent(), "rule_language": 2}, ["rule_language"]),
    ({"percent_discount": percent(), "schedule": {"start_time": "2026-01-01T00:00:00Z"}}, ["schedule"]),
    ({"percent_discount": percent(), "targeting": {"segment_ids": {"include": ["s"]}}}, ["targeting"]),
    ({"percent_discount": percent(), "offline": {"max_staleness": "3600s"}}, ["offline"]),
    ({"percent_discount": percent(), "condition": {"all": {"conditions": []}}}, ["condition"]),
    (
        {"percent_discount": percent(scope={"include": [{"category_ids": ["a"], "product_ids": ["b"]}]})},
        ["percent_discount"],
    ),
    (
        {
            "upsell": {
                "required": {"include": [{"category_ids": ["coffee"]}]},
                "upsell_product_id": "croissant",
                "special_price": [{**IDR, "minor": 1_800_000}],
                "message": [{"language": "id", "text": "Croissant?"}],
            }
        },
        ["upsell"],
    ),
    # More than a double can carry, and the extension is exact.
    (
        {"amount_discount": {"phase": "PHASE_ORDER", "amount_off": [{**IDR, "minor": 10**17 + 1}]}},
        ["amount_discount"],
    ),
]


@pytest.mark.parametrize(("parts", "extensions"), EXTENDED)
def test_what_no_section_says_is_an_extension(parts: dict[str, Any], extensions: list[str]) -> None:
    promotion = definition(**parts)
    document = document_of(promotion)
    assert list(document["extensions"]) == extensions
    assert document["compiler_version"] == "1.1"
    assert ("error" in document["rules"]) == (document["promo_type"] in extensions)
    again = read_back(document)
    assert document_of(again) == document
    for part in extensions:
        assert getattr(again, part) == getattr(promotion, part)
    assert not understood(document, frozenset())
    assert not understood(document, frozenset({"cross_brand"}))
    assert understood(document, frozenset({*extensions, "cross_brand"}))
    assert understood(document, None)


def test_a_document_without_extensions_is_for_every_till() -> None:
    document = document_of(definition(percent_discount=percent()))
    assert understood(document, frozenset())
    assert (document["compiler_version"], "extensions" in document) == ("1.0", False)


def test_all_examples_but_custom_ones_have_a_document() -> None:
    refused = {promotion.id: unsaid(promotion) for promotion in PROMOTIONS if unsaid(promotion)}
    assert refused == {"evening-for-two": ["custom"], "new-years-eve": ["custom"]}
    assert len(PROMOTIONS) == 41
    for promotion in PROMOTIONS:
        if promotion.id not in refused:
            document = document_of(promotion)
            assert document_of(read_back(document)) == document


@pytest.mark.parametrize(
    ("targeting", "stores"),
    [
        ({"store_ids": {"exclude": ["UBUD"]}}, ["kuta", "menteng"]),
        ({"store_ids": {"include": ["kuta", "ubud"], "exclude": ["ubud"]}}, ["kuta"]),
        ({"regions": {"include": ["bali"]}}, ["kuta", "ubud"]),
        ({"regions": {"exclude": ["Bali"]}}, ["menteng"]),
        ({"regions": {"include": ["bali"]}, "store_ids": {"exclude": ["kuta"]}}, ["ubud"]),
    ],
)
def test_excluded_stores_and_regions_are_lists_of_stores(
    targeting: dict[str, Any], stores: list[str]
) -> None:
    promotion = definition(percent_discount=percent(), targeting=targeting)
    document = document_of(promotion, WITH_STORES)
    assert "extensions" not in document
    assert document["targeting"]["stores"] == stores
    assert list(read_back(document, WITH_STORES).targeting.store_ids.include) == stores


def test_a_list_without_stores_is_never_said_as_all_of_them() -> None:
    nowhere = definition(percent_discount=percent(), targeting={"regions": {"include": ["Papua"]}})
    for edition in (WITH_STORES, EDITION):
        document = document_of(nowhere, edition)
        assert document["extensions"] == {"targeting": {"regions": {"include": ["Papua"]}}}


EXTENSIONS_REFUSED: list[tuple[Any, str]] = [
    ({}, "extensions"),
    ({"colour": "red"}, "extensions"),
    ({"stacking": {"colour": "red"}}, "extensions.stacking"),
    ({"stacking": {}}, "extensions"),
    ({"custom": {"steps": []}}, "extensions"),
    ({"combo": {}}, "promo_type"),
    (
        {"stacking": {"groups": [{"name": "a", "scope": "GROUP_SCOPE_NOWHERE"}]}},
        "extensions.stacking.groups[0].scope",
    ),
    ({"limits": {"max_uses": "99999999999999999999"}}, "extensions.limits.max_uses"),
    ({"trigger": {"voucher": {}, "members": {}}}, "rules"),
]


@pytest.mark.parametrize(("extensions", "named"), EXTENSIONS_REFUSED, ids=str)
def test_extensions_that_mean_nothing_are_refused(extensions: Any, named: str) -> None:
    document = document_of(definition(percent_discount=percent(), stacking={"closes_units": True}))
    document["extensions"] = extensions
    with pytest.raises(DocumentError) as refused:
        read_back(document)
    assert any(problem.field == f"test: {named}" for problem in refused.value.problems), str(refused.value)
