"""What documents are written for: one currency, one language, and the holidays and stores of one company."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from dealwright.v1.money_pb2 import Amounts, Money
from dealwright.v1.text_pb2 import Text
from dealwright_engine import currency_exponent

PERCENT_PPM = 10_000
"""One percent in parts per million."""


@dataclass(frozen=True, slots=True)
class Edition:
    """A document has one amount where a definition has one per currency, and one text for all languages."""

    currency_code: str
    """Empty: nobody knows it, and no amount can be said."""
    language: str = "en"
    calendar_ids: tuple[str, ...] = ()
    """The holidays that `exclude_holidays` means: all calendars of the company."""
    store_regions: tuple[tuple[str, str], ...] = ()
    """The company's stores with their regions: what excluded stores and regions come to as a list."""

    def number(self, amounts: Iterable[Money]) -> Decimal | None:
        """The amount in the edition's currency, in its major unit."""
        for money in amounts:
            if money.currency_code == self.currency_code:
                return _exact(money.minor, 10 ** self._exponent())
        return None

    def money(self, number: Decimal | int | None) -> list[Money]:
        """An amount as a definition has it. None, and an amount in no known currency, is no amount."""
        if number is None:
            return []
        minor = Decimal(number).scaleb(self._exponent())
        if minor != int(minor):
            raise Inexact(f"{number} has more decimals than {self.currency_code}")
        return [Money(currency_code=self.currency_code, minor=int(minor))]

    def amounts(self, number: Decimal | int | None) -> Amounts:
        return Amounts(per_currency=self.money(number))

    def text(self, texts: Iterable[Text]) -> str:
        """The text in the edition's language, else the first one."""
        by_language = {text.language: text.text for text in texts}
        return by_language.get(self.language) or next(iter(by_language.values()), "")

    def texts(self, text: str) -> list[Text]:
        return [Text(language=self.language, text=text)] if text else []

    def _exponent(self) -> int:
        return currency_exponent(self.currency_code) or 0


class Inexact(ValueError):
    """A number that has no exact place in a definition."""


def percent(ppm: int) -> Decimal:
    return _exact(ppm, PERCENT_PPM)


def share(ppm: int) -> Decimal:
    """A factor, such as 2 for twice."""
    return _exact(ppm, 100 * PERCENT_PPM)


def whole(number: int) -> Decimal:
    return _exact(number, 1)


def ppm(number: Decimal | int) -> int:
    """Parts per million of a percentage."""
    found = Decimal(number) * PERCENT_PPM
    if found != int(found):
        raise Inexact(f"{number} has more than four decimals")
    return int(found)


def number_of(number: Decimal | int) -> int:
    """A whole number of units."""
    if number != int(number):
        raise Inexact(f"{number} is no whole number")
    return int(number)


def _exact(number: int, divisor: int) -> Decimal:
    """A quotient by a power of ten, with at least one decimal: a whole amount is 50000.0."""
    digits = len(str(divisor)) - 1
    while digits > 1 and number % 10 == 0:
        number, digits = number // 10, digits - 1
    return Decimal(number).scaleb(-digits) if digits else Decimal(f"{number}.0")
