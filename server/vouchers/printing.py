"""Codes as QR symbols: SVG, PNG, and sheets of paper."""

from __future__ import annotations

import html
import io
from collections.abc import Iterable
from typing import TextIO

import segno

from server.vouchers.batches import Code

PNG_SCALE = 10
"""Pixels to a module."""

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
@page {{ margin: 10mm }}
body {{ font: 11pt sans-serif; margin: 0; display: grid; grid-template-columns: repeat(3, 1fr); gap: 5mm }}
div {{ border: 1px dashed #888; padding: 4mm; text-align: center; break-inside: avoid }}
svg {{ width: 30mm; height: 30mm }}
code {{ display: block; font-size: 10pt }}
</style></head><body>
"""


def qr_svg(text: str) -> bytes:
    """A text as a QR symbol, SVG."""
    return _rendered(text, "svg", 1)


def qr_png(text: str) -> bytes:
    """A text as a QR symbol, PNG."""
    return _rendered(text, "png", PNG_SCALE)


def write_sheet(title: str, codes: Iterable[Code], file: TextIO, link: str = "{code}") -> int:
    """Writes a page of cards to be printed and cut. `link` is what the symbols say, with {code} in it."""
    file.write(_PAGE.format(title=html.escape(title)))
    count = 0
    for code in codes:
        symbol = segno.make(link.replace("{code}", code.text), micro=False)
        drawn = symbol.svg_inline(omitsize=True, border=2)
        file.write(f"<div>{html.escape(title)}{drawn}<code>{html.escape(code.text)}</code></div>\n")
        count += 1
    file.write("</body></html>\n")
    return count


def _rendered(text: str, kind: str, scale: int) -> bytes:
    drawn = io.BytesIO()
    segno.make(text, micro=False).save(drawn, kind=kind, scale=scale)
    return drawn.getvalue()
