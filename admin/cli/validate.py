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
    """What is to be said about each promotion, and then about all of them together."""
    from dealwright.v1.diagnostic_pb2 import Diagnostics
    from dealwright_engine import InvalidRuleset, Ruleset, validate_ruleset

    from server.definitions.validation import validate as diagnose

    alone = [found for promotion in definitions.promotions for found in diagnose(promotion)]
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
    return [*alone, *(found for found in Diagnostics.FromString(together).diagnostics if found not in alone)]


def validate(files: FilesArgument, as_json: JsonOption = False) -> None:
    """Check promotions and rulesets, and say everything that is wrong: file, line, field path and code.

    With the company's settings among the files, promotions are also checked beside each other and beside
    stores, categories and calendars. Ends with 1 when there is an error; warnings alone are fine.
    """
    from admin.cli.findings import Finding, of_definitions, of_document
    from server.documents import DocumentError, read_definitions

    with plain_findings():
        findings: list[Finding]
        count = 0
        try:
            definitions = read_definitions(files)
        except DocumentError as error:
            findings = [of_document(problem) for problem in error.problems]
        else:
            count = len(definitions.items)
            findings = of_definitions(_diagnose(definitions), definitions)
        errors = sum(not finding.warning for finding in findings)
        if as_json:
            emit_json(
                {"promotions": count, "errors": errors, "findings": [finding.value() for finding in findings]}
            )
        else:
            for finding in findings:
                emit(str(finding))
        say(f"{count} promotions, {errors} errors, {len(findings) - errors} warnings")
        if errors:
            raise typer.Exit(ExitCode.FINDINGS)
