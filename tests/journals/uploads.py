"""Journals as tills write and upload them."""

from collections.abc import Sequence

from dealwright.till import chain
from dealwright.till.chain import Entry, Place
from dealwright.v1.evaluation_service_pb2 import EvaluateResponse
from dealwright.v1.journal_pb2 import JournalMending, JournalRecord, JournalSale
from dealwright.v1.journal_service_pb2 import UploadJournalRequest
from dealwright_engine import Ruleset

from server.actors import Actor, Role
from server.definitions.service import Definitions
from tests.evaluation.requests import latte_request

DEVICE = Actor("till-1", "kopi", frozenset({Role.DEVICE}), "there", "t1")


def sold(
    definitions: Definitions,
    sale_id: str,
    *,
    revision: int | None = None,
    without: Sequence[str] = (),
    codes: Sequence[str] = (),
    store_ids: Sequence[str] = (),
) -> JournalRecord:
    """A sale of two lattes as an honest till writes it down."""
    ruleset = definitions.ruleset("kopi", revision)
    kept = [promotion for promotion in ruleset.promotions if promotion.id not in without]
    del ruleset.promotions[:]
    ruleset.promotions.extend(kept)
    request = latte_request()
    request.cart.codes.extend(codes)
    answer = Ruleset.compile(ruleset.SerializeToString()).evaluate(request.SerializeToString(), 0)
    sale = JournalSale(
        sale_id=sale_id,
        scope_id="*",
        request=request,
        result=EvaluateResponse.FromString(answer).result,
        left_out_ids=without,
        store_ids=store_ids,
    )
    return JournalRecord(sale=sale)


def record(sale_id: str) -> JournalRecord:
    """A sale without contents."""
    sale = JournalSale(sale_id=sale_id)
    sale.request.cart.store_id = "kopi-1"
    return JournalRecord(sale=sale)


def mending() -> JournalRecord:
    return JournalRecord(mending=JournalMending(torn_bytes=7))


def chained(*records: JournalRecord, place: Place | None = None) -> list[Entry]:
    """Entries that follow a place, which is the beginning unless it is given."""
    entries: list[Entry] = []
    at = place or Place()
    for each in records:
        entries.append(chain.next_entry(at, each))
        at = entries[-1].place
    return entries


def upload(
    entries: Sequence[Entry], *, device_id: str = "till-1", journal_id: str = "j1"
) -> UploadJournalRequest:
    return UploadJournalRequest(
        device_id=device_id,
        journal_id=journal_id,
        previous_hash=entries[0].previous if entries else b"",
        entries=[entry.message() for entry in entries],
    )
