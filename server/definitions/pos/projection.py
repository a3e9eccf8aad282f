"""From a definition to its document. What that can't say is found by reading it back and comparing."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from dealwright.v1.primitives_pb2 import Phase
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.schedule_pb2 import HOLIDAY_MODE_EXCLUDE, Schedule
from dealwright.v1.selector_pb2 import Selector
from dealwright.v1.stacking_pb2 import Limits
from dealwright.v1.targeting_pb2 import CrossBrand, CustomerType, SpendSource, Targeting

from server.definitions.differences import of_one
from server.definitions.pos.edition import Edition
from server.definitions.pos.extensions import PLAIN_VERSION, extended
from server.definitions.pos.normal import amounts, normal, with_seconds
from server.definitions.pos.reading import read
from server.definitions.pos.selectors import scope_section
from server.definitions.pos.shape import faults
from server.definitions.pos.types import TYPES
from server.documents import to_value

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Projection:
    """A promotion as a document, or what of it no document can say."""

    promotion_id: str
    document: Json | None
    unsaid: tuple[str, ...] = ()
    """Fields of the definition. While there is one, there is no document: nothing is half said."""


def project(promotion: Promotion, edition: Edition, version: int, compiled_at: datetime) -> Projection:
    """Writes the document of a promotion, unless a part of its meaning would be lost."""
    kind = promotion.WhichOneof("rule")
    if kind not in TYPES:
        return Projection(promotion.id, None, (kind or "rule",))
    wanted = normal(promotion, edition)
    foreign = sorted(amounts(promotion).keys() - amounts(wanted).keys())
    if foreign:
        return Projection(promotion.id, None, tuple(foreign))
    plain = _written(promotion, wanted, edition, version, compiled_at)
    said = normal(read(plain, edition), edition)
    document = extended(plain, promotion, wanted, said)
    misshapen = faults(document)
    if misshapen and kind not in document.get("extensions", {}):
        # An amount that the section `rules` can't carry.
        said.ClearField(kind)
        document = extended(plain, promotion, wanted, said)
        misshapen = faults(document)
    again = normal(read(document, edition), edition)
    difference = (
        None if again == wanted else of_one("promotion", promotion.id, to_value(wanted), to_value(again))
    )
    unsaid = [field.path for field in difference.fields] if difference else misshapen
    return Projection(promotion.id, None if unsaid else document, tuple(dict.fromkeys(unsaid)))


def with_numbers(value: Any) -> Any:
    """A document with JSON's own numbers in place of exact ones. Each is read back to the same amount."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {key: with_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_numbers(item) for item in value]
    return value


def _written(
    promotion: Promotion, wanted: Promotion, edition: Edition, version: int, compiled_at: datetime
) -> Json:
    kind = str(promotion.WhichOneof("rule"))
    form, rule = TYPES[kind], getattr(wanted, kind)
    name = edition.text(promotion.name)
    scope = scope_section(getattr(rule, form.scope) if form.scope else Selector())
    validity = _validity(wanted.schedule)
    rules = form.write(rule, edition)
    if kind == "package":
        rules = {"type": "package", "package_name": name, **rules}
    if kind == "upsell":
        rules["upsell_message"] = edition.text(promotion.upsell.message)
    if kind == "happy_hour":
        rules |= {key: validity[key] for key in ("time_start", "time_end", "days_of_week")}
    cross_brand = {"cross_brand": _cross_brand(wanted.cross_brand, edition)}
    return {
        "id": promotion.id,
        "code": promotion.code,
        "name": name,
        "description": edition.text(promotion.description),
        "promo_type": kind,
        "apply_to": scope["apply_to"],
        "execution_stage": form.stage or _stage(rule.phase),
        "execution_priority": promotion.priority,
        "is_active": True,
        "is_auto_apply": not wanted.HasField("trigger"),
        "require_voucher": wanted.trigger.HasField("voucher"),
        "member_only": wanted.targeting.members_only,
        "validity": validity,
        "scope": scope,
        "targeting": _targeting(wanted.targeting),
        "rules": rules,
        "limits": _limits(wanted.limits),
        "compiled_at": compiled_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "compiler_version": PLAIN_VERSION,
        "version": version,
        **(cross_brand if wanted.HasField("cross_brand") else {}),
    }


def _validity(schedule: Schedule) -> Json:
    window = schedule.daily_windows[0] if schedule.daily_windows else None
    return {
        "start_date": schedule.start_date or None,
        "end_date": schedule.end_date or None,
        "time_start": with_seconds(window.start) if window else None,
        "time_end": with_seconds(window.end) if window else None,
        "days_of_week": list(schedule.days_of_week),
        "exclude_holidays": schedule.holidays.mode == HOLIDAY_MODE_EXCLUDE,
    }


def _targeting(targeting: Targeting) -> Json:
    written: Json = {
        "stores": _or_all(targeting.store_ids.include),
        "brands": _or_all(targeting.brand_ids.include),
        "member_only": targeting.members_only,
        "customer_type": _customers(targeting.customer_type),
    }
    present = {
        "exclude_brands": targeting.brand_ids.exclude,
        "member_tiers": targeting.member_tiers.include,
        "sales_channels": targeting.channels.include,
        "exclude_channels": targeting.channels.exclude,
    }
    return written | {key: list(names) for key, names in present.items() if names}


def _customers(kind: CustomerType.ValueType) -> str:
    return _word(CustomerType.Name(kind)).removeprefix("type_") if kind else "all"


def _limits(limits: Limits) -> Json:
    return {
        "max_uses": limits.max_uses or None,
        "max_uses_per_customer": limits.max_uses_per_customer or None,
        "max_uses_per_day": limits.max_uses_per_day or None,
        "current_uses": 0,
    }


def _cross_brand(cross_brand: CrossBrand, edition: Edition) -> Json:
    written: Json = {
        "enabled": True,
        "type": "trigger_benefit",
        "trigger_brands": list(cross_brand.trigger_brand_ids),
        "trigger_min_amount": edition.number(cross_brand.minimum_spend) or Decimal("0.0"),
        "benefit_brands": list(cross_brand.benefit_brand_ids),
    }
    if cross_brand.spend:
        spend = _word(SpendSource.Name(cross_brand.spend)).removeprefix("source_")
        written["rules"] = {"spend": spend, "period": cross_brand.period}
    return written


def _or_all(names: Iterable[str]) -> str | list[str]:
    return list(names) or "all"


def _stage(phase: Phase.ValueType) -> str:
    return _word(Phase.Name(phase))


def _word(name: str) -> str:
    """The value of an enum in a document: PHASE_ITEM is item."""
    return name.lower().partition("_")[2]
