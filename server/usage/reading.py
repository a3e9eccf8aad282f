"""Reading what a till uploads, item by item: everything that is wrong with one is told at once."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from dealwright_engine import currency_exponent

Json = dict[str, Any]

TEXT_CHARS_MAX = 256
"""Longest text of an upload, but for reasons."""

REASON_CHARS_MAX = 2000

MINOR_MAX = 10**15
"""Largest amount, in minor units, as everywhere."""

DETAILS_CHARS_MAX = 20_000
"""Longest validation_details, as JSON."""


class Status(StrEnum):
    """What became of a promotion on a bill."""

    APPLIED = "applied"
    REJECTED = "rejected"
    SKIPPED = "skipped"
    LIMIT_EXCEEDED = "limit_exceeded"
    EXPIRED = "expired"
    ERROR = "error"


@dataclass(slots=True)
class Item:
    """One item of an upload, as it is read."""

    data: Json
    errors: dict[str, list[str]] = field(default_factory=dict)

    def text(self, name: str, *, required: bool = True, longest: int = TEXT_CHARS_MAX) -> str | None:
        value = self.data.get(name)
        if value is None or value == "":
            if required:
                self.refuse(name, "is required")
            return None
        if not isinstance(value, str) or len(value) > longest or "\0" in value:
            self.refuse(name, f"must be a text of up to {longest} characters")
            return None
        try:
            value.encode()
        except UnicodeEncodeError:
            self.refuse(name, "must be a text without half a character")
            return None
        return value

    def time(self, name: str) -> datetime | None:
        text = self.text(name)
        if text is None:
            return None
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            self.refuse(name, "must be an instant such as 2026-01-27T10:00:00Z")
            return None
        return moment

    def minor(self, name: str, currency_code: str | None, *, required: bool = True) -> int | None:
        """An amount in minor units of the currency; None while that isn't known."""
        value = self.data.get(name)
        if value is None:
            if required:
                self.refuse(name, "is required")
            return None
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            self.refuse(name, "must be a number")
            return None
        if currency_code is None:
            return None
        exponent = currency_exponent(currency_code)
        if exponent is None:
            self.refuse(name, "the store's currency isn't known")
            return None
        minor = Decimal(value).scaleb(exponent)
        if not 0 <= minor <= MINOR_MAX:
            self.refuse(name, "must be an amount of at least 0, and not above 10^15 minor units")
            return None
        if minor != int(minor):
            self.refuse(name, f"has more decimals than {currency_code}")
            return None
        return int(minor)

    def refuse(self, name: str, why: str) -> None:
        self.errors.setdefault(name, []).append(why)


@dataclass(frozen=True, slots=True)
class Premises:
    """What items are read against: the stores with their currencies, and the promotions."""

    currencies: Mapping[str, str]
    knows: Callable[[str], bool]
    store_ids: frozenset[str]
    """The only stores that the token is for. Empty: all."""


def usage_of(item: Item, premises: Premises) -> Json:
    """The columns of a usage, as far as they can be read."""
    store_id, currency_code = _store(item, premises)
    return {
        "promotion_id": _promotion(item, premises),
        "bill_id": item.text("bill_id"),
        "store_id": store_id,
        "member_id": item.text("member_id", required=False),
        "customer_phone": item.text("customer_phone", required=False),
        "brand_id": item.text("brand_id", required=False),
        "discount_minor": item.minor("discount_amount", currency_code),
        "currency_code": currency_code,
        "use_time": item.time("used_at"),
    }


def log_of(item: Item, premises: Premises) -> Json:
    """The columns of a line of a bill's log. Its store is the token's, if that is for one alone."""
    store_id = next(iter(premises.store_ids)) if len(premises.store_ids) == 1 else ""
    currencies = {premises.currencies.get(store_id)} if store_id else set(premises.currencies.values())
    currency_code = currencies.pop() if len(currencies) == 1 else None
    if currency_code is None:
        item.refuse("bill_id", "its currency isn't known: upload it with a token for one store")
    status = item.text("status")
    if status is not None and status not in list(Status):
        item.refuse("status", f"must be one of {', '.join(Status)}")
    return {
        "promotion_id": _promotion(item, premises),
        "bill_id": item.text("bill_id"),
        "store_id": store_id,
        "content_hash": hashlib.sha256(_canonical(item.data).encode(errors="replace")).digest(),
        "status": status,
        "reason": item.text("reason", required=False, longest=REASON_CHARS_MAX) or "",
        "discount_minor": item.minor("discount_amount", currency_code),
        "original_minor": item.minor("original_amount", currency_code, required=False),
        "final_minor": item.minor("final_amount", currency_code, required=False),
        "currency_code": currency_code,
        "validation_details": _details(item),
    }


def _store(item: Item, premises: Premises) -> tuple[str | None, str | None]:
    store_id = item.text("store_id")
    if store_id is None:
        return None, None
    if premises.store_ids and store_id not in premises.store_ids:
        item.refuse("store_id", "the token is for other stores")
    elif store_id not in premises.currencies:
        item.refuse("store_id", "there is no such store")
    return store_id, premises.currencies.get(store_id)


def _promotion(item: Item, premises: Premises) -> str | None:
    promotion_id = item.text("promotion_id")
    if promotion_id is not None and not premises.knows(promotion_id):
        item.refuse("promotion_id", "there is no such promotion")
    return promotion_id


def _details(item: Item) -> Any:
    details = item.data.get("validation_details")
    text = _canonical(details)
    if len(text) > DETAILS_CHARS_MAX or "\\u0000" in text:
        item.refuse("validation_details", f"must be JSON of up to {DETAILS_CHARS_MAX} characters")
        return None
    return json.loads(text)


def _canonical(value: Any) -> str:
    """The same text for the same content."""
    return json.dumps(value, sort_keys=True, default=float)
