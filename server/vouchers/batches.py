"""What a batch is to be, and making its codes: in short transactions, each from where the last one ended.

The codes of a batch follow from its salt and the pepper: code number n is HMAC(HMAC(pepper, salt), n), in
letters. So nothing that was made can be lost by a process that dies, none is made twice, and they can be
exported until the batch is sealed, which forgets the salt (docs/vouchers.md).
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

import psycopg
from dealwright.codes import tag
from sqlalchemy import Connection, func
from sqlalchemy.exc import IntegrityError

from server.events import service as events
from server.events.types import Event, EventType
from server.runtime.errors import Invalid
from server.vouchers.code import Codes, last_four, random_letters, skeleton_of_made
from server.vouchers.resistance import CHARS_MAX, CHARS_MIN, needed
from server.vouchers.store import batches as store
from server.vouchers.store import vouchers as rows
from server.vouchers.store.batches import Batch
from server.vouchers.store.vouchers import NewVoucher
from server.vouchers.throttling import COMPANY_YEAR_GUESSES

if TYPE_CHECKING:
    from server.keys.service import Pepper

QUANTITY_MAX = 10_000_000
CUSTOMERS_MAX = 10_000
"""For how many customers one batch may be; for more, import their codes or make several."""

MAX_USES_MAX = 1_000_000
COMMENT_CHARS_MAX = 500
STORE_CHARS_MAX = 255

OFFLINE_QUANTITY_MAX = 5_000
"""Codes of a company that tills may grant without a network: each keeps what it recognises them by."""

OFFLINE_CHARS_MIN = 16
"""Random letters of such codes: who has the disk of a till tries codes as fast as machines do."""

RISK_CAP_MAX = 1_000
CUSTOMER_CHARS_MAX = 200

CHUNK = 20_000
"""Codes to a transaction: a second's work, and a few megabytes."""

SALT_BYTES = 32

_PREFIX = re.compile(r"[A-Z0-9]{0,16}")


@dataclass(frozen=True, slots=True)
class BatchSpec:
    """What somebody wants a batch to be."""

    promotion_id: str
    quantity: int = 0
    """How many codes. Not given where there are customers, or codes are imported."""
    prefix: str = ""
    random_chars: int | None = None
    """None: as many as the quantity needs (`resistance.needed`)."""
    max_uses: int = 1
    customer_ids: Sequence[str] = ()
    """Each gets a code of their own. Empty: the codes are for any bearer."""
    start_time: datetime | None = None
    end_time: datetime | None = None
    comment: str = ""
    home_store_id: str | None = None
    """The store whose tills have the codes to themselves. None: it isn't for one."""
    risk_cap: int | None = None
    """Uses that each till may grant at its own risk. None: none."""


@dataclass(frozen=True, slots=True)
class Code:
    """A code that was made, in plain letters."""

    text: str
    customer_id: str | None


@dataclass(frozen=True, slots=True)
class Made:
    """What is kept of a code that was made."""

    voucher_id: bytes
    last_four: str
    tag: bytes | None
    """By which a till recognises it. None: none does."""


def checked(spec: BatchSpec) -> dict[str, object]:
    """The columns of a new batch, or a refusal that names the field."""
    prefix = spec.prefix.strip().upper()
    if not _PREFIX.fullmatch(prefix):
        raise Invalid("PREFIX_INVALID", "a prefix has up to 16 letters of A to Z and digits", field="prefix")
    if spec.customer_ids and spec.quantity not in (0, len(spec.customer_ids)):
        raise Invalid(
            "QUANTITY_DIFFERS", "each customer gets one code; leave the quantity out", field="quantity"
        )
    if len(set(spec.customer_ids)) != len(spec.customer_ids):
        raise Invalid("DUPLICATE", "a customer is listed twice", field="customer_ids")
    require_customers(spec.customer_ids)
    quantity = len(spec.customer_ids) or spec.quantity
    if not 1 <= quantity <= QUANTITY_MAX:
        raise Invalid("OUT_OF_RANGE", f"a batch has 1 to {QUANTITY_MAX} codes", field="quantity")
    offline = checked_offline(spec, quantity)
    least = CHARS_MIN if offline is None else OFFLINE_CHARS_MIN
    enough = max(least, needed(quantity, COMPANY_YEAR_GUESSES).chars)
    chars = enough if spec.random_chars is None else spec.random_chars
    if not least <= chars <= CHARS_MAX:
        raise Invalid(
            "OUT_OF_RANGE", f"such codes have {least} to {CHARS_MAX} random letters", field="random_chars"
        )
    return {
        "promotion_id": spec.promotion_id,
        "prefix": prefix,
        "quantity": quantity,
        "random_chars": chars,
        "customer_ids": list(spec.customer_ids),
        **(offline or {}),
        **checked_terms(spec),
    }


