"""A test cart of the small company: two lattes at 25 000 in Menteng."""

from dealwright.v1.test_cart_pb2 import TestCart as Cart

from server.documents import parse_message, parse_yaml


def lunch(expected: str = "{}", test_cart_id: str = "lunch") -> Cart:
    """The test cart with what is expected of it, as YAML."""
    text = f"""
        id: {test_cart_id}
        name: Two lattes
        evaluate_time: "2026-11-21T05:00:00Z"
        cart:
          currency_code: IDR
          store_id: menteng
          lines: [{{id: latte, product_id: latte, quantity: 2, unit_price_minor: 2500000}}]
        expected: {expected}
        """
    return parse_message(parse_yaml(text, test_cart_id), Cart)
