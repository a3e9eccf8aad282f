"""Verdicts on what was eligible: step 8 of S-8.5, S-7.10, S-10.2."""

from dealwright.v1.result_pb2 import Reason

from tests.reference.conflicts import conflict
from tests.reference.facts import Facts
from tests.reference.pipeline import run, too_dear
from tests.reference.plans import Choice
from tests.reference.steps import Offer
from tests.reference.why import Amount, Why


def verdict_on(offer: Offer, choice: Choice, facts: Facts) -> Why:
    """Applied, or why not beside the plan chosen."""
    if choice.outcome.applied(offer):
        given = sum(made.effect.discount for made in choice.outcome.made if made.offer == offer)
        return Why(Reason.REASON_APPLIED, {"discount": Amount(facts.currency, given)})
    rewards = [made.offer for made in choice.outcome.made if made.offer.only_rewards]
    why = conflict(offer, [*choice.offers, *rewards])
    if why:
        return why
    if offer.only_rewards:
        unpaid = too_dear(facts, choice.offers, [*rewards, offer], choice.counts, offer)
        return unpaid or choice.outcome.refused[offer.id]
    offers = [*choice.offers, offer]
    beside = run(facts, offers, rewards, choice.counts)
    if offer.id in beside.refused:
        return too_dear(facts, offers, rewards, choice.counts, offer) or beside.refused[offer.id]
    lost = choice.outcome.benefit - beside.benefit
    return Why(Reason.REASON_BETTER_PLAN, {"lost_by": Amount(facts.currency, lost)})
