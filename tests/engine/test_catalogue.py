"""docs/diagnostics.md lists the engine's catalogue. UPDATE_DOCS=1 writes its tables again."""

import os
from pathlib import Path

from dealwright_engine import reason_codes

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "diagnostics.md"
INVALID = ROOT / "tests" / "invalid"
FOUND_IN = {
    "promotion": [INVALID, INVALID / "rules"],
    "meaning": [INVALID / "meaning"],
    "ruleset": [INVALID / "rulesets"],
    "analysis": [INVALID / "analysis"],
    "request": [INVALID / "requests"],
    "cart that is priced": [INVALID / "remarks"],
    "after a sale": [INVALID / "refunds", INVALID / "replays", INVALID / "comparisons"],
}
FIRST_TABLE = "## Errors"


def page(introduction: str) -> str:
    return introduction + "\n".join([*table(FIRST_TABLE, "error"), *table("## Warnings", "warning")])


def table(title: str, severity: str) -> list[str]:
    rows = [
        f"| `{code}` | {message} | {', '.join(found_in(code))} |"
        for code, severity_of_code, message in sorted(reason_codes())
        if severity_of_code == severity
    ]
    return [title, "", "| code | message | found in |", "|---|---|---|", *rows, ""]


def found_in(code: str) -> list[str]:
    return [
        place
        for place, folders in FOUND_IN.items()
        if any((folder / f"{code}.yaml").exists() for folder in folders)
    ]


def test_the_page_lists_the_catalogue() -> None:
    introduction = PAGE.read_text().partition(FIRST_TABLE)[0]
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(page(introduction))

    assert PAGE.read_text() == page(introduction), "UPDATE_DOCS=1 writes it again; see CONTRIBUTING.md"


def test_each_code_is_found_somewhere_and_has_a_sentence() -> None:
    assert all(found_in(code) and message.endswith(".") for code, _, message in reason_codes())
