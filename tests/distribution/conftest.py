"""Servers with keys."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from server.distribution import keys


@pytest.fixture
def keys_dir(tmp_path: Path) -> Path:
    """A folder with a root key, an online key and its list."""
    folder = tmp_path / "keys"
    keys.create(folder, folder, datetime.now(UTC))
    return folder
