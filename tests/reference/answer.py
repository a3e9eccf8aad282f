"""The reference evaluator: a ruleset and a request in, a Result out.

Written from the rules' text alone and meant to be read beside it: exact fractions, one object per unit, every
plan tried. It is the oracle of the engine's differential tests and shares nothing with the engine.
"""

from dataclasses import dataclass

from dealwright.v1.evaluation_service_pb2 import EvaluateRequest, VerdictScope
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.result_pb2 import (
    CodeOutcome,
    CodeVerdict,
    Proof,
    Reason,
    Result,
    SelectionReport,
    Verdict,
)
from dealwright.v1.ruleset_pb2 import Ruleset, Selection

from tests.reference.amounts import applications, line_results, totals
from tests.reference.blocking import blocked, blocking
from tests.reference.eligibility import is_candidate, normalized, refused_before_plan, unsupported
from tests.reference.facts import Facts, gather
from tests.reference.lowering import lower
from tests.reference.plans import Choice, choose
from tests.reference.remarks import remarks
from tests.reference.verdicts import verdict_on
from tests.reference.why import Why, parameters


@dataclass(frozen=True)
class Priced:
    """What was decided about a cart."""

    facts: Facts
    promotions: list[Promotion]
    whys: dict[str, Why]
    choice: Choice

    def given_by(self, promotion_id: str) -> int:
        """What a promotion gives, gifts included."""
        own = [made.effect for made in self.choice.outcome.made if made.offer.id == promotion_id]
        return sum(effect.discount + effect.gift_value for effect in own)


def price(ruleset: Ruleset, request: EvaluateRequest, now_nanos: int = 0) -> Priced:
    """The plan, and a reason for each promotion, in the order of S-10.3."""
    facts = gather(ruleset, request, now_nanos)
    promotions = sorted(ruleset.promotions, key=_rank)
    refused = {each.id: refused_before_plan(each, facts) for each in promotions}
    offers = [lower(each, facts.currency) for each in promotions if refused[each.id] is None]
    blocks = blocking(promotions, facts)
    refused |= {offer.id: blocked(offer, blocks) for offer in offers}
    offers = [offer for offer in offers if refused[offer.id] is None]
    choice = choose(facts, offers)
    whys = {
        each.id: refused[each.id] or verdict_on(next(o for o in offers if o.id == each.id), choice, facts)
        for each in promotions
    }
    return Priced(facts, promotions, whys, choice)


def evaluate(ruleset: Ruleset, request: EvaluateRequest, now_nanos: int = 0) -> Result:
    """S-1.1. What names the engine's own work stays empty: fingerprint, hash, texts, nodes."""
    priced = price(ruleset, request, now_nanos)
    facts, promotions, whys, choice = priced.facts, priced.promotions, priced.whys, priced.choice
    owners = _code_owners(promotions)
    asked = _asked(request.options.verdicts, promotions, facts)
    result = Result(
        cart_id=request.cart.id,
        company_id=ruleset.company_id,
        revision=ruleset.revision,
        currency_code=facts.currency,
        totals=totals(facts, choice.outcome),
        lines=line_results(facts, choice.outcome),
        applications=applications(choice.outcome),
        verdicts=[_verdict(each.id, whys[each.id]) for each in asked],
        codes=_codes(facts, owners, whys),
        gifts=[gift for made in choice.outcome.made for gift in made.effect.gifts],
        rewards=[reward for made in choice.outcome.made for reward in made.effect.rewards],
        selection=_report(facts, choice),
        remarks=remarks(ruleset, request.cart, facts.instant_nanos),
    )
    result.evaluate_time.FromNanoseconds(facts.instant_nanos)
    return result


def _rank(promotion: Promotion) -> tuple[bool, int, int, bytes]:
    """S-10.3: by phase, priority and id, those unsupported last."""
    last = unsupported(promotion)
    return last, 0 if last else lower(promotion, "").phase, -promotion.priority, promotion.id.encode()


def _code_owners(promotions: list[Promotion]) -> dict[str, str]:
    """S-9.1: who answers for a code: the first promotion in the order of section 4."""
    owners: dict[str, str] = {}
    for promotion in promotions:
        for code in promotion.trigger.code.codes:
            owners.setdefault(normalized(code), promotion.id)
    return owners


def _asked(scope: VerdictScope.ValueType, promotions: list[Promotion], facts: Facts) -> list[Promotion]:
    """S-10.3."""
    match scope:
        case VerdictScope.VERDICT_SCOPE_ALL:
            return promotions
        case VerdictScope.VERDICT_SCOPE_NONE:
            return []
    return [each for each in promotions if is_candidate(each, facts)]


def _verdict(promotion_id: str, why: Why) -> Verdict:
    return Verdict(promotion_id=promotion_id, reason=why.reason, parameters=parameters(why))


def _codes(facts: Facts, owners: dict[str, str], whys: dict[str, Why]) -> list[CodeVerdict]:
    """S-9.1: each code gets an answer, in the cart's order."""
    vouchers = {normalized(voucher.code): voucher.promotion_id for voucher in facts.cart.vouchers}
    seen: set[str] = set()
    answers = []
    for code in facts.cart.codes:
        key = normalized(code)
        promotion_id = vouchers.get(key) or owners.get(key, "")
        if key in seen:
            answers.append(CodeVerdict(code=code, outcome=CodeOutcome.CODE_OUTCOME_DUPLICATE))
        elif promotion_id not in whys:
            answers.append(CodeVerdict(code=code, outcome=CodeOutcome.CODE_OUTCOME_UNKNOWN))
        else:
            why = whys[promotion_id]
            applied = why.reason == Reason.REASON_APPLIED
            answers.append(
                CodeVerdict(
                    code=code,
                    promotion_id=promotion_id,
                    outcome=(
                        CodeOutcome.CODE_OUTCOME_APPLIED if applied else CodeOutcome.CODE_OUTCOME_NOT_APPLIED
                    ),
                    reason=why.reason,
                    parameters=parameters(why),
                )
            )
        seen.add(key)
    return answers


def _report(facts: Facts, choice: Choice) -> SelectionReport:
    """S-7.3, S-7.4."""
    priority = facts.policy.selection == Selection.SELECTION_PRIORITY
    proof = Proof.PROOF_NOT_SOUGHT if priority else Proof.PROOF_PROVEN
    return SelectionReport(benefit_minor=choice.outcome.benefit, proof=proof)
