"""Servers with keys."""

from tests.distribution.conftest import keys_dir

__all__ = ["keys_dir"]
