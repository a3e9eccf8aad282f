"""dealwright promotions cost on the carts of redemptions."""

import json

import pytest
from typer.testing import CliRunner

from admin.cli.main import app
from tests.redemption.conftest import Publish
from tests.redemption.shop import COMPANY, Till, limited, reserve_request


async def test_costs_are_measured_on_the_carts_of_the_newest_redemptions(
    till: Till, publish: Publish, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(limited(max_uses=3))
    for _ in range(3):
        await till("Reserve", reserve_request())
    monkeypatch.setenv("DEALWRIGHT_DATABASE_URL", database_url)

    asked = ["promotions", "cost", "--company", COMPANY, "--redemptions", "2", "--rounds", "1", "--json"]
    done = CliRunner().invoke(app, asked)

    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["carts"] == 2
    assert [(each["promotion_id"], each["applied"]) for each in found["costs"]] == [("offer", 2)]
