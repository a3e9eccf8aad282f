"""How commands talk: data on standard output, talk on standard error, and what the exit codes mean."""

import io
import json
import os
import re
import sys
from contextlib import suppress
from enum import IntEnum
from typing import Annotated, Any, NoReturn

import typer

EXIT_CODES = (
    "Exit codes: 0 fine; 1 the input has findings; 2 wrong usage or settings; 3 something else failed."
)

_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What steers a terminal instead of being seen: control characters, directions, halves of characters."""

JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON instead of text to standard output.")]


class ExitCode(IntEnum):
    """What a command ends with."""

    FINE = 0
    FINDINGS = 1
    USAGE = 2
    FAILED = 3


def complete_streams() -> None:
    """Opens standard streams that whoever started the command has closed, in the order of their numbers.

    Letters that standard output doesn't have are shown by their number.
    """
    sys.stdin = sys.stdin or open(os.devnull)  # noqa: SIM115, PTH123 - open until the process ends
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115, PTH123
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115, PTH123
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def emit(text: str) -> None:
    """Writes data to standard output at once, so that readers of a pipe see each line."""
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except OSError as error:
        end_unwritten(error)


def end_unwritten(error: OSError) -> NoReturn:
    """Ends a command whose standard output takes nothing more. Readers that have left know it themselves."""
    if not isinstance(error, BrokenPipeError):
        say(f"Standard output can't be written: {error.strerror}.")
    # What is still in the buffer would be tried again when the process ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(ExitCode.FAILED)


def emit_json(value: Any, *, indent: int | None = 2) -> None:
    # JSON escapes what is unseen below a space; of the rest nothing stands outside of texts.
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    emit("\n".join(_UNSEEN.sub(_json_escape, line) for line in text.split("\n")))


def _json_escape(unseen: re.Match[str]) -> str:
    return f"\\u{ord(unseen[0]):04x}"


def say(text: str) -> None:
    """Talks to whoever runs the command, if anybody listens."""
    with suppress(OSError):
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def visible(text: str) -> str:
    """A line that comes from elsewhere, with escapes for what could steer the terminal."""
    return _UNSEEN.sub(lambda unseen: unseen[0].encode("unicode_escape").decode(), text)


def style(text: str, **how: Any) -> str:
    """A visible line in colours for a terminal; in none anywhere else, or with NO_COLOR set."""
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return typer.style(visible(text), **how) if coloured else visible(text)
