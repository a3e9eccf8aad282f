"""Cases: a ruleset and a request for it."""

from dataclasses import dataclass

from dealwright.v1.evaluation_service_pb2 import EvaluateRequest
from dealwright.v1.promotion_pb2 import ON_UNSUPPORTED_BLOCK_GROUP, ON_UNSUPPORTED_SKIP, Promotion
from dealwright.v1.ruleset_pb2 import Increment, Policy, RoundingGrain, RoundingMode, Ruleset, Selection
from dealwright.v1.text_pb2 import Text

from tests.differential import conditions
from tests.differential.carts import CALENDARS, CATEGORIES, STORES, request
from tests.differential.chances import CURRENCY, Chance
from tests.differential.rules import RULES, set_rule

TYPES = [*sorted(RULES), "custom", "custom", "buy_x_get_y", "threshold_tier"]
"""The types of promotions, those oftener that have more to say."""

PROMOTIONS_MAX = 4
UNITS_MAX = 12
# Now and then more promotions on fewer units, since the reference tries every plan.
CROWD_MAX = 6
UNITS_OF_CROWD_MAX = 5


@dataclass(frozen=True, repr=False)
class Case:
    """What is evaluated, by Evaluate or by Explain."""

    ruleset: Ruleset
    request: EvaluateRequest
    explain: bool

    def __repr__(self) -> str:
        return f"<{len(self.ruleset.promotions)} promotions, {len(self.request.cart.lines)} lines>"


def case(seed: int, number: int) -> Case:
    """The case of this number; the same one whenever it is asked for."""
    chance = Chance(seed, number)
    crowded = chance.one_in(15)
    count = chance.number(1, CROWD_MAX if crowded else PROMOTIONS_MAX)
    promotions = [_promotion(chance, number) for number in range(count)]
    ruleset = Ruleset(
        company_id="sinar-rasa",
        revision=7,
        policy=_policy(chance),
        promotions=promotions,
        stores=STORES,
        categories=CATEGORIES,
        holiday_calendars=CALENDARS,
    )
    units_max = UNITS_OF_CROWD_MAX if crowded else UNITS_MAX
    return Case(ruleset, request(chance, promotions, units_max), chance.one_in(2))


def _policy(chance: Chance) -> Policy:
    policy = Policy()
    if chance.one_in(4):
        policy.selection = chance.of([Selection.SELECTION_BEST, Selection.SELECTION_PRIORITY])
    if chance.one_in(2):
        policy.rounding.mode = chance.of(
            [
                RoundingMode.ROUNDING_MODE_HALF_UP,
                RoundingMode.ROUNDING_MODE_HALF_EVEN,
                RoundingMode.ROUNDING_MODE_DOWN,
            ]
        )
    if chance.one_in(2):
        policy.rounding.grain = chance.of(
            [
                RoundingGrain.ROUNDING_GRAIN_LINE,
                RoundingGrain.ROUNDING_GRAIN_UNIT,
                RoundingGrain.ROUNDING_GRAIN_ORDER,
            ]
        )
    if chance.one_in(4):
        increment = Increment(currency_code=CURRENCY, minor=chance.of([10, 100, 5]))
        policy.rounding.increments.append(increment)
    if chance.one_in(4):
        policy.time_zone = "Asia/Jakarta"
    if chance.one_in(4):
        policy.channels.append("kiosk")
    return policy


def _promotion(chance: Chance, number: int) -> Promotion:
    promotion = Promotion(
        id=f"{chance.of('ABab')}{number}",
        # Now and then one that no engine of today can apply.
        rule_language=2 if chance.one_in(20) else 1,
        name=[Text(language="en", text="Offer")],
        priority=chance.of([0, 0, 1, -1, 5]),
    )
    set_rule(chance, promotion, chance.of(TYPES))
    for part, times in (
        ("stacking", 2),
        ("condition", 4),
        ("targeting", 6),
        ("schedule", 6),
        ("trigger", 6),
        ("limits", 5),
        ("cross_brand", 8),
    ):
        if chance.one_in(times):
            getattr(promotion, part).CopyFrom(getattr(conditions, part)(chance))
    if chance.one_in(4):
        promotion.on_unsupported = chance.of([ON_UNSUPPORTED_SKIP, ON_UNSUPPORTED_BLOCK_GROUP])
    if promotion.HasField("happy_hour") and not promotion.schedule.daily_windows:
        promotion.schedule.CopyFrom(conditions.schedule(chance, windows=True))
    return promotion
