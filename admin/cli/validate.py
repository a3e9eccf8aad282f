"""dealwright validate: everything that is wrong with definitions."""

from pathlib import Path
from typing import Annotated

import typer

from admin.cli.output import ExitCode, JsonOption, emit, emit_json, plain_findings, say

FilesArgument = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="Files or folders; - is standard input.")
]


def validate(files: FilesArgument, as_json: JsonOption = False) -> None:
    """Check promotions and rulesets, and say everything that is wrong: file, line, field path and code.

    Ends with 1 when there is an error; warnings alone are fine.
    """
    from dealwright_engine import InvalidRuleset, Ruleset

    from admin.cli.findings import Finding, of_definitions, of_document
    from server.definitions.validation import validate as diagnose
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
            findings = [
                finding
                for promotion in definitions.promotions
                for finding in of_definitions(diagnose(promotion), definitions)
            ]
            try:
                Ruleset.compile(definitions.ruleset().SerializeToString(deterministic=True))
            except InvalidRuleset as error:
                findings += of_definitions(error.diagnostics, definitions)
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
