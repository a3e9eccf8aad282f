"""The example files of promotions are what they say, and publishable."""

from pathlib import Path

import pytest
from dealwright.v1.promotion_pb2 import Promotion
from dealwright_engine import validate

from server.documents import read_definitions

EXAMPLES = Path(__file__).parents[2] / "examples"
BY_TYPE = sorted((EXAMPLES / "promotions").iterdir())
FILES = [*BY_TYPE, *sorted((EXAMPLES / "demo" / "promotions").iterdir())]
TYPES = {field.name for field in Promotion.DESCRIPTOR.oneofs_by_name["rule"].fields}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.parent.name}-{path.stem}")
def test_a_file_holds_one_promotion_that_may_be_published(path: Path) -> None:
    (promotion,) = read_definitions([path]).promotions

    assert validate(promotion.SerializeToString()) == b""


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.parent.name}-{path.stem}")
def test_a_file_begins_by_saying_what_it_does_and_names_it_in_both_languages(path: Path) -> None:
    (promotion,) = read_definitions([path]).promotions

    assert path.read_text().startswith("# ")
    assert [text.language for text in promotion.name] == ["en", "id"]


def test_there_is_an_example_of_every_type_named_by_it() -> None:
    types = {path.stem: read_definitions([path]).promotions[0].WhichOneof("rule") for path in BY_TYPE}

    assert types == {type_: type_ for type_ in TYPES}
