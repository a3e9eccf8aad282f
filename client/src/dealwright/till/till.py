"""The till: prices carts itself, writes down what it grants, and talks to a server when there is one."""

from __future__ import annotations

import math
import threading
from collections.abc import Collection, Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast

from dealwright_engine import RULE_LANGUAGE, VERSION, EngineError, Ruleset
from google.protobuf.message import DecodeError

from dealwright.calling import Calls
from dealwright.connection import Connection
from dealwright.errors import CallFailed, DealwrightError, Unavailable, of_diagnostics
from dealwright.requests import CartLike, evaluate_request
from dealwright.rule_stream import Device, Refused
from dealwright.till.background import Background
from dealwright.till.chain import Damaged, Entry
from dealwright.till.following import Following
from dealwright.till.freshness import Freshness
from dealwright.till.journal import Journal
from dealwright.till.leases import Leases
from dealwright.till.leasing import LOOK_SECONDS, Demands, Leaser
from dealwright.till.limits import Limited
from dealwright.till.machine import Clocks
from dealwright.till.rules import Force, Rules
from dealwright.till.salvage import DAMAGED_FILE, Salvage, set_aside
from dealwright.till.storage import DiskFailed, Storage
from dealwright.till.uploading import Uploaded, Uploader
from dealwright.till.vouchers import written
from dealwright.v1.cart_pb2 import Cart, LimitState, Voucher
from dealwright.v1.diagnostic_pb2 import Diagnostics
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest, EvaluateResponse
from dealwright.v1.journal_pb2 import JournalClock, JournalClosing, JournalRecord, JournalSale
from dealwright.v1.lease_service_pb2_grpc import LeaseServiceStub
from dealwright.v1.result_pb2 import Result

if TYPE_CHECKING:
    import grpc

SALE_ID_LENGTH_MAX = 128


@dataclass(frozen=True, slots=True)
class LeaseLeft:
    """What is left of a lease."""

    promotion_id: str
    store_id: str
    uses: int | None
    """None: uses aren't limited."""
    budgets: Mapping[str, int]
    """In minor units, by currency."""
    expire_time: float
    """From when on it isn't spent, in Unix seconds."""


@dataclass(frozen=True, slots=True)
class TillState:
    """What a cashier or a monitor wants to know of a till."""

    freshness: Freshness
    revision: int
    """In force. 0: nothing is."""
    connected: bool
    news_time: float
    """When a server said something last, in Unix seconds. 0: never."""
    expire_time: float
    """When the bundle expires, in Unix seconds. 0: there is none."""
    left_out: frozenset[str]
    """Promotions that aren't applied: killed, or too long without news."""
    unsupported: Mapping[str, str]
    """Promotions that this till's engine can't apply, by id, and why."""
    clock_suspect: bool
    """Whether nothing but the machine's own clock vouches for the time."""
    unsent: int
    """Journal entries that no server has."""
    refused: str
    """Why the newest that was offered isn't in force. Empty: it is."""
    leases: tuple[LeaseLeft, ...]
    """What the till may grant of promotions with limits."""
    upload_problem: str
    """Why the last upload failed. Empty: it didn't."""
    lease_problem: str
    """Why leases couldn't be renewed. Empty: they could."""
    journal_problem: str
    """What was wrong with the journal when the till was opened. Empty: nothing."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A sale that is written down. Only now it may be printed."""

    sale_id: str
    sequence: int
    """Its number in the journal."""
    hash: bytes
    """Of its journal entry."""
    result: Result


class NothingInForce(DealwrightError):
    """There is no ruleset: the till has never reached a server, or what it has can't be used."""


