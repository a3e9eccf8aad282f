"""What the commands share that run a server or use a database."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from admin.cli.findings import of_engine, plain_findings, report
from admin.cli.output import ExitCode, say, visible
from server.db.engine import DatabaseUnavailable, Unstorable
from server.runtime.errors import DefinitionsRefused, Refusal
from server.runtime.settings import AddressTaken, Settings, SettingsError, unknown_variables


def read_settings() -> Settings:
    """The settings of the environment; what looks like one and is none is told."""
    settings = Settings.from_environment()
    for remark in unknown_variables():
        say(remark)
    return settings


@contextmanager
def plain_failures() -> Iterator[None]:
    """Ends a command with a sentence and the right exit code instead of a traceback."""
    try:
        with plain_findings():
            yield
    except DefinitionsRefused as error:
        report(of_engine(error.diagnostics))
        raise typer.Exit(ExitCode.FINDINGS) from error
    except SettingsError as error:
        say(visible(f"Settings: {error}"))
        raise typer.Exit(ExitCode.USAGE) from error
    except (Refusal, Unstorable) as error:
        say(visible(str(error)))
        raise typer.Exit(ExitCode.FINDINGS) from error
    except (DatabaseUnavailable, AddressTaken) as error:
        say(visible(str(error)))
        raise typer.Exit(ExitCode.FAILED) from error
