"""Checking codes for callers who may be guessing: what applies is told, and of everything else that it
doesn't."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine

from server.db.engine import plain_errors
from server.runtime.errors import Invalid
from server.vouchers.applying import Given, Refusal, applying, refusal
from server.vouchers.code import Codes, skeleton
from server.vouchers.store import batches, guessers
from server.vouchers.store import vouchers as store
from server.vouchers.store.vouchers import Voucher
from server.vouchers.throttling import CODES_MAX, LOCKOUTS, Kind, Subject, Subjects, missed, require_unlocked

if TYPE_CHECKING:
    from server.actors import Actor
    from server.keys.service import Pepper

TYPED_CHARS_MAX = 200


class Outcome(StrEnum):
    """What became of a code that was checked. For metrics: callers see only whether it applies."""

    HIT = "hit"
    MISS = "miss"
    MALFORMED = "malformed"
    """No code that was made here, by its check symbols: it didn't come to the vouchers."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A code, and the promotion that it is a voucher of where it applies."""

    code: str
    outcome: Outcome
    promotion_id: str = ""


class Throttle:
    """Counts wrong codes in the database, since processes are many."""

    def __init__(self, engine: Engine, pepper: Pepper) -> None:
        self._engine = engine
        self._pepper = pepper

    def subjects(
        self, actor: Actor, customer_id: str = "", device_id: str = "", address: str = ""
    ) -> list[Subject]:
        """Who stands behind an attempt."""
        return Subjects(self._pepper.key("voucher guesser")).of(actor, customer_id, device_id, address)

    def require(self, company_id: str, subjects: Sequence[Subject]) -> None:
        """Refuses an attempt of somebody who was wrong too often."""
        with plain_errors(self._engine), self._engine.connect() as connection:
            require_unlocked(guessers.counts(connection, company_id, subjects), guessers.clock(connection))

    def failed(self, company_id: str, subjects: Sequence[Subject], codes: int, malformed: int = 0) -> None:
        """Counts wrong codes, in a transaction of its own: what rolls back elsewhere is still remembered.

        Malformed ones don't count for the company: they reach no voucher, and typos of all its customers
        together are no attack.
        """
        with plain_errors(self._engine), self._engine.begin() as connection:
            guessers.begin(connection, company_id, subjects)
            counts = guessers.counts(connection, company_id, subjects, lock=True)
            now = guessers.clock(connection)
            changed = {}
            for subject, count in counts.items():
                wrong = codes if subject[0] is Kind.COMPANY else codes + malformed
                if wrong:
                    changed[subject] = missed(count, LOCKOUTS[subject[0]], now, wrong)
            guessers.keep(connection, company_id, changed)


def check(
    engine: Engine,
    throttle: Throttle,
    codes: Codes,
    actor: Actor,
    typed: Sequence[str],
    customer_id: str,
    subjects: Sequence[Subject],
) -> list[Checked]:
    """Says which codes apply to a customer now. Every answer takes the same steps, whatever is wrong with a
    code."""
    _require_few(typed)
    company_id = actor.company_id
    letters = [skeleton(code) for code in typed]
    with plain_errors(engine), engine.connect() as connection:
        now = guessers.clock(connection)
        require_unlocked(guessers.counts(connection, company_id, subjects), now)
        asked = _may_be_there(connection, codes, company_id, letters)
        ids = [codes.voucher_id(each) for each in letters]
        found = store.find(connection, company_id, [key for key, ask in zip(ids, asked, strict=True) if ask])
    answers = []
    for code, voucher_id, ask in zip(typed, ids, asked, strict=True):
        voucher = found.get(voucher_id)
        if not ask:
            answers.append(Checked(code, Outcome.MALFORMED))
        elif voucher is None or refusal(voucher, customer_id, now) is not None:
            answers.append(Checked(code, Outcome.MISS))
        else:
            answers.append(Checked(code, Outcome.HIT, voucher.promotion_id))
    outcomes = [answer.outcome for answer in answers]
    if set(outcomes) != {Outcome.HIT}:
        throttle.failed(
            company_id, subjects, outcomes.count(Outcome.MISS), malformed=outcomes.count(Outcome.MALFORMED)
        )
    return answers


def apply(
    engine: Engine,
    throttle: Throttle,
    codes: Codes,
    actor: Actor,
    given: Sequence[Given],
    customer_id: str,
) -> list[Voucher | Refusal]:
    """For each voucher of an order that which applies now, or why there is none.

    Who names vouchers in an order may be guessing too, so unknown codes count as wrong ones. Others don't:
    who has such a code has guessed it already, and many want the last use of a code that is known to many.
    """
    company_id = actor.company_id
    subjects = throttle.subjects(actor, customer_id)
    with plain_errors(engine), engine.connect() as connection:
        now = guessers.clock(connection)
        require_unlocked(guessers.counts(connection, company_id, subjects), now)
        answers = applying(connection, codes, company_id, given, customer_id, now)
        unknown = [
            skeleton(each.code)
            for each, answer in zip(given, answers, strict=True)
            if answer is Refusal.UNKNOWN
        ]
        misses = sum(_may_be_there(connection, codes, company_id, unknown))
    if unknown:
        throttle.failed(company_id, subjects, misses, malformed=len(unknown) - misses)
    return answers


def _require_few(typed: Sequence[str]) -> None:
    if not 1 <= len(typed) <= CODES_MAX:
        raise Invalid("OUT_OF_RANGE", f"1 to {CODES_MAX} codes are checked at once", field="codes")
    for index, code in enumerate(typed):
        if len(code) > TYPED_CHARS_MAX:
            raise Invalid(
                "TOO_LONG", f"a code has up to {TYPED_CHARS_MAX} characters", field=f"codes[{index}]"
            )


def _may_be_there(
    connection: Connection, codes: Codes, company_id: str, letters: Sequence[str]
) -> list[bool]:
    """Which skeletons could be those of vouchers: of a company that has imported none, those made here."""
    made = [codes.is_made(each) for each in letters]
    if all(made):
        return made
    imported = batches.has_imported(connection, company_id)
    return [imported or each for each in made]