class Till:
    """Prices carts with the rules of its stores, with or without a network. Any thread may use it.

    It keeps the last good bundle and its journal in `folder`, which belongs to one till at a time. `root_key`
    is the public root key of the installation; nothing is believed that it hasn't vouched for. Without an
    address it stays offline.

        with Till("till", "till-1", root_key, "prices.example:443", token=token) as till:
            receipt = till.sell("bill-1", cart)
    """

    def __init__(
        self,
        folder: Path | str,
        device_id: str,
        root_key: bytes,
        address: str = "",
        *,
        token: str = "",
        store_ids: Iterable[str] = (),
        plaintext: bool | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        need_sure_clock: bool = False,
        storage: Storage | None = None,
        clocks: Clocks | None = None,
    ) -> None:
        self._store_ids = tuple(store_ids)
        self._device_id = device_id
        self._connection = Connection(address, token, plaintext, credentials) if address else None
        self._upload_problem = self._lease_problem = self._journal_problem = ""
        self._journal_lock = threading.Lock()
        self._following: Following | None = None
        self._uploading: Background | None = None
        self._leasing: Background | None = None
        self._demands = Demands(self._store_ids)
        self._resources = ExitStack()
        disk = storage or Storage(Path(folder))
        disk.prepare()
        self._resources.enter_context(disk.lock())
        with ExitStack() as opening:
            opening.callback(self._resources.close)
            self._journal = self._open_journal(disk)
            self._salvage = Salvage(disk)
            device = Device(device_id, self._store_ids, VERSION, RULE_LANGUAGE)
            last = self._journal.last_record
            floor = last.record_time.ToNanoseconds() / 1e9 if last else 0.0
            self._rules = Rules(
                disk,
                device,
                root_key,
                clocks=clocks or Clocks(),
                floor=floor,
                sure=need_sure_clock,
            )
            mending = self._journal.mending()
            if mending is not None:
                self._append(JournalRecord(mending=mending))
            journal = self._journal
            self._leases = Leases(disk, journal.journal_id, journal.begin, journal.entries)
            journal.before_new_file = lambda: self._leases.keep(journal.place)
            opening.pop_all()
        self.online()

    # Pricing.

    def evaluate(
        self,
        cart: CartLike,
        *,
        limit_state: LimitState | None = None,
        language: str = "",
        near_misses: int = 0,
        suggestions: int = 0,
    ) -> Result:
        """Prices a cart at the trusted time, and writes nothing down."""
        request = evaluate_request(
            cart,
            limit_state=limit_state,
            language=language,
            near_misses=near_misses,
            suggestions=suggestions,
        )
        force, now = self._rules.current()
        request.limit_state.MergeFrom(self._limit_state(force, request.cart, now))
        result = _evaluated(_ruleset(force), request, now)
        self._note(force, request.cart, result)
        return result

    def evaluate_bytes(self, request: bytes) -> bytes:
        """Answers a serialized EvaluateRequest with a serialized EvaluateResponse, as a server would."""
        force, now = self._rules.current()
        if force.limited:
            # Messages that come again add to themselves.
            left = self._limit_state(force, _cart(request), now)
            request += EvaluateRequest(limit_state=left).SerializeToString()
        return _answer(_ruleset(force), request, now)

    def vouchers(self, codes: Iterable[str], *, store_id: str = "") -> list[Voucher]:
        """Those of some codes that are vouchers which this till may grant now, without a network too.

        They go into `cart.vouchers`, beside the codes, as those do that a server found by CheckVouchers.
        """
        force, now = self._rules.current()
        return self._leases.vouchers(codes, store_id, self._spendable(force, now))

    def sell(self, sale_id: str, cart: CartLike | EvaluateRequest, *, language: str = "") -> Receipt:
        """Prices a cart and writes the sale down; when this returns, the disk has it.

        Codes that aren't public are written down as what stands for them, and are so in the result: whoever
        reads a journal can use no voucher. The same sale_id again gives the same receipt and grants nothing
        more: after a crash, ask again.
        Raises DiskFailed when it can't be written down; then nothing was granted.
        """
        if not 0 < len(sale_id) <= SALE_ID_LENGTH_MAX:
            raise ValueError(f"a sale_id has 1 to {SALE_ID_LENGTH_MAX} characters")
        with self._journal_lock:
            known = self._journal.sale(sale_id)
            if known is not None:
                return _receipt(known)
            force, now = self._rules.current()
            request = EvaluateRequest()
            if isinstance(cart, EvaluateRequest):
                request.CopyFrom(cart)
            else:
                request.CopyFrom(evaluate_request(cart, language=language))
            request.limit_state.MergeFrom(self._limit_state(force, request.cart, now))
            # What is priced is what is written down, so that a server prices the same later.
            granting = self._leases.granting(request.cart, self._spendable(force, now))
            request.cart.CopyFrom(written(request.cart, granting, force.codes))
            request.evaluate_time.FromNanoseconds(int(now * 1e9))
            answer = _evaluated(_ruleset(force), request, now)
            sale = self._sale(sale_id, force, request, answer)
            sale.lease_ids.extend(self._leases.taken_by(force.limited, sale, now))
            entry = self._append(JournalRecord(sale=sale))
            self._leases.spend(sale)
        if self._uploading:
            self._uploading.wake()
        self._note(force, request.cart, answer)
        if self._leasing and sale.lease_ids:
            self._leasing.wake()
        return _receipt(entry)

    # The network.

    def online(self) -> None:
        """Follows a server and uploads, if the till has an address. Done when it is opened."""
        if self._connection is None or self._following is not None:
            return
        connection, lock = self._connection, self._journal_lock
        uploader = self._uploader(connection)
        self._uploading = Background("uploading", uploader.upload, uploader.close, self._note_upload)
        calls = Calls(connection)
        leaser = Leaser(
            LeaseServiceStub(cast("grpc.Channel", calls)),
            self._leases,
            self._demands,
            self._journal,
            lock,
            self._device_id,
            current=self._limited,
            close_leases=self._close_leases,
            upload=uploader.upload,
        )
        self._leasing = Background("leasing", leaser.renew, calls.close, self._note_leasing, LOOK_SECONDS)
        self._rules.changed = self._leasing.wake
        self._following = Following(self._rules, connection)

    def offline(self) -> None:
        """Lets go of the network, as if the cable were pulled."""
        following, self._following = self._following, None
        threads = self._leasing, self._uploading
        self._leasing = self._uploading = None
        if following:
            following.stop()
        for thread in threads:
            if thread:
                thread.stop()

    def upload(self) -> Uploaded:
        """Uploads what no server has, and waits for it; raises CallFailed."""
        if self._connection is None:
            raise Unavailable("the till has no address")
        uploader = self._uploader(self._connection)
        try:
            return uploader.upload()
        finally:
            uploader.close()

    def offer(self, bundle: bytes) -> None:
        """Takes a bundle from a file, such as one on a USB stick; raises dealwright.rule_stream.Refused."""
        self._rules.offered(bundle)

    @property
    def state(self) -> TillState:
        force, _ = self._rules.current()
        clock, _ = self._rules.clock()
        follower = self._rules.follower
        manifest = follower.manifest
        refused: Refused | None = follower.refused
        return TillState(
            force.judgement.freshness,
            force.manifest.revision if force.manifest else 0,
            follower.following,
            clock.server_time,
            manifest.expire_time.ToNanoseconds() / 1e9 if manifest else 0.0,
            force.left_out,
            force.ruleset.unsupported if force.ruleset else {},
            clock.suspect,
            self._journal.unsent + self._salvage.unsent,
            refused.detail if refused else "",
            tuple(
                LeaseLeft(
                    held.lease.promotion_id,
                    held.lease.store_id,
                    held.uses_left if held.lease.HasField("uses") else None,
                    {each.currency_code: held.budget_left(each.currency_code) for each in held.lease.budgets},
                    held.expire_time,
                )
                for _, held in sorted(self._leases.held().items())
            ),
            self._upload_problem,
            self._lease_problem,
            self._journal_problem,
        )

    def close(self, *, keep_leases: bool = False) -> None:
        """Lets go of the network and the folder. What isn't uploaded yet stays on the disk.

        While a server is there, leases are given back, unless they are kept for the next start, which may be
        without a network.
        """
        connected = self._following is not None and self._rules.follower.following
        self.offline()
        try:
            if connected and not keep_leases:
                self._give_leases_back()
            self._rules.keep_clock()
        finally:
            self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Writing down.

    def _open_journal(self, disk: Storage) -> Journal:
        try:
            return Journal(disk)
        except Damaged as error:
            self._journal_problem = f"{error}; it is kept as {DAMAGED_FILE}"
            set_aside(disk)
            return Journal(disk)

    def _append(self, record: JournalRecord) -> Entry:
        state, reading = self._rules.clock()
        record.engine_version = VERSION
        record.record_time.FromNanoseconds(int(state.trusted * 1e9))
        record.clock.CopyFrom(
            JournalClock(
                boot_id=reading.boot_id, elapsed_nanos=int(reading.elapsed * 1e9), suspect=state.suspect
            )
        )
        if state.server_time:
            record.clock.server_time.FromNanoseconds(int(state.server_time * 1e9))
        return self._journal.append(record)

    def _sale(self, sale_id: str, force: Force, request: EvaluateRequest, result: Result) -> JournalSale:
        return JournalSale(
            sale_id=sale_id,
            scope_id=force.manifest.scope_id if force.manifest else "",
            store_ids=self._store_ids,
            epoch=force.manifest.epoch if force.manifest else 0,
            request=request,
            result=result,
            left_out_ids=sorted(force.left_out),
        )

    def _uploader(self, connection: Connection) -> Uploader:
        journals = (self._salvage, self._journal)
        return Uploader(journals, self._device_id, connection, self._journal_lock)

    # Leases.

    def _limit_state(self, force: Force, cart: Cart, now: float) -> LimitState:
        """What may still be granted of promotions with limits; while the time isn't sure, nothing."""
        return self._leases.limit_state(force.limited, cart, self._spendable(force, now))

    def _spendable(self, force: Force, now: float) -> float:
        """When leases are spent: never while nobody knows the time."""
        return math.inf if force.distrusted else now

    def _limited(self) -> tuple[Mapping[str, Limited], float]:
        force, now = self._rules.current()
        return force.limited, now

    def _note(self, force: Force, cart: Cart, result: Result) -> None:
        if force.limited and self._demands.note(cart.store_id, result) and self._leasing:
            self._leasing.wake()

    def _close_leases(self, lease_ids: Collection[str]) -> None:
        """Grants nothing more of leases, for good."""
        with self._journal_lock:
            self._append(JournalRecord(closing=JournalClosing(lease_ids=lease_ids)))
            self._leases.drop(lease_ids, self._journal.place)

    def _give_leases_back(self) -> None:
        held = [each.lease.lease_id for each in self._leases.held().values()]
        if not held:
            return
        with suppress(CallFailed, DiskFailed):
            # What can't be brought now is brought after the next start.
            self._close_leases(held)
            self.upload()

    def _note_upload(self, failed: CallFailed | DiskFailed | None) -> None:
        self._upload_problem = _problem(failed)

    def _note_leasing(self, failed: CallFailed | DiskFailed | None) -> None:
        self._lease_problem = _problem(failed)


