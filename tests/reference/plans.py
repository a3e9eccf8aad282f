"""Choosing the plan: every plan is tried (S-7.2 to S-7.4, S-7.11, S-7.12)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, combinations

from dealwright.v1.ruleset_pb2 import Selection

from tests.reference.conflicts import compatible, conflict
from tests.reference.facts import Facts
from tests.reference.pipeline import Counts, Outcome, Pipeline, run
from tests.reference.steps import Offer, Sets, Step


@dataclass(frozen=True)
class Choice:
    """The plan chosen, and what comes of it."""

    offers: list[Offer]
    counts: Counts
    outcome: Outcome


def choose(facts: Facts, eligible: Sequence[Offer]) -> Choice:
    """S-7.2, S-7.4."""
    offers = sorted((offer for offer in eligible if not offer.only_rewards), key=lambda offer: offer.rank)
    rewards = sorted((offer for offer in eligible if offer.only_rewards), key=lambda offer: offer.rank)
    if facts.policy.selection == Selection.SELECTION_PRIORITY:
        return _by_priority(facts, offers, rewards)
    return max(_plans(facts, offers, rewards), key=lambda plan: _rank(plan, offers))


def _rank(plan: Choice, offers: Sequence[Offer]) -> tuple[int, int, int, list[int]]:
    """S-7.2: benefit, worth of rewards, fewer promotions, then the earliest plan in pipeline order."""
    steps = sorted(
        ((offer, step) for offer in offers for step in offer.steps),
        key=lambda turn: (turn[1].phase, turn[0].rank[1:], turn[1].number),
    )
    taken = [
        max(1, plan.counts.get((offer.id, step.number), 1)) if offer in plan.offers else 0
        for offer, step in steps
    ]
    return plan.outcome.benefit, plan.outcome.worth, -len(plan.offers), taken


def _plans(facts: Facts, offers: Sequence[Offer], rewards: Sequence[Offer]) -> Iterator[Choice]:
    """Every compatible subset with every number of sets, if each member gives something (S-7.11)."""
    for subset in chain.from_iterable(combinations(offers, size) for size in range(len(offers) + 1)):
        chosen = list(subset)
        if compatible(chosen):
            for counts in _counts(facts, chosen, rewards, _set_steps(chosen), {}):
                outcome = run(facts, chosen, rewards, counts)
                if _pays_all_sets(facts, chosen, rewards, counts) and not any(
                    offer.id in outcome.refused for offer in chosen
                ):
                    yield Choice(chosen, counts, outcome)


def _pays_all_sets(facts: Facts, offers: list[Offer], rewards: Sequence[Offer], counts: Counts) -> bool:
    """S-9.3: a budget has to pay all the sets that its promotion could form beside the others."""
    for offer in offers:
        of_others = {(id_, number): count for (id_, number), count in counts.items() if id_ != offer.id}
        if offer.id in Pipeline(facts, offers, rewards, of_others).run().unpaid:
            return False
    return True


def _set_steps(offers: list[Offer]) -> list[tuple[Offer, Step]]:
    """Set steps in pipeline order."""
    steps = [(offer, step) for offer in offers for step in offer.steps if isinstance(step.act, Sets)]
    return sorted(steps, key=lambda turn: (turn[1].phase, turn[0].rank[1:], turn[1].number))


def _counts(
    facts: Facts,
    offers: list[Offer],
    rewards: Sequence[Offer],
    steps: list[tuple[Offer, Step]],
    decided: Counts,
) -> Iterator[Counts]:
    """S-7.2: for each set step from 1 to the most that it can form there, earlier steps decided."""
    if not steps:
        yield decided
        return
    (offer, step), *others = steps
    outcome = Pipeline(facts, offers, rewards, decided).run()
    most = outcome.formed.get((offer.id, step.number), 0)
    for count in range(1, most + 1):
        yield from _counts(facts, offers, rewards, others, {**decided, (offer.id, step.number): count})
    if most == 0:
        yield from _counts(facts, offers, rewards, others, decided)


def _by_priority(facts: Facts, offers: Sequence[Offer], rewards: Sequence[Offer]) -> Choice:
    """S-7.4: in pipeline order what is eligible, compatible and gives something; sets as many as can be."""
    removed: list[Offer] = []
    while True:
        taken: list[Offer] = []
        for offer in offers:
            if offer in removed or conflict(offer, taken):
                continue
            outcome = Pipeline(facts, [*taken, offer], [], {}).run()
            refused = offer.id in outcome.refused or offer.id in outcome.unpaid
            if offer.id in outcome.barred or (len(offer.steps) == 1 and refused):
                continue
            taken.append(offer)
        outcome = run(facts, taken, rewards, {})
        empty = [offer for offer in taken if offer.id in outcome.refused]
        if not empty:
            return Choice(taken, {}, outcome)
        removed.append(empty[0])
