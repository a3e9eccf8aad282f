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


def require_compiling(ruleset: Ruleset, before: Ruleset | None = None) -> list[Diagnostic]:
    """Refuses a ruleset that can't be compiled or holds an error, and returns the warnings about it.

    What was to be said of the ruleset before it already isn't said again, and doesn't refuse it: a promotion
    that only a newer engine understands keeps nobody from publishing another one.
    """
    found = _as_a_whole(ruleset)
    known = _as_a_whole(before) if found and before is not None else []
    news = [diagnostic for diagnostic in found if diagnostic not in known]
    if any(diagnostic.severity == Severity.SEVERITY_ERROR for diagnostic in news):
        raise DefinitionsRefused(news)
    return news


def _as_a_whole(ruleset: Ruleset) -> list[Diagnostic]:
    encoded = ruleset.SerializeToString(deterministic=True)
    return list(Diagnostics.FromString(dealwright_engine.validate_ruleset(encoded)).diagnostics)


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
