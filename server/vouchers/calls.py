"""The methods of VoucherService: messages to use cases, and what they give back to messages."""

from collections.abc import Callable, Sequence
from itertools import islice

from dealwright.v1 import voucher_service_pb2 as schema
from dealwright.v1.cart_pb2 import Voucher
from google.protobuf.message import Message

from server.actors import Actor
from server.runtime import paging
from server.runtime.calls import UseCase
from server.runtime.errors import Invalid
from server.vouchers import messages
from server.vouchers.checks import Checked, Outcome
from server.vouchers.service import PAGE_SIZE, PAGE_SIZE_MAX, Vouchers

EXPORT_SIZE = 1_000
EXPORT_SIZE_MAX = 10_000
IMPORT_ROWS_MAX = 10_000
"""How many rows a request may have; `dealwright voucher import` takes any number."""

Seen = Callable[[Sequence[Checked]], None]
"""Told of every check, for metrics."""


def use_cases(vouchers: Vouchers, seen: Seen) -> dict[str, UseCase]:
    """What each method does, by its name."""
    calls = VoucherCalls(vouchers, seen)
    return {
        "CheckVouchers": calls.check,
        "LookUpVouchers": calls.look_up,
        "GenerateVouchers": calls.generate,
        "ImportVouchers": calls.import_rows,
        "ExportVouchers": calls.export,
        "GetBatch": calls.get_batch,
        "ListBatches": calls.list_batches,
        "SealBatch": calls.seal,
        "DisableBatch": calls.disable_batch,
        "DisableVoucher": calls.disable_voucher,
    }


class VoucherCalls:
    """What each method does."""

    def __init__(self, vouchers: Vouchers, seen: Seen) -> None:
        self._vouchers = vouchers
        self._seen = seen

    def check(self, actor: Actor, request: schema.CheckVouchersRequest) -> Message:
        subjects = self._vouchers.throttle.subjects(
            actor, request.customer_id, request.device_id, request.customer_address
        )
        checked = self._vouchers.check(actor, request.codes, request.customer_id, subjects)
        self._seen(checked)
        return schema.CheckVouchersResponse(
            vouchers=[
                Voucher(code=each.code, promotion_id=each.promotion_id)
                for each in checked
                if each.outcome is Outcome.HIT
            ]
        )

    def look_up(self, actor: Actor, request: schema.LookUpVouchersRequest) -> Message:
        found = self._vouchers.look_up(
            actor, code=request.code, customer_id=request.customer_id, last_four=request.last_four
        )
        return schema.LookUpVouchersResponse(vouchers=map(messages.record, found))

    def generate(self, actor: Actor, request: schema.GenerateVouchersRequest) -> Message:
        spec = messages.terms(
            request.terms,
            quantity=request.quantity,
            prefix=request.prefix,
            random_chars=request.random_chars if request.HasField("random_chars") else None,
            customer_ids=tuple(request.customer_ids),
            **(messages.offline(request.offline) if request.HasField("offline") else {}),
        )
        batch = self._vouchers.create_batch(actor, spec)
        begun = next(self._vouchers.make(actor.company_id, batch.id))
        return schema.GenerateVouchersResponse(batch=messages.batch(begun))

    def import_rows(self, actor: Actor, request: schema.ImportVouchersRequest) -> Message:
        if not 1 <= len(request.rows) <= IMPORT_ROWS_MAX:
            raise Invalid("OUT_OF_RANGE", f"1 to {IMPORT_ROWS_MAX} rows are imported at once", field="rows")
        rows = (messages.row(number, row) for number, row in enumerate(request.rows, start=1))
        batch, report = self._vouchers.import_codes(
            actor, messages.terms(request.terms), rows, partial=request.partial
        )
        return schema.ImportVouchersResponse(
            batch=None if batch is None else messages.batch(batch),
            imported=report.imported,
            refused=report.refused,
            errors=map(messages.row_error, report.errors),
        )

    def export(self, actor: Actor, request: schema.ExportVouchersRequest) -> Message:
        size = paging.size(request.page_size, EXPORT_SIZE, EXPORT_SIZE_MAX)
        begin = paging.given_out(request.page_token, "page_token") or 0
        _, codes = self._vouchers.export(actor, request.batch_id, begin)
        page = list(islice(codes, size + 1))
        return schema.ExportVouchersResponse(
            codes=[
                schema.ExportedVoucher(code=code.text, customer_id=code.customer_id or "")
                for code in page[:size]
            ],
            next_page_token=str(begin + size) if len(page) > size else "",
        )

    def get_batch(self, actor: Actor, request: schema.GetBatchRequest) -> Message:
        return schema.GetBatchResponse(batch=messages.batch(*self._vouchers.batch(actor, request.batch_id)))

    def list_batches(self, actor: Actor, request: schema.ListBatchesRequest) -> Message:
        size = paging.size(request.page_size, PAGE_SIZE, PAGE_SIZE_MAX)
        found = self._vouchers.batches(actor, paging.given_out(request.page_token, "page_token"), size)
        more = str(found[-1].id) if len(found) == size else ""
        return schema.ListBatchesResponse(batches=map(messages.batch, found), next_page_token=more)

    def seal(self, actor: Actor, request: schema.SealBatchRequest) -> Message:
        return schema.SealBatchResponse(batch=messages.batch(self._vouchers.seal(actor, request.batch_id)))

    def disable_batch(self, actor: Actor, request: schema.DisableBatchRequest) -> Message:
        batch = self._vouchers.disable_batch(actor, request.batch_id)
        return schema.DisableBatchResponse(batch=messages.batch(batch))

    def disable_voucher(self, actor: Actor, request: schema.DisableVoucherRequest) -> Message:
        voucher = self._vouchers.disable_code(actor, request.code)
        return schema.DisableVoucherResponse(voucher=messages.record(voucher))
