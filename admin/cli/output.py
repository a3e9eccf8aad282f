"""How commands talk: data on standard output, talk on standard error, and what the exit codes mean."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Annotated, Any

import typer

EXIT_CODES = (
    "Exit codes: 0 fine; 1 the input has findings; 2 wrong usage or settings; 3 something else failed."
)

JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON instead of text to standard output.")]


class ExitCode(IntEnum):
    """What a command ends with."""

    FINE = 0
    FINDINGS = 1
    USAGE = 2
    FAILED = 3


def emit(text: str) -> None:
    """Writes data to standard output at once, so that readers of a pipe see each line."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def emit_json(value: Any, *, indent: int | None = 2) -> None:
    emit(json.dumps(value, ensure_ascii=False, indent=indent))


def say(text: str) -> None:
    """Talks to whoever runs the command."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def style(text: str, **how: Any) -> str:
    """Colours for a terminal; none anywhere else, or with NO_COLOR set."""
    return typer.style(text, **how) if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else text


@contextmanager
def plain_findings() -> Iterator[None]:
    """Ends a command whose input can't be used with its findings and exit code 1 instead of a traceback."""
    from dealwright_engine import EngineError

    from admin.cli.findings import of_document, of_engine, report
    from server.documents import DocumentError

    try:
        yield
    except DocumentError as error:
        report([of_document(problem) for problem in error.problems])
        raise typer.Exit(ExitCode.FINDINGS) from error
    except EngineError as error:
        report(of_engine(error.diagnostics))
        raise typer.Exit(ExitCode.FINDINGS) from error
