"""Promotions beside each other and beside the company's settings, as publishing looks at them."""

import pytest
from dealwright.v1.diagnostic_pb2 import Severity
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.ruleset_pb2 import Ruleset
from dealwright.v1.schedule_pb2 import HolidayMode
from dealwright.v1.stacking_pb2 import ExclusionGroup, GroupScope

from server.definitions.service import Definitions, DefinitionsRefused, Publication
from server.definitions.validation import require_compiling
from tests.definitions.samples import jakarta_settings, percent_off


def in_group(promotion_id: str, scope: GroupScope.ValueType) -> Promotion:
    promotion = percent_off(promotion_id, 10 + len(promotion_id))
    promotion.stacking.groups.append(ExclusionGroup(name="new_dish", scope=scope))
    return promotion


def test_an_error_that_only_the_whole_ruleset_shows_refuses_a_publication(definitions: Definitions) -> None:
    definitions.publish("kopi", Publication([in_group("one", GroupScope.GROUP_SCOPE_ORDER)]))

    with pytest.raises(DefinitionsRefused) as refused:
        definitions.publish("kopi", Publication([in_group("three", GroupScope.GROUP_SCOPE_UNIT)]))

    assert [(found.code, found.promotion_id) for found in refused.value.diagnostics] == [
        ("group_scope_differs", "three")
    ]
    assert definitions.head_revision("kopi") == 1


def test_settings_that_leave_a_promotion_without_its_calendar_are_refused(definitions: Definitions) -> None:
    promotion = percent_off("a", 10)
    promotion.schedule.holidays.mode = HolidayMode.HOLIDAY_MODE_EXCLUDE
    promotion.schedule.holidays.calendar_ids.append("id-public")
    definitions.publish("kopi", Publication([promotion], settings=jakarta_settings()))
    without = jakarta_settings()
    del without.holiday_calendars[:]
    without.holiday_calendars.add(id="id-bank")

    with pytest.raises(DefinitionsRefused, match="no holiday calendar id-public"):
        definitions.publish("kopi", Publication(settings=without))


def test_warnings_are_returned_by_the_publication_that_brings_them(definitions: Definitions) -> None:
    first = definitions.publish("kopi", Publication([percent_off("a", 10)], settings=jakarta_settings()))
    second = definitions.publish("kopi", Publication([percent_off("b", 10)]))
    third = definitions.publish("kopi", Publication([percent_off("c", 20)]))

    assert first.warnings == ()
    assert {(found.code, found.promotion_id) for found in third.warnings} == {("never_alone", "c")}
    assert {(found.code, found.promotion_id) for found in second.warnings} == {
        ("promotion_repeated", "a"),
        ("promotion_repeated", "b"),
    }


def test_what_was_wrong_before_keeps_nobody_from_publishing() -> None:
    newer = Promotion(id="of-a-newer-program", rule_language=99)
    before = Ruleset(company_id="kopi", promotions=[newer])
    after = Ruleset(company_id="kopi", promotions=[newer, percent_off("a", 10)])

    with pytest.raises(DefinitionsRefused):
        require_compiling(after)

    assert require_compiling(after, before) == []
    alone = Ruleset(company_id="kopi", promotions=[percent_off("a", 10)])
    with pytest.raises(DefinitionsRefused) as refused:
        require_compiling(after, alone)
    assert {found.severity for found in refused.value.diagnostics} == {Severity.SEVERITY_ERROR}
