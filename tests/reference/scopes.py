"""The lines that a promotion is about (S-3.3, S-8.2, S-8.10)."""

from dealwright.v1.primitives_pb2 import Phase
from dealwright.v1.selector_pb2 import LineKind, Selector

from tests.reference.facts import Facts, Line
from tests.reference.picking import ITEM, picks
from tests.reference.steps import Gift, Offer, Sets, Slot, Step


def phase_kind(phase: Phase.ValueType) -> LineKind.ValueType:
    """S-3.3: the delivery phase touches delivery lines, the others items."""
    return LineKind.LINE_KIND_DELIVERY if phase == Phase.PHASE_DELIVERY else ITEM


def in_scope(offer: Offer, selector: Selector, phase: Phase.ValueType, facts: Facts) -> list[Line]:
    """S-8.2, S-8.10: the lines picked, of the benefit brands alone when there is a cross-brand tie."""
    brands = offer.promotion.cross_brand.benefit_brand_ids
    return [
        line
        for line in facts.lines
        if picks(selector, line, facts, phase_kind(phase)) and (not brands or line.brand_id in brands)
    ]


def scope_of_step(offer: Offer, step: Step, facts: Facts) -> list[Line]:
    """S-8.11: the lines of its selector, of all slots, or of a gift's trigger (none: every item line)."""
    if isinstance(step.act, Sets):
        lines = [
            line
            for slot in step.act.slots
            for line in in_scope(offer, slot.selector, step.phase, facts)
            if may_fill(slot, line, facts)
        ]
    elif isinstance(step.act, Gift):
        lines = in_scope(offer, step.act.trigger or Selector(), step.phase, facts)
    else:
        lines = in_scope(offer, step.act.scope, step.phase, facts)
    return sorted({line.index: line for line in lines}.values(), key=lambda line: line.index)


def may_fill(slot: Slot, line: Line, facts: Facts) -> bool:
    """S-12.4: some slots pass over lines that have a child."""
    return not slot.only_without_children or line.id not in facts.parents


def scope(offer: Offer, facts: Facts) -> list[Line]:
    """The lines in scope of any of its steps."""
    lines = {line.index: line for step in offer.steps for line in scope_of_step(offer, step, facts)}
    return [lines[index] for index in sorted(lines)]
