"""Rewards: promises for later, computed on what is paid (S-9.5)."""

from dealwright.v1.result_pb2 import Reason, RewardGrant

from tests.reference.effects import Effect, Turn
from tests.reference.reductions import discount
from tests.reference.steps import Reward
from tests.reference.units import Unit
from tests.reference.why import Why


def promise(act: Reward, units: list[Unit], turn: Turn) -> Effect:
    """The reward for the prices left of the lines in scope."""
    base = sum(unit.left for unit in units)
    grant = RewardGrant(promotion_id=turn.offer.id, credit_as=act.credit_as)
    if act.cashback_ppm is not None:
        grant.cashback_minor = _capped(act, discount(base, act.cashback_ppm, turn), turn)
    elif act.cashback_amount is not None:
        grant.cashback_minor = _capped(act, min(act.cashback_amount, base), turn)
    elif act.points_per is not None:
        points, step = act.points_per
        grant.points = base // step * points
    elif act.points is not None:
        grant.points = act.points if base else 0
    elif act.points_multiplier_ppm is not None:
        grant.points_multiplier_ppm = act.points_multiplier_ppm if base else 0
    elif base:
        assert act.voucher_promotion_id is not None
        grant.voucher_promotion_id = act.voucher_promotion_id
    worth = _worth(grant)
    if worth == 0:
        return Effect(why_nothing=Why(Reason.REASON_NO_EFFECT))
    return Effect(rewards=[grant], worth=worth)


def _capped(act: Reward, amount: int, turn: Turn) -> int:
    cap = turn.cap(act.cap)
    return amount if cap is None else max(0, min(amount, cap))


def _worth(grant: RewardGrant) -> int:
    """S-7.12: money in minor units, a point 1, a multiplier or a voucher 1."""
    kind = grant.WhichOneof("grant")
    if kind in ("cashback_minor", "points"):
        return int(getattr(grant, kind))
    return int(bool(kind) and bool(getattr(grant, str(kind))))
