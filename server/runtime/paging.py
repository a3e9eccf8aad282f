"""Pages of lists: what a caller sends to get the next one."""

from server.runtime.errors import Invalid

PAGE_SIZE = 50
"""How many items a page has when nothing is said."""

PAGE_SIZE_MAX = 500
"""How many items a page has at most."""

_NUMBER_DIGITS_MAX = 18


def given_out(text: str, field: str) -> int | None:
    """A number that was given out as a text; None for an empty one."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _NUMBER_DIGITS_MAX):
        raise Invalid("NOT_GIVEN_OUT", f"send the {field} as it was received", field=field)
    return int(text)


def size(asked: int, default: int = PAGE_SIZE, most: int = PAGE_SIZE_MAX) -> int:
    """How many items a page has."""
    if not 0 <= asked <= most:
        raise Invalid("OUT_OF_RANGE", f"a page has 1 to {most} items", field="page_size")
    return asked or default
