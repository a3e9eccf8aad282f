"""The promotions engine. Messages of `dealwright.v1` go in and come out as bytes."""

from dealwright_engine._engine import *  # noqa: F403 - the extension says what the package offers
