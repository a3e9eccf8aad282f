"""The one validator, as the service and the command call it, and what only a company as a whole can tell."""

from collections.abc import Iterable

import dealwright_engine
from dealwright.v1.diagnostic_pb2 import Diagnostic, Diagnostics, Severity
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.ruleset_pb2 import Ruleset

from server.runtime.errors import DefinitionsRefused, Invalid
from server.runtime.settings import COMPANY_ID, COMPANY_ID_NEEDS


def validate(promotion: Promotion) -> list[Diagnostic]:
    """Everything that the validator has to say about a promotion, with its id on each."""
    diagnostics = Diagnostics.FromString(
        dealwright_engine.validate(promotion.SerializeToString())
    ).diagnostics
    for diagnostic in diagnostics:
        diagnostic.promotion_id = promotion.id
    return list(diagnostics)


def require_valid(promotions: Iterable[Promotion]) -> list[Diagnostic]:
    """Refuses promotions with errors and returns the warnings."""
    diagnostics: list[Diagnostic] = []
    seen: set[str] = set()
    for promotion in promotions:
        diagnostics += validate(promotion)
        if promotion.id in seen:
            message = f"`{promotion.id}` is the id of another promotion of the same publication"
            diagnostics.append(fault("duplicate_id", "id", message, promotion.id))
        seen.add(promotion.id)
    if any(diagnostic.severity == Severity.SEVERITY_ERROR for diagnostic in diagnostics):
        raise DefinitionsRefused(diagnostics)
    return diagnostics


def require_compiling(ruleset: Ruleset) -> list[Diagnostic]:
    """Refuses a revision that can't be compiled, and returns the compiler's remarks about promotions."""
    try:
        compiled = dealwright_engine.Ruleset.compile(ruleset.SerializeToString(deterministic=True))
    except dealwright_engine.InvalidRuleset as error:
        raise DefinitionsRefused(Diagnostics.FromString(error.diagnostics).diagnostics) from error
    return list(Diagnostics.FromString(compiled.diagnostics).diagnostics)


def require_company_id(company_id: str) -> None:
    """Refuses what can't be the id of a company, before anything of that name comes to be."""
    if not COMPANY_ID.fullmatch(company_id):
        raise Invalid(
            "COMPANY_ID_INVALID",
            f"`{company_id}` is no id of a company: it needs {COMPANY_ID_NEEDS}",
            field="company_id",
        )


def fault(code: str, field: str, message: str, promotion_id: str = "") -> Diagnostic:
    """An error that isn't the validator's."""
    return Diagnostic(
        code=code,
        severity=Severity.SEVERITY_ERROR,
        field=field,
        message=message,
        promotion_id=promotion_id,
    )
