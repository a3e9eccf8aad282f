"""The one validator, as the service and the command call it."""

import dealwright_engine
from dealwright.v1.diagnostic_pb2 import Diagnostic, Diagnostics
from dealwright.v1.promotion_pb2 import Promotion


def validate(promotion: Promotion) -> list[Diagnostic]:
    """Everything that the validator has to say about a promotion, with its id on each."""
    diagnostics = Diagnostics.FromString(
        dealwright_engine.validate(promotion.SerializeToString())
    ).diagnostics
    for diagnostic in diagnostics:
        diagnostic.promotion_id = promotion.id
    return list(diagnostics)
