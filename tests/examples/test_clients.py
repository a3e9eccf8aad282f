"""The checkouts in examples/clients, each in its own language: the demo carts cost everywhere what is on
record, and an order that is sent again is the same order.

Python's runs always; the others when `make clients` has built them.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dealwright import Client
from dealwright.v1.redemption_service_pb2 import ListRedemptionsRequest
from sqlalchemy import Engine

from server.actors import Role
from server.definitions.service import Definitions, Publication
from server.documents import read_cart, read_definitions, to_json
from tests.access.calls import token_for
from tests.client.sales import served
from tests.structure.tree import ROOT

CLIENTS = ROOT / "examples" / "clients"
DEMO = ROOT / "examples" / "demo"
CARTS = sorted((DEMO / "carts").iterdir())
GOLDEN = Path(__file__).parent / "golden"
COMPANY = "sinar-rasa"

RUN_SECONDS = 240
"""A virtual machine takes long to start on a busy machine; nothing waits longer than it has to."""

COMMANDS = {
    "python": [sys.executable, "checkout.py"],
    "go": ["gen/checkout"],
    "node": ["node", "checkout.js"],
    "java": ["java", "-cp", "target/classes:target/dependency/*", "example.Checkout"],
}
"""How each is run, in its folder."""

BUILT = {"go": "gen/checkout", "node": "node_modules/.package-lock.json", "java": "target/dependency"}
"""What `make clients` leaves."""


@pytest.mark.parametrize("language", COMMANDS)
def test_a_checkout_prices_reserves_and_commits_the_demo_carts(
    language: str, database: Engine, definitions: Definitions, tmp_path: Path
) -> None:
    if language in BUILT and not (CLIENTS / language / BUILT[language]).exists():
        pytest.skip(f"make clients builds it, where there is {language}")
    demo = read_definitions([DEMO / "company.yaml", DEMO / "promotions"])
    definitions.publish(COMPANY, Publication(demo.promotions, settings=demo.settings))
    token = token_for(database, "checkout", Role.DEVICE, Role.VIEWER, company_id=COMPANY)
    requests = [tmp_path / f"{cart.stem}.json" for cart in CARTS]
    for cart, request in zip(CARTS, requests, strict=True):
        request.write_text(to_json(read_cart(cart).request))

    with served(database) as application:
        address = str(application.grpc_address)
        first, again = (run(language, address, token, requests) for _ in range(2))
        with Client(address, token=token) as client:
            listed = client.redemptions.service.ListRedemptions(ListRedemptionsRequest(page_size=500))

    on_record = [json.loads((GOLDEN / f"{cart.stem}.json").read_text()) for cart in CARTS]
    assert [
        (sale["cart"], sale["payable_minor"], sale["discount_minor"], sale["promotions"]) for sale in first
    ] == [
        (
            result["cart_id"],
            result["totals"]["payable_minor"],
            result["totals"].get("discount_minor", "0"),
            [applied["promotion_id"] for applied in result.get("applications", ())],
        )
        for result in on_record
    ]
    assert again == first
    assert {
        (order.order_id, order.redemption_id, str(order.payable_minor)) for order in listed.redemptions
    } == {(f"{language}-{sale['cart']}", sale["redemption_id"], sale["paid_minor"]) for sale in first}
    assert {sale["state"] for sale in first} == {"REDEMPTION_STATE_COMMITTED"}


def run(language: str, address: str, token: str, requests: list[Path]) -> list[dict[str, object]]:
    """What a checkout prints, a line a cart."""
    command, folder = COMMANDS[language], CLIENTS / language
    program = shutil.which(command[0], path=f"{os.environ['PATH']}:{folder}") or command[0]
    ended = subprocess.run(
        [program, *command[1:], language, *map(str, requests)],
        cwd=folder,
        env={**os.environ, "DEALWRIGHT_ADDRESS": address, "DEALWRIGHT_TOKEN": token},
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]
