"""Batches and vouchers as messages of the schema, and back."""

from datetime import datetime
from typing import Any

from dealwright.v1 import voucher_service_pb2 as schema

from server.runtime.errors import Invalid
from server.runtime.instants import instant
from server.vouchers.batches import BatchSpec
from server.vouchers.importing import GivenRow, RowError
from server.vouchers.store.batches import Batch
from server.vouchers.store.vouchers import Voucher


def batch(kept: Batch, used: int | None = None, at_risk: int | None = None) -> schema.VoucherBatch:
    message = schema.VoucherBatch(
        id=kept.id,
        terms=schema.VoucherTerms(
            promotion_id=kept.promotion_id, max_uses=kept.max_uses, comment=kept.comment
        ),
        imported=kept.origin == "imported",
        prefix=kept.prefix,
        random_chars=kept.random_chars,
        quantity=kept.quantity,
        made=kept.made,
        used_vouchers=used,
        uses_at_risk=at_risk,
        sealed=kept.salt is None and kept.origin != "imported",
        author=kept.author,
    )
    if kept.home_store_id is not None:
        message.offline.home_store_id = kept.home_store_id
    elif kept.risk_cap is not None:
        message.offline.risk_cap = kept.risk_cap
    _set_times(message.terms, start_time=kept.start_time, end_time=kept.end_time)
    _set_times(
        message,
        create_time=kept.create_time,
        complete_time=kept.complete_time,
        disable_time=kept.disable_time,
    )
    return message


def record(voucher: Voucher) -> schema.VoucherRecord:
    message = schema.VoucherRecord(
        id=voucher.id.hex(),
        batch_id=voucher.batch_id,
        promotion_id=voucher.promotion_id,
        last_four=voucher.last_four,
        customer_id=voucher.customer_id or "",
        max_uses=voucher.max_uses,
        used=voucher.used,
        disabled=voucher.disabled,
    )
    _set_times(message, start_time=voucher.start_time, end_time=voucher.end_time)
    return message


def terms(message: schema.VoucherTerms, **more: Any) -> BatchSpec:
    """What somebody wants a batch to be."""
    return BatchSpec(
        promotion_id=message.promotion_id,
        max_uses=message.max_uses if message.HasField("max_uses") else 1,
        start_time=time(message, "start_time"),
        end_time=time(message, "end_time"),
        comment=message.comment,
        **more,
    )


def offline(message: schema.OfflineVouchers) -> dict[str, str | int]:
    """How tills grant the codes of a batch without a network, as a specification has it."""
    mode = message.WhichOneof("mode")
    if mode is None:
        raise Invalid("REQUIRED", "give a home_store_id or a risk_cap", field="offline")
    return {mode: getattr(message, mode)}


def row(number: int, message: schema.ImportedVoucher) -> GivenRow:
    """A row to be imported; `number` counts from 1."""
    uses = message.max_uses if message.HasField("max_uses") else None
    return GivenRow(number, message.code, message.customer_id, uses, time(message, "end_time"))


def row_error(error: RowError) -> schema.ImportError:
    return schema.ImportError(row=error.line, field=error.field, reason=error.reason, message=error.message)


def time(message: Any, field: str) -> datetime | None:
    return instant(getattr(message, field), field) if message.HasField(field) else None


def _set_times(message: Any, **times: datetime | None) -> None:
    for field, moment in times.items():
        if moment is not None:
            getattr(message, field).FromDatetime(moment)