def checked_offline(spec: BatchSpec, quantity: int) -> dict[str, object] | None:
    """The columns that say how tills grant the codes without a network; None where they don't."""
    if spec.home_store_id is None and spec.risk_cap is None:
        return None
    if spec.home_store_id is not None and spec.risk_cap is not None:
        raise Invalid("OUT_OF_RANGE", "codes have a home store or a cap, not both", field="offline")
    if spec.home_store_id is not None and not 0 < len(spec.home_store_id) <= STORE_CHARS_MAX:
        raise Invalid(
            "ID_INVALID", f"a store's id has 1 to {STORE_CHARS_MAX} characters", field="offline.home_store_id"
        )
    if spec.risk_cap is not None and not 1 <= spec.risk_cap <= RISK_CAP_MAX:
        raise Invalid(
            "OUT_OF_RANGE", f"a till grants 1 to {RISK_CAP_MAX} uses at risk", field="offline.risk_cap"
        )
    if spec.customer_ids:
        raise Invalid("OFFLINE_BEARERS", "codes of customers are granted online only", field="customer_ids")
    if quantity > OFFLINE_QUANTITY_MAX:
        raise Invalid(
            "OUT_OF_RANGE", f"tills keep up to {OFFLINE_QUANTITY_MAX} codes of a company", field="quantity"
        )
    return {"home_store_id": spec.home_store_id, "risk_cap": spec.risk_cap}


def checked_terms(spec: BatchSpec) -> dict[str, object]:
    """The columns that imported batches have as well."""
    require_uses(spec.max_uses)
    if spec.start_time and spec.end_time and spec.end_time <= spec.start_time:
        raise Invalid("OUT_OF_RANGE", "a batch ends after it starts", field="end_time")
    if len(spec.comment) > COMMENT_CHARS_MAX:
        raise Invalid("TOO_LONG", f"a comment has up to {COMMENT_CHARS_MAX} characters", field="comment")
    return {
        "max_uses": spec.max_uses,
        "start_time": spec.start_time,
        "end_time": spec.end_time,
        "comment": spec.comment,
    }


def require_uses(max_uses: int) -> None:
    if not 1 <= max_uses <= MAX_USES_MAX:
        raise Invalid("OUT_OF_RANGE", f"a code can be used 1 to {MAX_USES_MAX} times", field="max_uses")


def require_customers(customer_ids: Sequence[str]) -> None:
    if len(customer_ids) > CUSTOMERS_MAX:
        raise Invalid("TOO_MANY", f"a batch is for up to {CUSTOMERS_MAX} customers", field="customer_ids")
    for customer_id in customer_ids:
        if not 0 < len(customer_id) <= CUSTOMER_CHARS_MAX:
            raise Invalid(
                "OUT_OF_RANGE",
                f"a customer's id has 1 to {CUSTOMER_CHARS_MAX} characters",
                field="customer_ids",
            )


def new_salt() -> bytes:
    return secrets.token_bytes(SALT_BYTES)


