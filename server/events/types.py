"""What can happen. What redemption does is told by triggers, which write these types as they stand here."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class EventType(StrEnum):
    """What happened, as `type` of a CloudEvent has it."""

    RULESET_PUBLISHED = "dealwright.ruleset.published"
    VOUCHERS_CREATED = "dealwright.vouchers.created"
    REDEMPTION_RESERVED = "dealwright.redemption.reserved"
    REDEMPTION_COMMITTED = "dealwright.redemption.committed"
    REDEMPTION_RELEASED = "dealwright.redemption.released"
    REDEMPTION_EXPIRED = "dealwright.redemption.expired"
    REDEMPTION_RETURNED = "dealwright.redemption.returned"
    BUDGET_LOW = "dealwright.budget.low"
    LIMIT_EXHAUSTED = "dealwright.limit.exhausted"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a subject, such as a batch or a redemption."""

    type: EventType
    subject: str
    data: dict[str, Any] = field(default_factory=dict)
    """What is told of it, as JSON. No secrets: it goes to other programs."""
