"""Prices carts, reserves what their promotions need, and commits.

The client of the distribution `dealwright` has a deadline for each call, and sends again what may be.
"""

import json
import os
import sys
from pathlib import Path

from dealwright import Client
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest
from dealwright.v1.redemption_pb2 import RedemptionState
from google.protobuf.json_format import Parse

DEADLINE_SECONDS = 10.0
"""Of one call, with everything that is tried again inside it."""


def sell(client: Client, till: str, request: EvaluateRequest) -> dict[str, object]:
    """Takes one cart through the till; what is printed of it, with 64-bit numbers as text."""
    cart = request.cart
    result = client.evaluation.Evaluate(request).result
    # An order has one reservation, so its keys follow from it: a checkout that lost an answer, or was started
    # again, sends the same keys, and is answered what was answered the first time.
    order = f"{till}-{cart.id}"
    reserved = client.redemptions.reserve(order, cart, key=f"{order}/reserve").redemption
    redemption = client.redemptions.commit(reserved.redemption_id, key=f"{order}/commit").redemption
    return {
        "cart": cart.id,
        "payable_minor": str(result.totals.payable_minor),
        "discount_minor": str(result.totals.discount_minor),
        "promotions": [applied.promotion_id for applied in result.applications],
        "redemption_id": redemption.redemption_id,
        "state": RedemptionState.Name(redemption.state),
        "paid_minor": str(redemption.payable_minor),
    }


def main() -> None:
    if len(sys.argv) < 3:
        sys.exit("usage: checkout.py TILL CART.json...")
    till, carts = sys.argv[1], sys.argv[2:]
    address, token = os.environ["DEALWRIGHT_ADDRESS"], os.environ["DEALWRIGHT_TOKEN"]
    with Client(address, token=token, timeout=DEADLINE_SECONDS) as client:
        for path in carts:
            request = Parse(Path(path).read_text(), EvaluateRequest())
            print(json.dumps(sell(client, till, request)))


if __name__ == "__main__":
    main()
