"""What promotions are lowered to (S-4.6, S-12.1): steps, each a primitive in a phase."""

from dataclasses import dataclass
from typing import TypeAlias

from dealwright.v1.condition_pb2 import Basis, Condition, PaymentTest, Threshold
from dealwright.v1.primitives_pb2 import CreditKind, GiftSource, PercentBase, Phase, Role, UnitOrder
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.selector_pb2 import Selector


@dataclass(frozen=True)
class Reduction:
    """How the price of a unit is lowered: one of the three."""

    percent_off_ppm: int | None = None
    amount_off: int | None = None
    fixed_price: int | None = None
    base: PercentBase.ValueType = PercentBase.PERCENT_BASE_CURRENT


@dataclass(frozen=True)
class Reduce:
    """S-5.5: a price cut per unit."""

    scope: Selector
    reduction: Reduction
    max_units: int | None = None
    max_units_per_line: int | None = None
    order: UnitOrder.ValueType = UnitOrder.UNIT_ORDER_CHEAPEST
    cap: int | None = None


@dataclass(frozen=True)
class Spread:
    """S-5.3: one amount over several lines."""

    scope: Selector
    percent_off_ppm: int | None = None
    amount_off: int | None = None
    fixed_total: int | None = None
    base: PercentBase.ValueType = PercentBase.PERCENT_BASE_CURRENT
    cap: int | None = None


@dataclass(frozen=True)
class Slot:
    """S-6.3: one place in a set."""

    selector: Selector
    minimum: int
    maximum: int
    role: Role.ValueType
    order: UnitOrder.ValueType
    optional: bool = False
    same_product: bool = False
    different_products: bool = False
    reduction: Reduction | None = None
    only_without_children: bool = False


@dataclass(frozen=True)
class Sets:
    """S-6.3: an offer on sets of units."""

    slots: tuple[Slot, ...]
    set_price: int | None = None
    max_sets: int | None = None
    partial: bool = False
    cap: int | None = None
    one_product: bool = False


@dataclass(frozen=True)
class Gift:
    """S-9.4: units for free."""

    product_id: str
    selector: Selector
    quantity: int
    source: GiftSource.ValueType
    unit_value: int
    trigger: Selector | None = None
    trigger_quantity: int = 1
    max_gifts: int = 1


@dataclass(frozen=True)
class Reward:
    """S-9.5: something for later; one of the six."""

    scope: Selector
    cashback_ppm: int | None = None
    cashback_amount: int | None = None
    points: int | None = None
    points_per: tuple[int, int] | None = None
    points_multiplier_ppm: int | None = None
    voucher_promotion_id: str | None = None
    cap: int | None = None
    credit_as: CreditKind.ValueType = CreditKind.CREDIT_KIND_UNSPECIFIED


@dataclass(frozen=True)
class Tier:
    """S-9.8: one tier and what it gives."""

    minimum: int
    below: int | None
    act: "Spread | Gift | Reward"


@dataclass(frozen=True)
class Tiers:
    """S-9.8: the benefit of the last tier whose minimum is reached."""

    scope: Selector
    basis: Basis.ValueType
    tiers: tuple[Tier, ...]


Act: TypeAlias = Reduce | Spread | Sets | Gift | Reward | Tiers


@dataclass(frozen=True)
class Step:
    """One primitive of a promotion in its phase."""

    number: int
    phase: Phase.ValueType
    act: Act
    condition: Condition | None = None


@dataclass(frozen=True)
class Offer:
    """A promotion as lowered for the cart's currency."""

    promotion: Promotion
    steps: tuple[Step, ...]
    min_purchase: Threshold | None = None
    payment: PaymentTest | None = None

    @property
    def id(self) -> str:
        return self.promotion.id

    @property
    def phase(self) -> Phase.ValueType:
        """The phase of its first step."""
        return self.steps[0].phase

    @property
    def only_rewards(self) -> bool:
        """S-7.12."""
        return all(step.phase == Phase.PHASE_REWARD for step in self.steps)

    @property
    def lowering_phases(self) -> set[Phase.ValueType]:
        """The phases in which it may lower a price (S-7.5)."""
        return {step.phase for step in self.steps if step.phase != Phase.PHASE_REWARD}

    @property
    def rank(self) -> tuple[int, int, bytes]:
        """S-4.1, S-4.2: its place in the pipeline, which is that of its first step."""
        return self.phase, -self.promotion.priority, self.id.encode()
