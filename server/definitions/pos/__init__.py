"""Promotions as tills read them that know nothing of this engine: one JSON document each (docs/pos.md)."""

from server.definitions.pos.edition import Edition
from server.definitions.pos.extensions import understood
from server.definitions.pos.importing import read_documents
from server.definitions.pos.normal import amounts_of, depends_on_stores
from server.definitions.pos.projection import Projection, project, with_numbers
from server.definitions.pos.shape import SCHEMA

__all__ = [
    "SCHEMA",
    "Edition",
    "Projection",
    "amounts_of",
    "depends_on_stores",
    "project",
    "read_documents",
    "understood",
    "with_numbers",
]
