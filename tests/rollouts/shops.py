"""A company of three shops, what is rolled out in it, and what its tills say."""

from datetime import UTC, datetime

from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.ruleset_pb2 import Ruleset, Store
from sqlalchemy import Engine

from server.definitions.service import Definitions, Plan, Publication
from server.distribution import store
from server.distribution.store import Client
from tests.definitions.samples import percent_off

STORES = ("bandung", "medan", "Menteng")
COHORT = Plan(store_ids=("menteng",))


def open_shops(definitions: Definitions, *promotions: Promotion) -> None:
    """Revision 1: the shops, and a promotion of 10 %, or others."""
    stores = [Store(id=each, time_zone="Asia/Jakarta", currency_code="IDR") for each in STORES]
    settings = Ruleset(company_id="kopi", stores=stores)
    definitions.publish("kopi", Publication(promotions or [percent_off("ten", 10)], settings=settings))


def roll_out(definitions: Definitions, plan: Plan = COHORT, percent: int = 20) -> int:
    """Rolls out that the promotion is of 20 %."""
    return definitions.publish("kopi", Publication([percent_off("ten", percent)], rollout=plan)).revision


def percent_at(definitions: Definitions, store_id: str) -> int:
    """What the promotion gives in a shop."""
    ruleset = definitions.ruleset("kopi", definitions.front("kopi").at([store_id]))
    (ten,) = ruleset.promotions
    return ten.percent_discount.percent_off_ppm // 10_000


def say(database: Engine, device_id: str, revision: int, **said: object) -> None:
    """What a till of Menteng has said last."""
    with database.begin() as connection:
        place = {"epoch": store.epoch(connection), "revision": revision}
        known: dict[str, object] = {
            "company_id": "kopi",
            "device_id": device_id,
            "scope_id": "menteng",
            "store_ids": ("menteng",),
            "token_id": "",
            "engine_version": "",
            "connected": True,
            "seen_time": datetime.now(UTC),
            "control_sequence": 0,
            "ack_time": None,
            "unsupported_ids": (),
            "nack_epoch": place["epoch"],
            "nack_revision": None,
            "nack_reason": None,
            "nack_detail": None,
        }
        store.put_clients(connection, [Client(**{**known, **place, **said})])  # type: ignore[arg-type]
