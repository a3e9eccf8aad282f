"""Promotions beside each other: given twice, never alone, ordered by their ids, too much together."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.result_pb2 import Application

from server.definitions.analysis.covering import accompanies
from server.definitions.analysis.demands import Ways, scope_of
from server.definitions.analysis.findings import Finding, Value, finding
from server.definitions.analysis.oracle import Oracle, Priced

NEIGHBOURS_MAX = 6
"""How many promotions are laid on the cart of another one, the strongest first."""

RIVALS_MAX = 3
"""With how many promotions of its own priority the order of one is tried."""

EVERYTHING = ""
"""The place of what names neither products nor categories nor brands."""


class Neighbourhood:
    """Which promotions may touch the same lines: those that share a name in their scope, or name none."""

    def __init__(self, promotions: Iterable[Promotion]) -> None:
        self._at: dict[str, list[Promotion]] = defaultdict(list)
        self._strength: dict[str, int] = {}
        for promotion in promotions:
            self._strength[promotion.id] = _strength(promotion)
            for place in _places(promotion):
                self._at[place].append(promotion)
        for found in self._at.values():
            found.sort(key=lambda promotion: (-self._strength[promotion.id], promotion.id))

    def of(self, promotion: Promotion) -> list[Promotion]:
        """The strongest neighbours of a promotion."""
        places = [*_places(promotion), EVERYTHING]
        found = {
            each.id: each
            for place in dict.fromkeys(places)
            for each in self._at[place][: NEIGHBOURS_MAX + 1]
            if each.id != promotion.id
        }
        ranked = sorted(found.values(), key=lambda each: (-self._strength[each.id], each.id))
        return ranked[:NEIGHBOURS_MAX]


def given_twice(
    oracle: Oracle, twins: Mapping[bytes, list[str]], promotion: Promotion, ways: Mapping[str, Ways]
) -> Iterator[Finding]:
    """A promotion that does what another one does, on a cart to which both are applied."""
    for other_id in twins[what_it_gives(promotion)]:
        other = oracle.promotions[other_id]
        if other_id == promotion.id:
            continue
        for priced in together(oracle, promotion, other, ways):
            both = oracle.confirmed(priced)
            if {promotion.id, other_id} <= both.applied:
                yield finding("given_twice", promotion.id, both, {"other": other_id}, other_id)
                return


def never_alone(oracle: Oracle, promotion: Promotion, witness: Priced) -> Iterator[Finding]:
    """A promotion that is given together with another one wherever it is given."""
    if promotion.id not in witness.applied:
        return
    for other_id in sorted(witness.applied - {promotion.id}):
        other = oracle.promotions[other_id]
        if not accompanies(other, promotion) or what_it_gives(other) == what_it_gives(promotion):
            continue
        alone = oracle.price_with([promotion], witness.request)
        both = oracle.price_with([promotion, other], witness.request)
        if alone is None or both is None or not {promotion.id, other_id} <= both.applied:
            continue
        totals, less = both.result.totals, alone.result.totals.discount_minor
        if totals.discount_minor > less:
            shown: dict[str, Value] = {
                "other": other_id,
                "list": totals.list_minor,
                "discount": totals.discount_minor,
                "alone": less,
            }
            yield finding("never_alone", promotion.id, both, shown, other_id)
            return


def ordered_by_id(oracle: Oracle, promotion: Promotion, witness: Priced) -> Iterator[Finding]:
    """Two promotions of one phase and one priority on the same lines, whose order changes what is paid."""
    own = _applications(witness, promotion.id)
    rivals = [
        each.promotion_id
        for each in witness.result.applications
        if each.promotion_id != promotion.id
        and any(each.phase == mine.phase and _lines(each) & _lines(mine) for mine in own)
        and oracle.promotions[each.promotion_id].priority == promotion.priority
    ]
    for other_id in sorted(set(rivals))[:RIVALS_MAX]:
        other = oracle.promotions[other_id]
        first, second = sorted((promotion, other), key=lambda each: each.id.encode())
        raised = Promotion()
        raised.CopyFrom(second)
        raised.priority += 1
        as_it_is = oracle.price_with([first, second], witness.request)
        other_way = oracle.price_with([first, raised], witness.request)
        if as_it_is is None or other_way is None:
            continue
        paid, otherwise = (each.result.totals.payable_minor for each in (as_it_is, other_way))
        if paid != otherwise:
            yield finding(
                "order_by_id",
                promotion.id,
                as_it_is,
                {"other": other_id, "payable": paid, "other_payable": otherwise},
                other_id,
            )
            return


def worst_cart(
    oracle: Oracle, promotion: Promotion, witness: Priced, neighbours: Neighbourhood, ways: Mapping[str, Ways]
) -> Priced:
    """The cart with the largest share off that was found by laying neighbours on the cart of a promotion."""
    mine = ways[promotion.id]
    best, chosen = witness, [promotion]
    wish = next((each for each in mine.wishes if each.contradiction() is None), None)
    if wish is None:
        return best
    for other in neighbours.of(promotion):
        theirs = ways[other.id]
        extra = next((each for each in theirs.wishes if each.contradiction() is None), None)
        if extra is None or theirs.currency_code != mine.currency_code:
            continue
        both = wish.merged(extra)
        if both.contradiction() is not None:
            continue
        for priced in oracle.witnesses(both, mine.currency_code, [*chosen, other]):
            if priced.share_ppm > best.share_ppm:
                best, wish, chosen = priced, both, [*chosen, other]
                break
    return best


def together(
    oracle: Oracle, promotion: Promotion, other: Promotion, ways: Mapping[str, Ways]
) -> Iterator[Priced]:
    """Carts on which two promotions might hold at once."""
    mine, theirs = ways[promotion.id], ways[other.id]
    for wish in mine.wishes[:2]:
        for extra in theirs.wishes[:2]:
            both = wish.merged(extra)
            if both.contradiction() is None:
                yield from oracle.witnesses(both, mine.currency_code, [promotion, other])


def twins_among(promotions: Iterable[Promotion]) -> dict[bytes, list[str]]:
    """Promotions by what they give."""
    twins: dict[bytes, list[str]] = defaultdict(list)
    for promotion in promotions:
        twins[what_it_gives(promotion)].append(promotion.id)
    return twins


def what_it_gives(promotion: Promotion) -> bytes:
    """A definition without what only people read, and without when and for whom it holds."""
    bare = Promotion()
    kind = promotion.WhichOneof("rule")
    if kind:
        getattr(bare, kind).CopyFrom(getattr(promotion, kind))
    for name in ("condition", "cross_brand", "stacking", "trigger"):
        if promotion.HasField(name):
            getattr(bare, name).CopyFrom(getattr(promotion, name))
    return bare.SerializeToString(deterministic=True)


def _places(promotion: Promotion) -> list[str]:
    scope = scope_of(promotion)
    names = [
        f"{field}:{name}"
        for each in scope.include
        for field in ("product_ids", "category_ids", "brand_ids")
        for name in getattr(each, field)
    ]
    return names or [EVERYTHING]


def _strength(promotion: Promotion) -> int:
    """About which share it takes off; a guess that says what is tried first."""
    kind = promotion.WhichOneof("rule")
    rule = getattr(promotion, kind) if kind else promotion
    reduction = getattr(rule, "reduction", rule)
    return int(getattr(reduction, "percent_off_ppm", 0) or 100_000)


def _applications(priced: Priced, promotion_id: str) -> list[Application]:
    return [each for each in priced.result.applications if each.promotion_id == promotion_id]


def _lines(application: Application) -> set[str]:
    return {share.line_id for share in application.shares if share.discount_minor}
