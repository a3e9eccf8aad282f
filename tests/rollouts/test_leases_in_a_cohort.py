"""Leases while a rollout runs: a till leases by the limits that it prices with."""

from dealwright.v1 import lease_service_pb2 as schema
from dealwright.v1.lease_service_pb2_grpc import LeaseServiceStub
from sqlalchemy import Engine

from server.actors import Role
from server.definitions.service import Definitions, Publication
from tests.access.calls import CALL_SECONDS, bearer, serving, token_for
from tests.definitions.samples import percent_off
from tests.redemption.shop import limited
from tests.rollouts.shops import COHORT, open_shops


async def test_a_till_leases_what_is_in_force_where_it_sells(
    database: Engine, definitions: Definitions
) -> None:
    open_shops(definitions)
    definitions.publish("kopi", Publication([percent_off("ten", 10), limited(max_uses=100)], rollout=COHORT))

    shops: tuple[tuple[str, ...], ...] = (("menteng",), ("medan",), ("menteng", "medan"))
    tokens = {each: token_for(database, "+".join(each), Role.DEVICE, store_ids=each) for each in shops}

    async with serving(database) as (_, channel):
        answers = []
        for number, store_ids in enumerate(shops):
            request = schema.RenewLeasesRequest(device_id=f"till-{number}", journal_id="j1")
            request.wishes.add(promotion_id="offer", store_id=store_ids[0], uses=5)
            metadata = bearer(tokens[store_ids])
            stub = LeaseServiceStub(channel)
            answers.append(await stub.RenewLeases(request, metadata=metadata, timeout=CALL_SECONDS))

    inside, *others = answers
    assert [lease.uses for lease in inside.leases] == [5]
    for answer in others:
        assert not answer.leases
        assert [each.reason for each in answer.refused] == [schema.LEASE_REFUSAL_REASON_UNLIMITED]
