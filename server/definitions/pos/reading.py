"""From a document to a definition."""

from typing import Any

from dealwright.v1.primitives_pb2 import Phase
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.schedule_pb2 import HOLIDAY_MODE_EXCLUDE, DailyWindow, HolidayRule, Schedule
from dealwright.v1.stacking_pb2 import Limits, Trigger, VoucherTrigger
from dealwright.v1.targeting_pb2 import CrossBrand, CustomerType, NameFilter, SpendSource, Targeting

from server.definitions.pos.edition import Edition
from server.definitions.pos.extensions import superseded
from server.definitions.pos.selectors import scope_of
from server.definitions.pos.types import TYPES

Json = dict[str, Any]

RULE_LANGUAGE = 1
"""The version of what these documents can say."""


def read(document: Json, edition: Edition) -> Promotion:
    """The definition that a document is, apart from what it says of the moment of writing."""
    kind = document["promo_type"]
    promotion = Promotion(
        id=document["id"],
        rule_language=RULE_LANGUAGE,
        code=document["code"],
        name=edition.texts(document["name"]),
        description=edition.texts(document["description"]),
        priority=document["execution_priority"],
        trigger=Trigger(voucher=VoucherTrigger()) if document["require_voucher"] else None,
        schedule=_schedule(document["validity"], edition),
        targeting=_targeting(document["targeting"]),
        cross_brand=_cross_brand(document["cross_brand"], edition) if "cross_brand" in document else None,
        limits=_limits(document["limits"]),
    )
    if kind not in document.get("extensions", {}):
        getattr(promotion, kind).CopyFrom(_rule(document, edition))
    superseded(promotion, document)
    for part in ("schedule", "targeting", "limits"):
        if not getattr(promotion, part).ByteSize():
            promotion.ClearField(part)
    return promotion


def _rule(document: Json, edition: Edition) -> Any:
    form = TYPES[document["promo_type"]]
    rule: Any = form.read(document["rules"], scope_of(document["scope"]), edition)
    if not form.stage:
        rule.phase = Phase.Value(f"PHASE_{document['execution_stage'].upper()}")
    return rule


def _schedule(validity: Json, edition: Edition) -> Schedule:
    schedule = Schedule(
        start_date=validity["start_date"] or "",
        end_date=validity["end_date"] or "",
        days_of_week=validity["days_of_week"],
    )
    if validity["time_start"] is not None and validity["time_end"] is not None:
        schedule.daily_windows.append(DailyWindow(start=validity["time_start"], end=validity["time_end"]))
    if validity["exclude_holidays"]:
        rule = HolidayRule(mode=HOLIDAY_MODE_EXCLUDE, calendar_ids=sorted(edition.calendar_ids))
        schedule.holidays.CopyFrom(rule)
    return schedule


def _targeting(section: Json) -> Targeting:
    kind = section["customer_type"] if section["customer_type"] != "all" else "unspecified"
    return Targeting(
        store_ids=_names(section["stores"]),
        brand_ids=_names(section["brands"], section.get("exclude_brands")),
        channels=_names(section.get("sales_channels"), section.get("exclude_channels")),
        member_tiers=_names(section.get("member_tiers")),
        members_only=section["member_only"],
        customer_type=CustomerType.Value(
            "CUSTOMER_TYPE_" + ("UNSPECIFIED" if kind == "all" else kind.upper())
        ),
    )


def _names(include: Any, exclude: list[str] | None = None) -> NameFilter | None:
    names = NameFilter(include=None if include == "all" else include, exclude=exclude)
    return names if names.ByteSize() else None


def _limits(section: Json) -> Limits:
    bounds = ("max_uses", "max_uses_per_customer", "max_uses_per_day")
    return Limits(**{bound: section[bound] for bound in bounds if section[bound] is not None})


def _cross_brand(section: Json, edition: Edition) -> CrossBrand:
    rules = section.get("rules", {})
    return CrossBrand(
        trigger_brand_ids=section["trigger_brands"],
        minimum_spend=edition.money(section["trigger_min_amount"]) if section["trigger_min_amount"] else None,
        benefit_brand_ids=section["benefit_brands"],
        spend=SpendSource.Value(f"SPEND_SOURCE_{rules.get('spend', 'unspecified').upper()}"),
        period=rules.get("period", ""),
    )
