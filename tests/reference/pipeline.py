"""The fixed pipeline: what comes of a plan (sections 4 to 6)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from dealwright.v1.condition_pb2 import Basis
from dealwright.v1.primitives_pb2 import Phase
from dealwright.v1.result_pb2 import Reason
from dealwright.v1.selector_pb2 import Selector
from dealwright.v1.stacking_pb2 import ShortBudget

from tests.reference.conditions import Truth, View, ask, ask_threshold
from tests.reference.conflicts import conflict
from tests.reference.effects import Effect, Prices, Turn
from tests.reference.facts import Facts, Line
from tests.reference.gifts import give
from tests.reference.reductions import reduce, spread
from tests.reference.rewards import promise
from tests.reference.scopes import in_scope, may_fill, scope
from tests.reference.sets import make_sets
from tests.reference.steps import Act, Gift, Offer, Reduce, Reward, Sets, Slot, Spread, Step, Tiers
from tests.reference.units import Unit, units_of
from tests.reference.why import Amount, Why, shortfall

Counts: TypeAlias = Mapping[tuple[str, int], int]
"""How many sets a step makes, by promotion and step; one that isn't named makes as many as it can."""


@dataclass(frozen=True)
class Made:
    """A step that was run, and what it did."""

    offer: Offer
    step: Step
    effect: Effect


@dataclass
class Outcome:
    """What comes of a plan."""

    units: list[Unit]
    made: list[Made] = field(default_factory=list)
    barred: dict[str, Why] = field(default_factory=dict)
    unpaid: set[str] = field(default_factory=set)
    nothing: dict[str, Why] = field(default_factory=dict)
    formed: dict[tuple[str, int], int] = field(default_factory=dict)

    @property
    def refused(self) -> dict[str, Why]:
        """Promotions of the plan that aren't applied after all, and why."""
        applied = {made.offer.id for made in self.made if made.effect.gives}
        return {id_: why for id_, why in {**self.nothing, **self.barred}.items() if id_ not in applied}

    @property
    def benefit(self) -> int:
        """S-7.2: all price reductions, and the value of gifts."""
        return sum(made.effect.discount + made.effect.gift_value for made in self.made)

    @property
    def worth(self) -> int:
        """S-7.12."""
        return sum(made.effect.worth for made in self.made)

    def costs(self, offer: Offer) -> int:
        """What the promotion's budget pays (S-9.3)."""
        return sum(made.effect.costs for made in self.made if made.offer == offer)

    def applied(self, offer: Offer) -> bool:
        return any(made.offer == offer and made.effect.gives for made in self.made)


def run(facts: Facts, offers: Sequence[Offer], rewards: Sequence[Offer], counts: Counts) -> Outcome:
    """Runs a plan; an offer with a step that its budget can't pay is taken out whole (S-7.11)."""
    outcome = Pipeline(facts, offers, rewards, counts).run()
    for offer in [*offers, *rewards]:
        if offer.id in outcome.unpaid:
            others = run(facts, _without(offers, offer), _without(rewards, offer), counts)
            why = too_dear(facts, offers, rewards, counts, offer)
            assert why is not None
            others.barred[offer.id] = why
            return others
    return outcome


def too_dear(
    facts: Facts, offers: Sequence[Offer], rewards: Sequence[Offer], counts: Counts, offer: Offer
) -> Why | None:
    """S-9.3: what a promotion would cost without its budget, and what is left of it."""
    budget = budget_left(offer, facts)
    if budget is None:
        return None
    limits = {id_: state for id_, state in facts.limits.items() if id_ != offer.id}
    outcome = run(replace(facts, limits=limits), offers, rewards, counts)
    if not outcome.applied(offer):
        return None
    amounts = {
        "needed": Amount(facts.currency, outcome.costs(offer)),
        "had": Amount(facts.currency, max(0, budget)),
    }
    return Why(Reason.REASON_BUDGET, amounts)


def _without(offers: Sequence[Offer], left_out: Offer) -> list[Offer]:
    return [offer for offer in offers if offer != left_out]


