"""The examples of the pages do what the pages say."""

import re
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from server.actors import Role
from server.definitions.service import Definitions, Publication
from tests.access.calls import token_for
from tests.client.sales import served
from tests.definitions.samples import jakarta_settings, percent_off
from tests.structure.tree import ROOT

ADDRESS = "localhost:7070"


def test_the_examples_of_the_client_run(database: Engine, definitions: Definitions) -> None:
    definitions.publish("kopi", Publication([percent_off("ten", 10)], settings=jakarta_settings()))
    token = token_for(database, "vi", Role.VIEWER)

    with served(database) as application:
        found, printed = run(ROOT / "docs" / "sdk.md", str(application.grpc_address), token=token)

    assert [revision.revision for revision in found["revisions"]] == [1]
    assert printed[0].startswith("4500000 ['")
    assert printed[1:] == ["2250000", "[4500000, 4500000]", "CURRENCY_UNKNOWN cart.currency_code"]


def run(page: Path, address: str, **given: Any) -> tuple[dict[str, Any], list[str]]:
    """Runs every example of a page, one after another, and gives what they have made and printed."""
    printed: list[str] = []
    names = {**given, "print": lambda *values: printed.append(" ".join(map(str, values)))}
    examples = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    assert examples
    for example in examples:
        exec(compile(example.replace(ADDRESS, address), page.name, "exec"), names)
    return names, printed
