"""The methods of RedemptionService that ask for no ruleset, for every door."""

from dealwright.v1 import redemption_service_pb2 as schema

from server.actors import Actor
from server.redemption.records import Records
from server.redemption.totals import Totals
from server.runtime.calls import UseCase


def use_cases(records: Records, totals: Totals) -> dict[str, UseCase]:
    """What each method does, by its name."""

    def release(actor: Actor, request: schema.ReleaseRequest) -> schema.ReleaseResponse:
        return schema.ReleaseResponse.FromString(records.release(actor, request))

    return {
        "Release": release,
        "GetRedemption": records.get,
        "ListRedemptions": records.page,
        "ListDailyTotals": totals.page,
    }
