"""One process that opens a till and prices a cart, with nothing else in it; prints the seconds as JSON."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from dealwright.till.till import Till


def main() -> None:
    folder = Path(sys.argv[1])
    root_key, cart = (folder / "root.pub").read_bytes(), (folder / "cart").read_bytes()
    begin = time.perf_counter()
    with Till(folder, "bench", root_key) as till:
        till.evaluate_bytes(cart)
        seconds = time.perf_counter() - begin
    sys.stdout.write(json.dumps(seconds))


if __name__ == "__main__":
    main()
