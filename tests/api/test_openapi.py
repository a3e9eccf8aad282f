"""docs/openapi.json is what the table of routes and the schema say. UPDATE_DOCS=1 writes it again."""

import os
from pathlib import Path

from admin.api import openapi
from admin.api.routes import Call
from admin.api.table import ROUTES
from server.access.rules import RULES

PAGE = Path(__file__).parents[2] / "docs" / "openapi.json"


def test_the_kept_description_is_the_generated_one() -> None:
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(openapi.text(ROUTES))

    assert PAGE.read_text() == openapi.text(ROUTES), "UPDATE_DOCS=1 writes it again; see CONTRIBUTING.md"


def test_every_route_has_a_rule() -> None:
    assert [route.path for route in ROUTES if route.method not in RULES] == []


def test_operations_have_names_of_their_own() -> None:
    names = [route.operation_id for route in ROUTES]
    assert len(names) == len(set(names))
    places = [(route.verb, route.path) for route in ROUTES]
    assert len(places) == len(set(places))


def test_everything_is_described() -> None:
    """An empty text would be a comment that wasn't found."""
    document = openapi.document(ROUTES)
    empty = [path for path, text in _descriptions(document, "") if not text.strip()]
    assert empty == []
    assert len(list(_descriptions(document, ""))) > 500


def test_every_reference_leads_somewhere() -> None:
    document = openapi.document(ROUTES)
    known = {
        f"#/components/{kind}/{name}"
        for kind in document["components"]
        for name in document["components"][kind]
    }
    assert {text for path, text in _texts(document, "") if path.endswith(".$ref")} <= known


def test_every_method_for_those_who_look_after_promotions_has_a_route() -> None:
    offered = {route.method for route in ROUTES if isinstance(route, Call)}
    ours = ("DefinitionService", "CheckService", "VoucherService", "WebhookService")
    assert {method for method in RULES if any(service in method for service in ours)} <= offered


def _descriptions(value: object, path: str) -> list[tuple[str, str]]:
    return [(place, text) for place, text in _texts(value, path) if place.endswith(".description")]


def _texts(value: object, path: str) -> list[tuple[str, str]]:
    """Every text of a document, and where it stands."""
    if isinstance(value, str):
        return [(path, value)]
    if isinstance(value, list):
        return [found for number, one in enumerate(value) for found in _texts(one, f"{path}[{number}]")]
    if isinstance(value, dict):
        return [found for key, one in value.items() for found in _texts(one, f"{path}.{key}")]
    return []
