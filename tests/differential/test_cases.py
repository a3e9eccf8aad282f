"""The generated cases reach whatever the schema can say that changes a result."""

from collections.abc import Iterator
from itertools import chain

from dealwright.v1.evaluation_service_pb2 import EvaluateRequest
from dealwright.v1.ruleset_pb2 import Ruleset
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from tests.differential.cases import case

CASES = 1000
SEED = 0

NOT_DRAWN = {
    # Read by people, or for statistics.
    "Category.name",
    "EvaluateOptions.language",
    "Line.unit_cost_minor",
    "Promotion.code",
    "Promotion.description",
    "Promotion.labels",
    "Promotion.receipt_text",
    "Promotion.terms",
    "Store.name",
    # Counted by redemption, and given as what is left.
    "Limits.max_uses_per_code",
    "Limits.max_uses_per_day",
    "Limits.max_uses_per_store",
    # What a till does without news changes no result of a cart.
    "Promotion.offline",
    "Offline.max_staleness",
    "Offline.beyond_expiry",
    "Duration.seconds",
    "Duration.nanos",
    # Nothing is priced then.
    "ON_UNSUPPORTED_REFUSE_REVISION",
    # The reference tries every plan. All advice is asked for where it is compared.
    "EvaluateOptions.near_misses_max",
    "EvaluateOptions.suggestions_max",
    "Policy.search_nodes_max",
}


def test_every_field_and_every_choice_is_drawn() -> None:
    sayable = set(chain(_sayable(Ruleset.DESCRIPTOR, set()), _sayable(EvaluateRequest.DESCRIPTOR, set())))
    drawn: set[str] = set()
    for number in range(CASES):
        drawn_case = case(SEED, number)
        drawn.update(_said(drawn_case.ruleset), _said(drawn_case.request))

    assert sayable - drawn == NOT_DRAWN


def _sayable(descriptor: Descriptor, seen: set[str]) -> Iterator[str]:
    """Fields of a message and of all inside it, and the values of enums but the first, which is unset."""
    if descriptor.full_name in seen:
        return
    seen.add(descriptor.full_name)
    for field in descriptor.fields:
        yield f"{descriptor.name}.{field.name}"
        if field.message_type is not None:
            yield from _sayable(field.message_type, seen)
        elif field.enum_type is not None:
            yield from (value.name for value in field.enum_type.values if value.number)


def _said(message: Message) -> Iterator[str]:
    for field, value in message.ListFields():
        yield f"{message.DESCRIPTOR.name}.{field.name}"
        for each in value if field.is_repeated else [value]:
            if field.message_type is not None:
                yield from _said(each)
            elif field.enum_type is not None:
                yield field.enum_type.values_by_number[each].name
