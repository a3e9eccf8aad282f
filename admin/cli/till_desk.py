"""What a cashier does at the terminal till: a line of words in, a text out."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from dealwright.errors import DealwrightError
from dealwright.rule_stream import Refused
from dealwright.till.till import LeaseLeft, Till, TillState
from dealwright.v1.cart_pb2 import Cart, Line
from dealwright.v1.result_pb2 import Result
from dealwright.v1.selector_pb2 import LineKind

from admin.cli.receipt import receipt
from server.documents.money import amount

WAIT_SECONDS_MAX = 60.0
"""How long a script waits for something at most."""

POLL_SECONDS = 0.02

NEAR_MISSES_MAX = 3

HELP = """PRODUCT [QUANTITY]  scan      products [TEXT]  what there is    remove N  take a line off
code CODE           add       pay [SALE-ID]    sell             clear     begin again
pull, plug          network   status           how it stands    upload    bring the journal now
offer FILE          a bundle  wait THING [N]   revision N, sent, connected, leased    quit"""


class NotUnderstood(Exception):
    """A line that is no command; the text says why."""


def products(carts: Iterable[Cart]) -> dict[str, Line]:
    """What some carts have in them, as things to scan."""
    found: dict[str, Line] = {}
    for cart in carts:
        for line in cart.lines:
            plain = line.kind in (LineKind.LINE_KIND_UNSPECIFIED, LineKind.LINE_KIND_ITEM)
            if plain and line.product_id and not line.parent_id and line.product_id not in found:
                found[line.product_id] = line
    return found


class Desk:
    """The cart that is being scanned, and the commands."""

    def __init__(self, till: Till, products: Mapping[str, Line], begin: Cart, language: str) -> None:
        self._till = till
        self._products = products
        self._begin = begin
        self._language = language
        self.over = False
        self._commands: dict[str, Callable[..., str]] = {
            "scan": self._scan,
            "products": self._list,
            "remove": self._remove,
            "code": self._code,
            "pay": self._pay,
            "clear": self._clear,
            "pull": self._pull,
            "plug": self._plug,
            "status": self.status,
            "upload": self._upload,
            "offer": self._offer,
            "wait": self._wait,
            "help": lambda: HELP,
            "quit": self._quit,
        }
        self._cart = Cart()
        self._clear()

    def do(self, line: str) -> str:
        """Carries out a line; raises NotUnderstood, or a DealwrightError when the till can't."""
        word, *arguments = line.split()
        command = self._commands.get(word)
        if command is None:
            command, arguments = self._scan, [word, *arguments]
        try:
            return command(*arguments)
        except TypeError as error:
            raise NotUnderstood(f"{word} with {len(arguments)} arguments; help lists the commands") from error

    def bill(self) -> str:
        """The receipt as it would be now, with what the customer could add."""
        if not self._cart.lines:
            return "The cart is empty."
        return receipt(self._cart, self._priced())

    def status(self) -> str:
        """How the till stands, in one line."""
        return _status(self._till.state)

    def _priced(self) -> Result:
        return self._till.evaluate(
            self._cart, language=self._language, near_misses=NEAR_MISSES_MAX, suggestions=NEAR_MISSES_MAX
        )

    def _scan(self, product_id: str, quantity: str = "1") -> str:
        product = self._products.get(product_id)
        if product is None:
            near = [known for known in self._products if product_id in known]
            hint = f"; is it {', '.join(near[:3])}?" if near else "; products lists them"
            raise NotUnderstood(f"there is no {product_id}{hint}")
        if not (quantity.isascii() and quantity.isdigit() and 0 < int(quantity) <= 999):
            raise NotUnderstood("a quantity is 1 to 999")
        line = next((each for each in self._cart.lines if each.product_id == product_id), None)
        if line is None:
            line = self._cart.lines.add()
            line.CopyFrom(product)
            line.id, line.quantity = str(len(self._cart.lines)), 0
        line.quantity += int(quantity)
        return self.bill()

    def _list(self, text: str = "") -> str:
        currency = self._begin.currency_code
        return "\n".join(
            f"{product_id}  {amount(line.unit_price_minor, currency)}"
            for product_id, line in sorted(self._products.items())
            if text in product_id
        )

    def _remove(self, number: str) -> str:
        if not (number.isascii() and number.isdigit() and 0 < int(number) <= len(self._cart.lines)):
            raise NotUnderstood(f"there is no line {number}")
        del self._cart.lines[int(number) - 1]
        return self.bill()

    def _code(self, code: str) -> str:
        self._cart.codes.append(code)
        self._cart.vouchers.extend(self._till.vouchers([code], store_id=self._cart.store_id))
        return self.bill()

    def _pay(self, sale_id: str = "") -> str:
        if not self._cart.lines:
            raise NotUnderstood("the cart is empty")
        sold = self._till.sell(sale_id or uuid.uuid4().hex, self._cart, language=self._language)
        paid = amount(sold.result.totals.payable_minor, sold.result.currency_code)
        # A limit may have run out since the last look at the bill.
        printed = receipt(self._cart, sold.result)
        self._clear()
        return f"{printed}\nSold {sold.sale_id} for {paid}, journal entry {sold.sequence}."

    def _clear(self) -> str:
        self._cart = Cart()
        self._cart.CopyFrom(self._begin)
        return "The cart is empty."

    def _pull(self) -> str:
        self._till.offline()
        return "The network is gone."

    def _plug(self) -> str:
        self._till.online()
        return "The network is back."

    def _upload(self) -> str:
        return f"Uploaded {self._till.upload().entries} entries."

    def _offer(self, path: str) -> str:
        try:
            self._till.offer(Path(path).read_bytes())
        except OSError as error:
            raise NotUnderstood(f"{path}: {error.strerror}") from error
        except Refused as error:
            raise DealwrightError(f"{path} is refused: {error.detail}") from error
        return self.status()

    def _wait(self, thing: str, number: str = "0") -> str:
        reached: dict[str, Callable[[TillState], bool]] = {
            "revision": lambda state: state.revision >= int(number),
            "sent": lambda state: state.unsent == 0,
            "connected": lambda state: state.connected,
            "leased": lambda state: bool(state.leases),
        }
        if thing not in reached or not (number.isascii() and number.isdigit()):
            raise NotUnderstood("wait for revision N, sent, connected, or leased")
        end = time.monotonic() + WAIT_SECONDS_MAX
        while not reached[thing](self._till.state):
            if time.monotonic() > end:
                raise DealwrightError(f"waited {WAIT_SECONDS_MAX:.0f} s for {thing}: {self.status()}")
            time.sleep(POLL_SECONDS)
        return self.status()

    def _quit(self) -> str:
        self.over = True
        return "Goodbye."


def _status(state: TillState) -> str:
    parts = [
        "connected" if state.connected else "offline",
        f"rules {state.freshness.value}",
        f"revision {state.revision}",
        f"{state.unsent} to upload",
    ]
    if state.left_out:
        parts.append(f"not applied: {', '.join(sorted(state.left_out))}")
    if state.unsupported:
        parts.append(f"not understood by this version: {', '.join(sorted(state.unsupported))}")
    if state.leases:
        parts.append(f"leases: {', '.join(map(_lease, state.leases))}")
    if state.expire_time:
        expires = datetime.fromtimestamp(state.expire_time, UTC)
        parts.append(f"good until {expires.isoformat(timespec='minutes')}")
    if state.clock_suspect:
        parts.append("the time isn't sure")
    problems = (state.refused, state.upload_problem, state.lease_problem, state.journal_problem)
    # The same may be wrong with several things.
    parts += filter(None, dict.fromkeys(problems))
    return "; ".join(parts)


def _lease(lease: LeaseLeft) -> str:
    left = [] if lease.uses is None else [str(lease.uses)]
    left += [amount(minor, currency) for currency, minor in lease.budgets.items()]
    return f"{' and '.join(left)} of {lease.promotion_id}"
