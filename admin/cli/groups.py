"""Commands that have commands of their own, such as `dealwright audit verify`."""

import typer

from admin.cli.output import EXIT_CODES


def command_group(name: str, about: str) -> typer.Typer:
    """A command whose subcommands document the exit codes too."""
    group = typer.Typer(
        name=name,
        help=about,
        epilog=EXIT_CODES,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    group.callback()(lambda: None)
    return group
