"""A process that publishes: python -m tests.definitions.publisher URL WORKER ROUNDS [PROMOTIONS].

Each round publishes its own promotions and one that all workers share, and prints the revision that it got.
"""

import os
import sys

from server.actors import Actor, Role
from server.db.engine import connect
from server.definitions.service import Definitions, Publication
from server.runtime import logs
from tests.definitions.samples import percent_off

SHARED = "shared"


def main(url: str, worker: str, rounds: str, promotions: str = "1") -> None:
    logs.configure("json", "error")
    definitions = Definitions(connect(url))
    actor = Actor(worker, "kopi", frozenset({Role.ADMIN}), "a process")
    for turn in range(1, int(rounds) + 1):
        own = [percent_off(f"{worker}-{number}", turn % 100 + 1) for number in range(int(promotions))]
        share = percent_off(SHARED, turn % 100 + 1)
        share.labels.add(name="round", text=f"{worker} {os.getpid()} {turn}")
        published = definitions.publish("kopi", Publication([*own, share], actor=actor, comment=str(turn)))
        sys.stdout.write(f"{published.revision}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
