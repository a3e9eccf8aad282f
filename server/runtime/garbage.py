"""Python's search for garbage, as a server needs it: it holds up every call of the process."""

import gc

NEW_MAX = 5_000
"""After so many more objects are made than freed, the new ones are looked at."""


def spare_what_stays() -> None:
    """What a process has when it has started it keeps, so that no search looks at it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_MAX, *gc.get_threshold()[1:])
