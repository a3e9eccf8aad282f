"""A server that lends, and a look at the invariants after each test."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from server.redemption import invariants
from tests.access.calls import owner
from tests.leases.lender import Book, Lender


@pytest.fixture
def lender(database: Engine) -> Iterator[Lender]:
    lender = Lender(database)
    lender.definitions.create_company(owner())
    yield lender
    assert list(map(str, invariants.check(database))) == []


@pytest.fixture
def book(lender: Lender) -> Book:
    return Book(lender)
