"""Findings about the input: what is wrong, where it was written, and its stable code."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import typer
from dealwright.v1.diagnostic_pb2 import Diagnostic, Diagnostics, Severity

from admin.cli.output import ExitCode, say, visible
from server.documents import Definitions, DocumentError, Problem, to_value

UNREADABLE = "unreadable_document"
"""The code of what is wrong before a message can be made of a document."""

Locate = Callable[[str, str], Problem]


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding, ready to be shown."""

    problem: Problem
    code: str = UNREADABLE
    warning: bool = False
    promotion_id: str = ""
    parameters: tuple[dict[str, Any], ...] = ()

    def __str__(self) -> str:
        owner = "" if self.problem.source or not self.promotion_id else f"{self.promotion_id}: "
        return visible(f"{owner}{self.problem} [{'warning' if self.warning else 'error'} {self.code}]")

    def value(self) -> dict[str, Any]:
        """The finding as JSON values."""
        return {
            "code": self.code,
            "severity": "warning" if self.warning else "error",
            "message": self.problem.message,
            "field": self.problem.field,
            "promotion_id": self.promotion_id,
            "file": self.problem.source,
            "line": self.problem.line,
            "parameters": list(self.parameters),
        }


def of_document(problem: Problem) -> Finding:
    return Finding(problem)


def of_diagnostic(diagnostic: Diagnostic, locate: Locate | None = None) -> Finding:
    """A finding of the engine, at its place in a file when that is known."""
    where = locate or (lambda field, message: Problem(message, field=field))
    return Finding(
        where(diagnostic.field, diagnostic.message),
        diagnostic.code,
        diagnostic.severity == Severity.SEVERITY_WARNING,
        diagnostic.promotion_id,
        tuple(to_value(parameter) for parameter in diagnostic.parameters),
    )


def of_engine(diagnostics: bytes | Iterable[Diagnostic], locate: Locate | None = None) -> list[Finding]:
    if isinstance(diagnostics, bytes):
        diagnostics = Diagnostics.FromString(diagnostics).diagnostics
    return [of_diagnostic(diagnostic, locate) for diagnostic in diagnostics]


def of_definitions(diagnostics: bytes | Iterable[Diagnostic], definitions: Definitions) -> list[Finding]:
    """Findings about definitions, each at the place where its promotion was written."""
    if isinstance(diagnostics, bytes):
        diagnostics = Diagnostics.FromString(diagnostics).diagnostics
    places = {item.promotion.id: item.problem for item in definitions.items}
    return [of_diagnostic(diagnostic, places.get(diagnostic.promotion_id)) for diagnostic in diagnostics]


def report(findings: Sequence[Finding]) -> None:
    """Tells findings on standard error."""
    for finding in findings:
        say(str(finding))


@contextmanager
def plain_findings() -> Iterator[None]:
    """Ends a command whose input can't be used with its findings and exit code 1 instead of a traceback."""
    from dealwright_engine import EngineError

    try:
        yield
    except DocumentError as error:
        report([of_document(problem) for problem in error.problems])
        raise typer.Exit(ExitCode.FINDINGS) from error
    except EngineError as error:
        report(of_engine(error.diagnostics))
        raise typer.Exit(ExitCode.FINDINGS) from error
