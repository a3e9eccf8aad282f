"""The sales of journals as redemption returns them: with what they took of leases."""

from dealwright.v1.journal_pb2 import JournalRecord
from sqlalchemy import Engine

from server.db.engine import plain_errors
from server.journals import store
from server.leases.booking import Holder, spends
from server.redemption.till_sales import Spent, Uploaded


class TillSales:
    """The sales of all journals in one database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def find(self, company_id: str, device_id: str, sale_id: str) -> Uploaded | None:
        """A sale that a till has uploaded; None where it hasn't."""
        with plain_errors(self._engine), self._engine.connect() as connection:
            found = store.sale(connection, company_id, device_id, sale_id)
            if found is None:
                return None
            journal_id, sequence, record, upload_time = found
            # They were stored in one transaction, and neither changes any more.
            taken = spends(connection, Holder(company_id, device_id, journal_id), sequence)
        sale = JournalRecord.FromString(record).sale
        return Uploaded(
            device_id=device_id,
            journal_id=journal_id,
            sequence=sequence,
            sale_id=sale_id,
            request=sale.request,
            result=sale.result,
            left_out_ids=sale.left_out_ids,
            spent=[Spent(*each) for each in taken],
            upload_time=upload_time,
        )