def _problem(failed: CallFailed | DiskFailed | None) -> str:
    """What a cashier is told. Where nobody answers, gRPC has much to say of addresses and sockets."""
    if isinstance(failed, Unavailable) and not failed.reason:
        return "no server can be reached"
    return str(failed) if failed else ""


def _cart(request: bytes) -> Cart:
    """The cart of a serialized request; of what is none, the engine says so."""
    try:
        return EvaluateRequest.FromString(request).cart
    except DecodeError:
        return Cart()


def _ruleset(force: Force) -> Ruleset:
    if force.ruleset is None:
        raise NothingInForce("there is no ruleset yet; connect the till once, or offer it a bundle")
    return force.ruleset


def _evaluated(ruleset: Ruleset, request: EvaluateRequest, now: float) -> Result:
    return EvaluateResponse.FromString(_answer(ruleset, request.SerializeToString(), now)).result


def _answer(ruleset: Ruleset, request: bytes, now: float) -> bytes:
    try:
        return ruleset.evaluate(request, int(now * 1e9))
    except EngineError as error:
        raise of_diagnostics(Diagnostics.FromString(error.diagnostics)) from error


def _receipt(entry: Entry) -> Receipt:
    sale = entry.record.sale
    return Receipt(sale.sale_id, entry.record.sequence, entry.hash, sale.result)
