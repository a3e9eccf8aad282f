"""What an analysis finds: a diagnostic of the catalogue with the cart that shows it."""

from collections.abc import Mapping
from dataclasses import dataclass

import dealwright_engine
from dealwright.v1.diagnostic_pb2 import Diagnostic, Severity

from server.definitions.analysis.oracle import Priced

Value = str | int

_CATALOGUE = {code: (severity, template) for code, severity, template in dealwright_engine.reason_codes()}


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding, and the cart on which the engine does what it says."""

    diagnostic: Diagnostic
    promotion_ids: frozenset[str]
    """All promotions that it is about."""
    priced: Priced


def finding(
    code: str, promotion_id: str, priced: Priced, others: Mapping[str, Value] | None = None, *also: str
) -> Finding:
    """A finding about a promotion, with the parameters of its sentence; `also` are the others it is about."""
    severity, template = _CATALOGUE[code]
    parameters = others or {}
    diagnostic = Diagnostic(
        code=code,
        severity=Severity.SEVERITY_ERROR if severity == "error" else Severity.SEVERITY_WARNING,
        message=template.format(**parameters),
        promotion_id=promotion_id,
    )
    for name, value in parameters.items():
        if isinstance(value, int):
            diagnostic.parameters.add(name=name, number=value)
        else:
            diagnostic.parameters.add(name=name, text=value)
    return Finding(diagnostic, frozenset([promotion_id, *also]), priced)
