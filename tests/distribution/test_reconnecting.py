"""When streams end by themselves, and when tills come again."""

from pathlib import Path

from dealwright.rule_stream import Connect, Kept
from dealwright.rule_stream import Now as TillNow
from dealwright.rule_stream.backoff import FIRST_SECONDS, HEALTHY_SECONDS, LAST_SECONDS
from dealwright.v1.rule_stream_service_pb2 import GOODBYE_REASON_MAX_AGE, Frame, Goodbye, Welcome
from google.protobuf.duration_pb2 import Duration
from sqlalchemy import Engine

from server.definitions.service import Definitions
from tests.definitions.samples import percent_off
from tests.distribution.test_follower import ALL, NOON, till
from tests.distribution.test_streams import followed, publish


def waits(lived: list[float], *, draw: float, asked: float = 0.0) -> list[float]:
    """How long a till waits after each of its streams, which lived for so long and ended in good order."""
    follower, at, found = till(Kept()), 0.0, []
    follower.start(TillNow(at, NOON))
    for seconds in lived:
        follower.connected(TillNow(at, NOON))
        follower.received(Frame(welcome=Welcome(company_id="kopi", scope_id=ALL.id)), TillNow(at, NOON))
        at += seconds
        goodbye = Goodbye(retry_after=Duration(seconds=int(asked)))
        follower.received(Frame(goodbye=goodbye), TillNow(at, NOON))
        (connect,) = follower.disconnected(TillNow(at, NOON), draw)
        assert isinstance(connect, Connect)
        found.append(connect.after)
    return found


def test_waits_double_until_a_stream_has_lived() -> None:
    short = HEALTHY_SECONDS - 1
    doubled = [FIRST_SECONDS * 2**number for number in range(7)]
    assert waits([short] * 9, draw=1.0) == [*doubled, LAST_SECONDS, LAST_SECONDS]
    assert waits([short] * 3, draw=0.5) == [each / 2 for each in doubled[:3]]
    assert waits([short] * 9, draw=0.0) == [0.0] * 9
    # One that the server ends early in good order was no healthy one either.
    assert waits([short, short, HEALTHY_SECONDS, short], draw=1.0) == [0.5, 1.0, 0.5, 1.0]


def test_what_a_server_asks_of_many_tills_is_spread() -> None:
    assert waits([0.0, 0.0], draw=0.0, asked=5) == [5.0, 5.0]
    assert waits([0.0, 0.0], draw=0.5, asked=5) == [7.75, 8.0]


async def test_an_old_stream_ends_and_the_till_goes_on_from_where_it_was(
    database: Engine, definitions: Definitions, keys_dir: Path
) -> None:
    async with followed(database, definitions, keys_dir) as (application, one):
        begun = len(one.frames)
        (session,) = application.sessions._open.values()  # noqa: SLF001 - nobody waits for half an hour
        session.ends_at = 0.0
        await one.until(lambda one: "welcome" in one.frames[begun:] and one.frames[-1] == "bookmark")
        assert one.goodbyes == [GOODBYE_REASON_MAX_AGE]
        assert "snapshot_begin" not in one.frames[begun:]
        assert one.errors == []
        await one.at(publish(definitions, percent_off("ten", 20)))
