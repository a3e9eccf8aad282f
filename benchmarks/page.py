"""The performance page: the tables between its marks are what the benchmarks print."""

from __future__ import annotations

import re
from pathlib import Path

RATIO_COLUMNS = 6
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
MISSED = re.compile(r"(?P<begin><!-- not reached -->\n).*?(?P<end><!-- end -->\n)", re.DOTALL)
MARKED = re.compile(
    r"(?P<begin><!-- make bench B=(?P<subject>\w+) -->\n).*?(?P<end><!-- end -->\n)", re.DOTALL
)


def subjects_of(text: str) -> list[str]:
    """The subjects that have a place on the page."""
    return [found["subject"] for found in MARKED.finditer(text)]


def with_tables(text: str, subject: str, tables: str) -> str:
    """The page with the tables of one subject renewed."""

    def renewed(found: re.Match[str]) -> str:
        if found["subject"] != subject:
            return found[0]
        return f"{found['begin']}\n{tables.strip()}\n\n{found['end']}"

    return MARKED.sub(renewed, text)


def with_missed(text: str) -> str:
    """The page with the list of what its own tables say isn't reached."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    missed = [
        f"- {name}: {ratio}, at most {wanted} wanted"
        for name, _, _, ratio, wanted, reached in (row for row in cells if len(row) == RATIO_COLUMNS)
        if reached == "no"
    ]
    listed = "\n".join(missed) or "Everything that is wanted is reached."
    return MISSED.sub(lambda found: f"{found['begin']}\n{listed}\n\n{found['end']}", text)
