"""The examples of the pages do what the pages say."""

import re
from pathlib import Path
from typing import Any

from dealwright import Till
from sqlalchemy import Engine

from server.actors import Role
from server.definitions.service import Definitions, Publication
from server.distribution.keys import read_root_key
from tests.access.calls import token_for
from tests.client.sales import LATTES, served
from tests.client.test_till_online import until
from tests.definitions.samples import jakarta_settings, percent_off
from tests.distribution.conftest import keys_dir
from tests.structure.tree import ROOT

__all__ = ["keys_dir"]

ADDRESS = "localhost:7070"


def test_the_examples_of_the_client_run(database: Engine, definitions: Definitions) -> None:
    definitions.publish("kopi", Publication([percent_off("ten", 10)], settings=jakarta_settings()))
    token = token_for(database, "vi", Role.VIEWER, Role.DEVICE)

    with served(database) as application:
        found, printed = run(ROOT / "docs" / "sdk.md", str(application.grpc_address), token=token)

    assert [revision.revision for revision in found["revisions"]] == [1]
    assert printed[0].startswith("4500000 ['")
    assert printed[1:] == [
        "2250000",
        "[4500000, 4500000]",
        "2250000",
        "CURRENCY_UNKNOWN cart.currency_code",
    ]


def test_the_examples_of_the_till_run(
    database: Engine, definitions: Definitions, keys_dir: Path, tmp_path: Path
) -> None:
    definitions.publish("kopi", Publication([percent_off("ten", 10)], settings=jakarta_settings()))
    token = token_for(database, "till-1", Role.DEVICE, store_ids=("menteng",))
    root_key, folder = read_root_key(keys_dir), tmp_path / "till"
    cart = {**LATTES, "store_id": "menteng"}
    with served(database, keys_dir=keys_dir) as application:
        address = str(application.grpc_address)
        with Till(folder, "till-1", root_key, address, token=token, store_ids=["menteng"]) as till:
            until(lambda: till.state.revision == 1)
        page = ROOT / "docs" / "till.md"
        _, printed = run(page, address, folder=folder, root_key=root_key, token=token, cart=cart)

    assert printed == ["1 4500000 fresh"]


def run(page: Path, address: str, **given: Any) -> tuple[dict[str, Any], list[str]]:
    """Runs every example of a page, one after another, and gives what they have made and printed."""
    printed: list[str] = []
    names = {**given, "print": lambda *values: printed.append(" ".join(map(str, values)))}
    examples = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    assert examples
    for example in examples:
        exec(compile(example.replace(ADDRESS, address), page.name, "exec"), names)
    return names, printed