class Maker:
    """Makes the codes of one batch, the same ones each time."""

    def __init__(self, pepper: Pepper, batch: Batch, salt: bytes) -> None:
        self.codes = Codes(pepper, batch.company_id)
        self._batch = batch
        self._seed = hmac.digest(pepper.key("voucher batch"), salt, "sha256")

    def text(self, number: int) -> str:
        """Code number so and so."""
        random = hmac.digest(self._seed, number.to_bytes(8), "sha256")
        return self.codes.complete(self._batch.prefix, random_letters(random, self._batch.random_chars))

    def all(self, skip: int = 0) -> Iterator[Code]:
        """Every code that the batch has so far but the first few, in the order in which they were made."""
        skipped = set(self._batch.skipped)
        made = (number for number in range(self._batch.next_number) if number not in skipped)
        for place, number in enumerate(islice(made, skip, None), start=skip):
            yield Code(self.text(number), customer_at(self._batch, place))


def customer_at(batch: Batch, place: int) -> str | None:
    return batch.customer_ids[place] if batch.customer_ids else None


def make_some(connection: Connection, pepper: Pepper, company_id: str, batch_id: int) -> Batch | None:
    """Makes the next codes of a batch, or finds it complete. Others who make them too wait for each other."""
    batch = store.batch(connection, company_id, batch_id, lock=True)
    if batch is None or batch.complete_time is not None or batch.salt is None:
        return batch
    count = min(CHUNK, batch.quantity - batch.made)
    numbers = range(batch.next_number, batch.next_number + count)
    maker = Maker(pepper, batch, batch.salt)
    letters = [skeleton_of_made(maker.text(number).replace("-", "")) for number in numbers]
    key = maker.codes.till_key(batch.id) if batch.offline else None
    wanted = [_made(maker.codes, key, each) for each in letters]
    taken: set[int] = set()
    if not _copied(connection, batch, wanted, taken):
        taken = _taken(connection, company_id, wanted)
        _copied(connection, batch, wanted, taken, last=True)
    made = batch.made + count - len(taken)
    if made == batch.quantity:
        events.record(connection, company_id, [created(batch)])
    return store.change_batch(
        connection,
        batch_id,
        next_number=numbers.stop,
        made=made,
        skipped=[*batch.skipped, *(numbers[index] for index in sorted(taken))],
        complete_time=func.clock_timestamp() if made == batch.quantity else None,
    )


def _made(codes: Codes, key: bytes | None, letters: str) -> Made:
    return Made(codes.voucher_id(letters), last_four(letters), None if key is None else tag(key, letters))


def created(batch: Batch) -> Event:
    """What is told of a batch that has all of its codes."""
    data = {"batch_id": batch.id, "promotion_id": batch.promotion_id, "quantity": batch.quantity}
    return Event(EventType.VOUCHERS_CREATED, str(batch.id), data)


def _copied(
    connection: Connection,
    batch: Batch,
    wanted: Sequence[Made],
    taken: set[int],
    *,
    last: bool = False,
) -> bool:
    """Writes the vouchers but those taken; whether it could. The last time, what is wrong is an error."""
    free = [made for index, made in enumerate(wanted) if index not in taken]
    try:
        with connection.begin_nested():
            rows.copy_in(
                connection,
                (
                    NewVoucher(
                        batch.company_id,
                        made.voucher_id,
                        batch.id,
                        made.last_four,
                        customer_at(batch, batch.made + place),
                        None,
                        batch.max_uses,
                        made.tag,
                    )
                    for place, made in enumerate(free)
                ),
            )
    except (psycopg.errors.UniqueViolation, IntegrityError):
        if last:
            raise
        return False
    return True


def _taken(connection: Connection, company_id: str, wanted: Sequence[Made]) -> set[int]:
    """The places of codes that are there already, or twice among those wanted: a matter of very short
    codes."""
    ids = [each.voucher_id for each in wanted]
    seen = rows.known(connection, company_id, ids)
    taken = set()
    for index, voucher_id in enumerate(ids):
        if voucher_id in seen:
            taken.add(index)
        seen.add(voucher_id)
    return taken
