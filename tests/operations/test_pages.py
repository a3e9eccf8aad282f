"""The pages for operators say what is: every setting with its default, and commands that exist."""

import re
from dataclasses import fields
from typing import Any

import pytest
import typer.main

from admin.cli.main import app
from server.runtime.settings import Settings
from tests.structure.tree import ROOT

PAGES = ("operations.md", "runbook.md")


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def shown(default: Any) -> str:
    """A default as a variable would give it."""
    if default is None or default == ():
        return ""
    if isinstance(default, bool):
        return f"`{int(default)}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def test_the_table_has_every_setting_with_its_default() -> None:
    rows = re.findall(r"^\| `(DEALWRIGHT_\w+)` \| (?:(\S+) )?\| ", page("operations.md"), re.MULTILINE)

    assert rows == [
        (f"DEALWRIGHT_{setting.name.upper()}", shown(setting.default)) for setting in fields(Settings)
    ]


@pytest.mark.parametrize("name", PAGES)
def test_commands_of_the_pages_exist(name: str) -> None:
    program: Any = typer.main.get_command(app)
    commands = re.findall(r"`dealwright ([a-z -]+?)`", page(name))
    assert commands
    for words in commands:
        found = program
        for word in words.split(" --")[0].split():
            found = found.get_command(None, word)
            assert found is not None, f"{name}: dealwright {words}"


def test_the_runbook_names_metrics_and_log_lines_that_exist() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "server").rglob("*.py"))
    lines = re.findall(r"log line `(\w+)`", page("runbook.md"))
    assert lines
    assert [line for line in lines if f'"{line}"' not in sources] == []
