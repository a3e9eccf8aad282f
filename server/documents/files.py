"""The shapes that files of people have: promotions, test carts, lists of them, rulesets, and carts."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dealwright.v1.cart_pb2 import Cart
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.ruleset_pb2 import Ruleset
from dealwright.v1.test_cart_pb2 import TestCart

from server.documents.protojson import parse_value
from server.documents.source import DocumentError, Problem, Source, Value, read_source

SUFFIXES = (".yaml", ".yml", ".json")

UNPUBLISHED_COMPANY = "local"
"""The company of definitions that name none and that are only tried out."""

# Fields that only a ruleset has; a document with one of them and without an id is a ruleset.
_RULESET_FIELDS = frozenset(Ruleset.DESCRIPTOR.fields_by_name)


@dataclass(frozen=True, slots=True)
class Item:
    """A promotion and where it was written: `path` is the prefix of its fields in the source."""

    promotion: Promotion
    source: Source
    path: str = ""

    def problem(self, field: str, message: str) -> Problem:
        """A problem of one of the promotion's fields, with its file and line."""
        return _problem(self.source, self.path, field, message)


@dataclass(frozen=True, slots=True)
class TestCartItem:
    """A test cart and where it was written: `path` is the prefix of its fields in the source."""

    cart: TestCart
    source: Source
    path: str = ""

    def problem(self, field: str, message: str) -> Problem:
        """A problem of one of the test cart's fields, with its file and line."""
        return _problem(self.source, self.path, field, message)


@dataclass(frozen=True, slots=True)
class Definitions:
    """What files define together. `settings` is a ruleset without promotions; None when no file gave any."""

    items: tuple[Item, ...]
    settings: Ruleset | None
    test_carts: tuple[TestCartItem, ...] = ()

    @property
    def promotions(self) -> list[Promotion]:
        return [item.promotion for item in self.items]

    @property
    def carts(self) -> list[TestCart]:
        return [item.cart for item in self.test_carts]

    def ruleset(self) -> Ruleset:
        """Promotions and settings as one ruleset that was never published."""
        ruleset = Ruleset()
        if self.settings is not None:
            ruleset.CopyFrom(self.settings)
        ruleset.company_id = ruleset.company_id or UNPUBLISHED_COMPANY
        ruleset.promotions.extend(self.promotions)
        return ruleset


@dataclass(frozen=True, slots=True)
class CartDocument:
    """A request and where it was written: `path` is where its cart's fields stand in the source."""

    request: EvaluateRequest
    source: Source
    bare: bool

    def problem(self, field: str, message: str) -> Problem:
        """A problem of one of the request's fields, with its file and line."""
        written = field.removeprefix("cart.") if self.bare else field
        return Problem(message, self.source.name, self.source.line_of(written), field)


def read_definitions(paths: Iterable[Path | str]) -> Definitions:
    """Reads files and folders (every YAML and JSON file below), and says all that is wrong with them."""
    items: list[Item] = []
    test_carts: list[TestCartItem] = []
    settings: list[tuple[Source, Ruleset]] = []
    problems: list[Problem] = []
    for path in _files(paths):
        try:
            source = read_source(path)
            found = parse_definitions(source)
        except DocumentError as error:
            problems.extend(error.problems)
            continue
        items.extend(found.items)
        test_carts.extend(found.test_carts)
        if found.settings is not None:
            settings.append((source, found.settings))
    for source, _ in settings[1:]:
        problems.append(
            Problem(f"gives settings of a ruleset, as {settings[0][0].name} already does", source.name)
        )
    if problems:
        raise DocumentError(problems)
    return Definitions(tuple(items), settings[0][1] if settings else None, tuple(test_carts))


def parse_definitions(source: Source) -> Definitions:
    """Reads a source that is one promotion or test cart, a list of them, or a ruleset."""
    value = source.value
    if isinstance(value, list):
        return _listed(source, value, "")
    if not isinstance(value, dict) or "id" in value or not _RULESET_FIELDS & value.keys():
        return _sorted([_item(source, value, "")], None)
    rest = {key: item for key, item in value.items() if key != "promotions"}
    promotions = value.get("promotions") or []
    if not isinstance(promotions, list):
        raise DocumentError([source.problem("promotions", "expected a list of promotions")])
    settings = parse_value(source, rest, Ruleset, "") if rest else None
    return _listed(source, promotions, "promotions", settings)


def read_cart(path: Path | str) -> CartDocument:
    """Reads a file with a cart."""
    return parse_cart(read_source(path))


def parse_cart(source: Source) -> CartDocument:
    """Reads a source that is an EvaluateRequest or a bare cart."""
    value = source.value
    bare = not (isinstance(value, dict) and "cart" in value)
    if not bare:
        return CartDocument(parse_value(source, value, EvaluateRequest, ""), source, bare)
    return CartDocument(EvaluateRequest(cart=parse_value(source, value, Cart, "")), source, bare)


def _listed(source: Source, values: list[Value], prefix: str, settings: Ruleset | None = None) -> Definitions:
    items: list[Item | TestCartItem] = []
    problems: list[Problem] = []
    for index, value in enumerate(values):
        try:
            items.append(_item(source, value, f"{prefix}[{index}]"))
        except DocumentError as error:
            problems.extend(error.problems)
    if problems:
        raise DocumentError(problems)
    return _sorted(items, settings)


def _item(source: Source, value: Value, path: str) -> Item | TestCartItem:
    """What has a cart is a test cart; a promotion never has one."""
    if isinstance(value, dict) and "cart" in value:
        return TestCartItem(parse_value(source, value, TestCart, path), source, path)
    return Item(parse_value(source, value, Promotion, path), source, path)


def _sorted(items: Iterable[Item | TestCartItem], settings: Ruleset | None) -> Definitions:
    found = list(items)
    return Definitions(
        tuple(item for item in found if isinstance(item, Item)),
        settings,
        tuple(item for item in found if isinstance(item, TestCartItem)),
    )


def _problem(source: Source, path: str, field: str, message: str) -> Problem:
    line = source.line_of(".".join(part for part in (path, field) if part))
    return Problem(message, source.name, line, field)


def _files(paths: Iterable[Path | str]) -> Iterable[Path | str]:
    for path in paths:
        if str(path) != "-" and Path(path).is_dir():
            found = sorted(file for file in Path(path).rglob("*") if file.suffix.lower() in SUFFIXES)
            if not found:
                # A wrong folder must never look like an empty set of promotions.
                raise DocumentError([Problem("the folder holds no .yaml, .yml or .json file", str(path))])
            yield from found
        else:
            yield path
