"""What a code is: read back however it was typed, and told from what was never made."""

import string
from typing import Any

import dealwright_engine
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.vouchers.code import ALPHABET, CHECK_CHARS, Codes, random_letters, skeleton, skeleton_of_made
from server.vouchers.resistance import CHANCE_PPM, Resistance, needed


class FixedPepper:
    """A pepper of no database."""

    def key(self, purpose: str) -> bytes:
        return purpose.encode().ljust(32, b".")


PEPPER: Any = FixedPepper()
CODES = Codes(PEPPER, "kopi")

prefixes = st.text(string.ascii_uppercase + string.digits, max_size=16)
randoms = st.text(ALPHABET, min_size=8, max_size=24)
spoilers = st.sampled_from([" ", "-", "\u00a0", "\u2013", ".", "\t"])


@st.composite
def typed(draw: st.DrawFn, code: str) -> str:
    """A code as people type it: any case, spaces and dashes anywhere, look-alikes, full width."""
    alike = {"0": "0O", "O": "0O", "Q": "QO0", "1": "1IL", "I": "1IL", "L": "LI1"}
    written = ""
    for letter in code.replace("-", ""):
        read = draw(st.sampled_from(alike.get(letter, letter)))
        shape = draw(st.sampled_from([read, read.lower(), chr(ord(read) + 0xFEE0)]))
        written += draw(st.sampled_from(["", "", ""]) | spoilers) + shape
    return written


@given(st.data(), prefixes, randoms)
def test_a_code_is_recognised_however_it_is_typed(data: st.DataObject, prefix: str, random: str) -> None:
    code = CODES.complete(prefix, random)
    read = skeleton(data.draw(typed(code)))

    assert read == skeleton(code) == skeleton_of_made(code.replace("-", ""))
    assert CODES.is_made(read)
    assert CODES.voucher_id(read) == CODES.voucher_id(skeleton(code))


@given(prefixes, randoms, st.data())
def test_one_wrong_letter_is_always_found(prefix: str, random: str, data: st.DataObject) -> None:
    letters = skeleton(CODES.complete(prefix, random))
    place = data.draw(st.integers(0, len(letters) - 1))
    wrong = data.draw(st.sampled_from(ALPHABET.lower().replace(letters[place], "")))

    assert not CODES.is_made(letters[:place] + wrong + letters[place + 1 :])


@given(prefixes, randoms, st.data())
def test_neighbours_swapped_are_always_found(prefix: str, random: str, data: st.DataObject) -> None:
    letters = skeleton(CODES.complete(prefix, random))
    place = data.draw(st.integers(0, len(letters) - 2))
    swapped = letters[:place] + letters[place + 1] + letters[place] + letters[place + 2 :]

    assert CODES.is_made(swapped) == (swapped == letters)


@given(st.text(max_size=30), st.text(max_size=30))
def test_what_is_one_code_to_an_evaluation_is_one_here(one: str, other: str) -> None:
    folded = dealwright_engine.fold(one)
    for same in (one, folded, f" {one}\t", one.swapcase()):
        if dealwright_engine.fold(same) == folded:
            assert skeleton(same) == skeleton(one)
    if dealwright_engine.fold(other) == folded:
        assert skeleton(other) == skeleton(one)


def test_who_knows_how_codes_are_made_finds_the_keyed_symbol_for_one_guess_in_32() -> None:
    made = 0
    for number in range(32 * 400):
        random = random_letters(number.to_bytes(12), 12)
        guess = Codes(_other_pepper(), "kopi").complete("", random)
        made += CODES.is_made(skeleton(guess))

    assert 250 < made < 550


def test_a_blind_guess_gets_past_one_time_in_1024() -> None:
    guesses = [random_letters((number * 7919).to_bytes(14), 14).lower() for number in range(50_000)]

    assert 10 <= sum(map(CODES.is_made, guesses)) <= 110


def test_companies_and_peppers_have_codes_of_their_own() -> None:
    letters = skeleton(CODES.complete("", "K7RM2QX9TB4H"))

    assert Codes(PEPPER, "teh").voucher_id(letters) != CODES.voucher_id(letters)
    assert Codes(_other_pepper(), "kopi").voucher_id(letters) != CODES.voucher_id(letters)


@pytest.mark.parametrize("nothing", ["", "-", "  ", "22", "2", "ü" * 14, "東京" * 8])
def test_what_was_never_a_code_is_told_apart(nothing: str) -> None:
    assert not CODES.is_made(skeleton(nothing))


def test_without_a_prefix_there_is_no_first_dash() -> None:
    code = CODES.complete("", "K7RM2QX9TB4H")

    assert code.startswith("K7RM2QX9TB4H-")
    assert len(code) == 12 + 1 + CHECK_CHARS
    assert CODES.complete("MAY", "K7RM2QX9TB4H").startswith("MAY-K7RM2QX9TB4H-")


def test_random_letters_are_all_equally_likely() -> None:
    counts = {random_letters(bytes([byte]), 1): 0 for byte in range(256)}
    for byte in range(256):
        counts[random_letters(bytes([byte]), 1)] += 1

    assert counts == dict.fromkeys(ALPHABET, 8)


@pytest.mark.parametrize(
    ("live", "guesses", "chars"),
    [(1_000_000, 52_560_000, 12), (1_000, 52_560_000, 10), (1, 1, 8), (10**12, 10**30, 24)],
)
def test_codes_are_as_long_as_guesses_demand(live: int, guesses: int, chars: int) -> None:
    assert needed(live, guesses).chars == chars


@given(st.integers(1, 10_000_000), st.integers(1, 10**10))
def test_the_length_is_the_least_that_keeps_the_chance(live: int, guesses: int) -> None:
    enough = needed(live, guesses)

    assert enough.chance_ppb <= CHANCE_PPM * 1_000
    if enough.chars > 8:
        assert Resistance(enough.chars - 1, live, guesses).chance_ppb > CHANCE_PPM * 1_000


def _other_pepper() -> Any:
    class Other:
        def key(self, purpose: str) -> bytes:
            return purpose.encode().ljust(32, b"/")

    return Other()
