"""Tables that read well on a screen and on a page."""

from __future__ import annotations

from collections.abc import Sequence

Cell = str | int | float


def table(titles: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """A Markdown table; words to the left, numbers to the right."""
    columns = [_column(title, cells) for title, cells in zip(titles, zip(*rows, strict=True), strict=True)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in zip(*columns, strict=True)) + "\n"


def _column(title: str, cells: Sequence[Cell]) -> list[str]:
    shown = [_text(cell) for cell in cells]
    width = max(map(len, [title, *shown, "--:"]))
    if all(isinstance(cell, str) for cell in cells):
        return [cell.ljust(width) for cell in (title, "-" * width, *shown)]
    return [cell.rjust(width) for cell in (title, "-" * (width - 1) + ":", *shown)]


def _text(cell: Cell) -> str:
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int) or cell >= 1000:
        return f"{cell:,.0f}".replace(",", " ")
    return f"{cell:.1f}" if cell >= 10 else f"{cell:.2f}" if cell >= 0.1 else f"{cell:.3f}"
