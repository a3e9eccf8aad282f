"""A small company for tests."""

from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.ruleset_pb2 import Ruleset

from server.documents import parse_message, parse_yaml


def percent_off(promotion_id: str, percent: int) -> Promotion:
    """A promotion that takes a whole percentage off every item."""
    return parse_message(
        parse_yaml(
            f"""
            id: {promotion_id}
            rule_language: 1
            name: [{{language: en, text: "{percent} % off"}}]
            percent_discount: {{phase: PHASE_ITEM, percent_off_ppm: {percent * 10_000}}}
            """,
            promotion_id,
        ),
        Promotion,
    )


def jakarta_settings() -> Ruleset:
    """Settings of a small company."""
    return parse_message(
        parse_yaml(
            """
            policy: {selection: SELECTION_BEST, time_zone: Asia/Jakarta}
            stores: [{id: menteng, name: Menteng, time_zone: Asia/Jakarta, currency_code: IDR}]
            categories: [{id: coffee, parent_id: drinks}, {id: drinks}]
            holiday_calendars: [{id: id-public, dates: ["2026-12-25"]}]
            """,
            "settings",
        ),
        Ruleset,
    )
