"""dealwright validate: everything that is wrong with definitions."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from admin.cli.findings import plain_findings
from admin.cli.output import ExitCode, JsonOption, emit, emit_json, say

if TYPE_CHECKING:
    from dealwright.v1.diagnostic_pb2 import Diagnostic

    from server.documents import Definitions

FilesArgument = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="Files or folders; - is standard input.")
]


def _diagnose(definitions: "Definitions") -> "list[Diagnostic]":
    """What is to be said about each promotion and test cart, and then about all of them together."""
    from dealwright.v1.diagnostic_pb2 import Diagnostics, Severity
    from dealwright_engine import InvalidRuleset, Ruleset, validate_ruleset

    from server.definitions.checks.test_carts import deviating, faults_of
    from server.definitions.validation import validate as diagnose

    alone = [found for promotion in definitions.promotions for found in diagnose(promotion)]
    alone += faults_of(definitions.carts)
    ruleset = definitions.ruleset().SerializeToString(deterministic=True)
    if definitions.settings is not None:
        together = validate_ruleset(ruleset)
    else:
        try:
            Ruleset.compile(ruleset)
        except InvalidRuleset as error:
            together = error.diagnostics
        else:
            together = b""
    found = [*alone, *(found for found in Diagnostics.FromString(together).diagnostics if found not in alone)]
    wrong = any(each.severity == Severity.SEVERITY_ERROR for each in found)
    if definitions.settings is not None and not wrong:
        found += deviating(definitions.carts, definitions.ruleset())
    return found


def validate(files: FilesArgument, as_json: JsonOption = False) -> None:
    """Check promotions, rulesets and test carts: all that is wrong, with file, line, field path and code.

    With the company's settings among the files, promotions are also checked beside each other and beside
    stores, categories and calendars, and test carts are priced: what comes out otherwise than expected is
    an error. Ends with 1 when there is an error; warnings alone are fine.
    """
    from admin.cli.findings import Finding, of_document
    from admin.cli.outcomes import of_everything
    from server.documents import DocumentError, read_definitions

    with plain_findings():
        findings: list[Finding]
        count = carts = 0
        try:
            definitions = read_definitions(files)
        except DocumentError as error:
            findings = [of_document(problem) for problem in error.problems]
        else:
            count, carts = len(definitions.items), len(definitions.test_carts)
            findings = of_everything(_diagnose(definitions), definitions)
        errors = sum(not finding.warning for finding in findings)
        if as_json:
            emit_json(
                {
                    "promotions": count,
                    "test_carts": carts,
                    "errors": errors,
                    "findings": [finding.value() for finding in findings],
                }
            )
        else:
            for finding in findings:
                emit(str(finding))
        counted = f"{count} promotions, " + (f"{carts} test carts, " if carts else "")
        say(f"{counted}{errors} errors, {len(findings) - errors} warnings")
        if errors:
            raise typer.Exit(ExitCode.FINDINGS)
