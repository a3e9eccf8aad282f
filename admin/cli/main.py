"""The entrance of the `dealwright` command: registers one function per subcommand.

A subcommand is imported when it runs, so that `dealwright evaluate` doesn't wait for a server's libraries.
"""

import errno
import importlib
import os
import signal
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from admin.cli.output import EXIT_CODES, complete_streams, end_unwritten

# Starting PostgreSQL forks; gRPC would warn about that each time, and nothing of it is used in the child.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
# What goes wrong arrives as an exception and is told in our words.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

COMMANDS = {
    "up": "up",
    "serve": "serve",
    "worker": "worker",
    "migrate": "migrate",
    "admin": "admin",
    "demo": "demo",
    "evaluate": "evaluate",
    "explain": "explain",
    "refund": "refund",
    "replay": "replay",
    "compare": "compare",
    "till": "till",
    "validate": "validate",
    "publish": "publish",
    "promotions": "promotions",
    "rollout": "rollout",
    "test-carts": "test_carts",
    "reference": "reference",
    "redemption": "redemption",
    "voucher": "voucher",
    "webhook": "webhook",
    "company": "company",
    "token": "token",
    "user": "user",
    "keys": "keys",
    "bundle": "bundle",
    "audit": "audit",
    "journal": "journal",
    "lease": "lease",
    "top": "top",
    "jobs": "jobs",
    "doctor": "doctor",
    "version": "version",
}
"""Each subcommand and the module that has it, in the order of the help."""


class _LazyGroup(TyperGroup):
    """Builds a subcommand when it is asked for."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        complete_streams()
        # As Ctrl-C does: what was started is taken down on the way out.
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
        try:
            return super().main(*args, **kwargs)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            # The library writes help by itself.
            end_unwritten(error)

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"admin.cli.{COMMANDS[cmd_name]}")
        group = getattr(module, "group", None)
        if group is not None:
            return typer.main.get_command(group)
        single = typer.Typer(add_completion=False)
        single.command(name=cmd_name, epilog=EXIT_CODES)(getattr(module, cmd_name))
        return typer.main.get_command(single)


app = typer.Typer(cls=_LazyGroup, no_args_is_help=True, epilog=EXIT_CODES, pretty_exceptions_enable=False)


@app.callback()
def dealwright() -> None:
    """Dealwright: a promotions engine that adds up."""


if __name__ == "__main__":
    app()
