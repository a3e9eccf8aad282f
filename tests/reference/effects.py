"""What one step does to units and promises, before it is made so."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dealwright.v1.primitives_pb2 import PercentBase, Role
from dealwright.v1.result_pb2 import GiftGrant, RewardGrant
from dealwright.v1.ruleset_pb2 import Policy

from tests.reference.steps import Offer, Step
from tests.reference.units import Unit
from tests.reference.why import Why


@dataclass
class Effect:
    """Cuts and roles of the units touched, what was wanted, and what is promised; or why there is nothing."""

    cuts: dict[Unit, int] = field(default_factory=dict)
    roles: dict[Unit, Role.ValueType] = field(default_factory=dict)
    wanted: int = 0
    sets: int = 0
    formed: int = 0
    gifts: list[GiftGrant] = field(default_factory=list)
    gift_value: int = 0
    rewards: list[RewardGrant] = field(default_factory=list)
    worth: int = 0
    why_nothing: Why | None = None

    @property
    def discount(self) -> int:
        return sum(self.cuts.values())

    @property
    def costs(self) -> int:
        """What a budget pays (S-9.3): price reductions, what gifts are worth, and cashback."""
        return self.discount + self.gift_value + sum(reward.cashback_minor for reward in self.rewards)

    @property
    def gives(self) -> bool:
        """S-7.9: whether there is anything in it for the customer."""
        return self.discount > 0 or self.gift_value > 0 or bool(self.gifts) or bool(self.rewards)


@dataclass(frozen=True)
class Prices:
    """The three prices that a percentage may be taken of (S-4.3, S-4.5)."""

    phase_start: Mapping[Unit, int]
    shared: Mapping[Unit, int]

    def base(self, unit: Unit, base: PercentBase.ValueType) -> int:
        match base:
            case PercentBase.PERCENT_BASE_LIST:
                return unit.line.unit_price_minor
            case PercentBase.PERCENT_BASE_PHASE_START:
                return self.phase_start[unit]
        return self.shared[unit]


@dataclass(frozen=True)
class Turn:
    """A step's turn in the pipeline: what it finds."""

    offer: Offer
    step: Step
    policy: Policy
    currency: str
    units: list[Unit]
    prices: Prices
    budget: int | None
    sets_asked: int | None

    def cap(self, cap: int | None) -> int | None:
        """S-9.3: a budget that may be given in part limits like a cap."""
        limits = [limit for limit in (cap, self.budget) if limit is not None]
        return min(limits) if limits else None

    def open_units(self, units: list[Unit]) -> list[Unit]:
        """The units that the promotion may touch."""
        return [unit for unit in units if unit.open_to(self.offer.promotion)]
