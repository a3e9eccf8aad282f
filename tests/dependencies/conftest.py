"""The packages of the lock files, read once."""

import pytest

from tests.dependencies.packages import Package, all_packages


@pytest.fixture(scope="session")
def packages() -> list[Package]:
    return all_packages()