def budget_left(offer: Offer, facts: Facts) -> int | None:
    state = facts.limits.get(offer.id)
    return state.budget_left_minor if state and state.HasField("budget_left_minor") else None


def _pays_in_part(offer: Offer) -> bool:
    return offer.promotion.limits.on_short_budget == ShortBudget.SHORT_BUDGET_PARTIAL


class Pipeline:
    """Runs the offers of a plan, each in its place."""

    def __init__(
        self, facts: Facts, offers: Sequence[Offer], rewards: Sequence[Offer], counts: Counts
    ) -> None:
        self.facts = facts
        self.chosen = list(offers)
        self.rewards = list(rewards)
        self.counts = counts
        self.outcome = Outcome(units_of(facts))
        self.phase_start: dict[Unit, int] = {}

    def run(self) -> Outcome:
        """S-4.1, S-4.2: all steps by phase, priority, id and number."""
        turns = sorted(
            ((offer, step) for offer in [*self.chosen, *self.rewards] for step in offer.steps),
            key=lambda turn: (turn[1].phase, turn[0].rank[1:], turn[1].number),
        )
        shared: dict[tuple[str, Phase.ValueType], dict[Unit, int]] = {}
        phase = Phase.PHASE_UNSPECIFIED
        for offer, step in turns:
            if step.phase != phase:
                phase = step.phase
                self.phase_start = self._prices()
            shared.setdefault((offer.id, phase), self._prices())
            if step == offer.steps[0] and (why := self._barred(offer)):
                self.outcome.barred[offer.id] = why
            if offer.id not in self.outcome.barred:
                why = self._take_turn(offer, step, shared[offer.id, phase])
                if why:
                    self._note_nothing(offer, why)
        return self.outcome

    def _prices(self) -> dict[Unit, int]:
        return {unit: unit.left for unit in self.outcome.units}

    def _barred(self, offer: Offer) -> Why | None:
        """S-4.6, step 8 of S-8.5: the promotion's own questions at the prices that the plan leaves."""
        if offer in self.rewards:
            rewards = [each for each in self.rewards if self.outcome.applied(each)]
            why = conflict(offer, [*self.chosen, *rewards])
            if why:
                return why
        view = self._view(scope(offer, self.facts))
        answers = []
        if offer.min_purchase is not None:
            answers.append(ask_threshold(offer.min_purchase, view))
        if offer.promotion.HasField("condition"):
            answers.append(ask(offer.promotion.condition, view))
        return next((answer.why for answer in answers if answer.truth != Truth.YES), None)

    def _view(self, lines: Sequence[Line]) -> View:
        return View(self.facts, lines, self._value)

    def _value(self, lines: Sequence[Line], basis: Basis.ValueType) -> int:
        """S-4.4."""
        indexes = {line.index for line in lines}
        units = [unit for unit in self.outcome.units if unit.line.index in indexes]
        match basis:
            case Basis.BASIS_LIST:
                return sum(unit.line.unit_price_minor for unit in units)
            case Basis.BASIS_CURRENT:
                return sum(unit.left for unit in units)
        return sum(self.phase_start[unit] for unit in units)

    def _take_turn(self, offer: Offer, step: Step, shared: Mapping[Unit, int]) -> Why | None:
        """Runs a step; why it does nothing, or None."""
        if step.condition is not None:
            answer = ask(step.condition, self._view(scope(offer, self.facts)))
            if answer.truth != Truth.YES:
                return answer.why
        left = self._budget_left(offer)
        turn = self._turn(offer, step, shared, left if _pays_in_part(offer) else None)
        effect = self._effect(step.act, turn)
        self.outcome.formed[offer.id, step.number] = effect.formed
        if left is not None and effect.costs > left:
            self.outcome.unpaid.add(offer.id)
        elif effect.gives:
            self._make(Made(offer, step, effect))
        else:
            return effect.why_nothing or self._why_no_effect(turn)
        return None

    def _note_nothing(self, offer: Offer, why: Why) -> None:
        """S-4.6, S-7.9: of several steps with nothing to give one word is said, the first of S-8.5."""
        if len(offer.steps) > 1 and why.reason != Reason.REASON_UNITS_TAKEN:
            why = Why(Reason.REASON_NO_EFFECT)
        if why.reason == Reason.REASON_UNITS_TAKEN or offer.id not in self.outcome.nothing:
            self.outcome.nothing[offer.id] = why

    def _turn(self, offer: Offer, step: Step, shared: Mapping[Unit, int], budget: int | None) -> Turn:
        return Turn(
            offer,
            step,
            self.facts.policy,
            self.facts.currency,
            self.outcome.units,
            Prices(self.phase_start, shared),
            budget,
            self.counts.get((offer.id, step.number)),
        )

    def _budget_left(self, offer: Offer) -> int | None:
        """S-9.3: what the budget still pays after the steps before."""
        budget = budget_left(offer, self.facts)
        if budget is None:
            return None
        return budget - self.outcome.costs(offer)

    def _why_no_effect(self, turn: Turn) -> Why:
        """S-7.9: units that others took, else nothing to give."""
        lines = {line.index for line in scope(turn.offer, self.facts)}
        units = [unit for unit in self.outcome.units if unit.line.index in lines]
        taken = isinstance(turn.step.act, Sets | Gift) and any(unit.used for unit in units)
        if taken or len(turn.open_units(units)) < len(units):
            return Why(Reason.REASON_UNITS_TAKEN)
        return Why(Reason.REASON_NO_EFFECT)

    def _make(self, made: Made) -> None:
        self.outcome.made.append(made)
        for unit, amount in made.effect.cuts.items():
            unit.lower(amount, made.offer.promotion)
        for unit in made.effect.roles:
            unit.used = True

    def _effect(self, act: Act, turn: Turn) -> Effect:
        match act:
            case Sets():
                return make_sets(act, self._fills(turn), self._unused(turn), turn)
            case Gift():
                return give(act, self._picks(turn), self._unused(turn), turn)
            case Tiers():
                return self._tier(act, turn)
            case Reward():
                return promise(act, self._units(turn, act.scope), turn)
            case Reduce() | Spread():
                open_units = turn.open_units(self._units(turn, act.scope))
                if isinstance(act, Reduce):
                    return reduce(act, open_units, turn)
                return spread(act, open_units, turn)

    def _tier(self, act: Tiers, turn: Turn) -> Effect:
        """S-9.8: the last listed tier whose minimum is reached and whose upper end isn't."""
        lines = in_scope(turn.offer, act.scope, turn.step.phase, self.facts)
        value = self._value(lines, act.basis)
        reached = [
            tier for tier in act.tiers if value >= tier.minimum and (tier.below is None or value < tier.below)
        ]
        if reached:
            return self._effect(reached[-1].act, turn)
        above = [tier.minimum for tier in act.tiers if tier.minimum > value]
        if not above:
            return Effect(why_nothing=Why(Reason.REASON_NO_EFFECT))
        why = shortfall(Reason.REASON_THRESHOLD, self.facts.currency, min(above), value)
        return Effect(why_nothing=why)

    def _units(self, turn: Turn, selector: Selector) -> list[Unit]:
        picks = self._picks(turn)
        return [unit for unit in self.outcome.units if picks(selector, unit.line)]

    def _unused(self, turn: Turn) -> list[Unit]:
        """S-6.7: units that no set or gift used and that the promotion may touch."""
        return [unit for unit in turn.open_units(self.outcome.units) if not unit.used]

    def _picks(self, turn: Turn) -> Callable[[Selector, Line], bool]:
        def picks(selector: Selector, line: Line) -> bool:
            return line in in_scope(turn.offer, selector, turn.step.phase, self.facts)

        return picks

    def _fills(self, turn: Turn) -> Callable[[Slot, Line], bool]:
        picks = self._picks(turn)

        def fills(slot: Slot, line: Line) -> bool:
            return picks(slot.selector, line) and may_fill(slot, line, self.facts)

        return fills
