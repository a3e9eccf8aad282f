"""What can happen."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class EventType(StrEnum):
    """What happened, as `type` of a CloudEvent has it."""

    RULESET_PUBLISHED = "dealwright.ruleset.published"
    VOUCHERS_CREATED = "dealwright.vouchers.created"
    REDEMPTION_CREATED = "dealwright.redemption.created"
    REDEMPTION_COMMITTED = "dealwright.redemption.committed"
    REDEMPTION_RELEASED = "dealwright.redemption.released"
    REDEMPTION_RETURNED = "dealwright.redemption.returned"
    BUDGET_LOW = "dealwright.budget.low"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a subject, such as a batch or a redemption."""

    type: EventType
    subject: str
    data: dict[str, Any] = field(default_factory=dict)
    """What is told of it, as JSON. No secrets: it goes to other programs."""
