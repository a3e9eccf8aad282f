"""What a revision has to pass before it is made."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dealwright.v1.diagnostic_pb2 import Diagnostic, Severity
from dealwright.v1.guardrails_pb2 import Guardrails, OnDeviation
from dealwright.v1.ruleset_pb2 import Ruleset
from dealwright.v1.test_cart_pb2 import TestCart
from sqlalchemy import Connection

from server.actors import Actor
from server.audit import service as audit
from server.audit.service import Event
from server.definitions.analysis.report import Report, analyse
from server.definitions.checks.guardrails import guardrails_of, limits_something
from server.definitions.checks.sizes import said_of_sizes
from server.definitions.checks.test_carts import Outcome, run_both
from server.definitions.rollouts import ENDING
from server.definitions.store import revisions as revision_store
from server.definitions.store import test_carts as store
from server.definitions.store.references import references_at
from server.documents import Source, parse_message
from server.runtime.errors import DefinitionsRefused, Refusal

NEVER_REFUSED = frozenset({"pause", "archive", *ENDING})
"""What takes promotions out of force, goes back, or was checked when its rollout began: the way out of
trouble stays open."""

ANALYSED_MAX = 20
"""Up to how many promotions are analysed as they come into force where no guardrail asks for it: everybody
waits for a publication, and more can be analysed at any time."""

Json = dict[str, Any]

TOLD_MAX = 5
"""How many deviations the sentence of a refusal tells; all of them are in a dry run."""


@dataclass(frozen=True, slots=True)
class Consent:
    """What whoever makes a revision says to what its checks find."""

    deviations: str = ""
    """Why deviations of test carts are accepted. Empty: they aren't."""
    dry_run: bool = False
    """It is only looked at, so that nothing is refused for a deviation."""
    sizes: str = ""
    """Why it is accepted what stores receive. Empty: it isn't."""


class DeviationsRefused(Refusal):
    """Test carts come out otherwise than expected, and nobody has accepted that."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        deviating = [outcome for outcome in outcomes if outcome.deviations]
        told = [f"{each.test_cart_id}: {found.text}" for each in deviating for found in each.deviations]
        more = f"; and {len(told) - TOLD_MAX} more" if len(told) > TOLD_MAX else ""
        super().__init__(
            "TEST_CARTS_DEVIATE",
            "accept it with a reason, or change what the test carts expect: "
            + "; ".join(told[:TOLD_MAX])
            + more,
            field="accept_deviations",
            test_carts=",".join(outcome.test_cart_id for outcome in deviating[:TOLD_MAX]),
            count=str(len(deviating)),
        )
        self.outcomes = tuple(outcomes)


class SizesRefused(Refusal):
    """Stores would receive what they most likely aren't meant to, and nobody has accepted that."""

    def __init__(self, found: Sequence[Diagnostic]) -> None:
        super().__init__(
            "SIZES_REFUSED",
            "accept it with a reason, or change what is published: "
            + " ".join(each.message for each in found),
            field="accept_sizes",
            codes=",".join(each.code for each in found),
        )
        self.found = tuple(found)


def pass_sizes(
    connection: Connection,
    actor: Actor,
    rails: Guardrails,
    action: str,
    consent: Consent,
    before: Ruleset,
    after: Ruleset,
    deleted_ids: Collection[str],
) -> list[Diagnostic]:
    """What is to be said of what stores would receive; refused unless somebody accepts it.

    The acceptance is recorded in the caller's transaction.
    """
    found = said_of_sizes(rails, before, after, deleted_ids)
    if not found or consent.dry_run:
        return found
    if consent.sizes:
        told = {"sizes": [each.message for each in found]}
        number = after.revision
        event = Event(
            "accept_sizes", "revision", str(number), revision=number, comment=consent.sizes, after=told
        )
        audit.append(connection, actor, [event])
    elif action not in NEVER_REFUSED:
        raise SizesRefused(found)
    return found


def pass_test_carts(
    connection: Connection, actor: Actor, action: str, consent: Consent, before: Ruleset, after: Ruleset
) -> tuple[Outcome, ...]:
    """The test carts on which something changes or deviates; refuses deviations that nobody accepts.

    The acceptance is recorded in the caller's transaction.
    """
    carts = [read_cart(stored) for stored in store.newest(connection, actor.company_id).values()]
    outcomes = tuple(outcome for outcome in run_both(carts, before, after) if outcome.tells_something)
    deviating = [outcome for outcome in outcomes if outcome.deviations]
    if not deviating or consent.dry_run:
        return outcomes
    if consent.deviations:
        audit.append(connection, actor, [_accepted(consent, after.revision, deviating)])
    elif action not in NEVER_REFUSED and _refuses(guardrails_of(connection, actor.company_id)):
        raise DeviationsRefused(outcomes)
    return outcomes


def pass_analysis(
    rails: Guardrails,
    action: str,
    consent: Consent,
    ruleset: Ruleset,
    products: Mapping[str, Json],
    changed: Collection[str],
) -> list[Diagnostic]:
    """What the analysis says of promotions that come into force; refuses what the guardrails don't allow."""
    if not changed or (len(changed) > ANALYSED_MAX and not limits_something(rails)):
        return []
    report = analyse(ruleset, products, rails, changed=changed)
    found = [each.diagnostic for each in report.findings]
    refused = [each for each in found if each.severity == Severity.SEVERITY_ERROR]
    if refused and not consent.dry_run and action not in NEVER_REFUSED:
        raise DefinitionsRefused(refused)
    return found


def analyse_change(
    connection: Connection, company_id: str, ruleset: Ruleset, changed: Collection[str]
) -> Report:
    """The analysis of a ruleset that is tried, of what changed in it; without a change of all promotions."""
    head = revision_store.head_revision(connection, company_id) or 0
    products = references_at(connection, company_id, head, ["product"])["product"]
    return analyse(ruleset, products, guardrails_of(connection, company_id), changed=changed or None)


def read_cart(stored: store.StoredCart) -> TestCart:
    """A stored test cart as a message."""
    return parse_message(Source(f"the test cart {stored.test_cart_id}", stored.definition), TestCart)


def _refuses(found: Guardrails) -> bool:
    return found.on_deviation != OnDeviation.ON_DEVIATION_WARN


def _accepted(consent: Consent, revision: int, deviating: Sequence[Outcome]) -> Event:
    found = {outcome.test_cart_id: [each.text for each in outcome.deviations] for outcome in deviating}
    return Event(
        "accept_deviations",
        "revision",
        str(revision),
        revision=revision,
        comment=consent.deviations,
        after={"test_carts": found},
    )
