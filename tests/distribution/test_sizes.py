"""Large rulesets on a stream: in pieces that any client reads, and one change is small all the same."""

from dealwright.rule_stream import Compile, Compiled, Kept, Send
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.rule_stream_service_pb2 import Hello, SyncResponse
from dealwright.v1.ruleset_pb2 import Ruleset

from server.definitions.service import Front, Newest
from server.distribution.frames import CHUNK_BYTES
from server.distribution.log import Log
from server.distribution.stream import Stream
from tests.distribution.simulation.server import signer
from tests.distribution.test_follower import ALL, HERE, THERE, the, till

PROMOTIONS = 500
TEXT_BYTES = 100_000
"""Together 50 MB."""

AROUND_BYTES = 1_000
"""What a frame has besides a piece: its own fields, and a signed manifest."""


def revision(number: int) -> Newest:
    promotions = [
        Promotion(id=f"p{each}", rule_language=1, code="x" * TEXT_BYTES) for each in range(PROMOTIONS)
    ]
    promotions[0].priority = number
    return Newest(Front(number), Ruleset(company_id="kopi", revision=number, promotions=promotions))


def test_fifty_megabytes_come_in_pieces_and_a_change_as_one() -> None:
    log = Log(signer())
    log.begin_epoch(1)
    log.publish(log.prepare(revision(1)))
    follower = till(Kept())
    follower.start(HERE)
    follower.connected(HERE)
    stream = Stream(log, ALL, Hello(), THERE)

    def receive() -> list[int]:
        """What comes until there is no more: the bytes of each frame. All of it is compiled and kept."""
        sizes = []
        while (data := stream.next(THERE)) is not None:
            sizes.append(len(data))
            effects = follower.received(SyncResponse.FromString(data).frame, HERE)
            if any(isinstance(effect, Compile) for effect in effects):
                asked = the(Compile, effects)
                assert isinstance(asked, Compile)
                follower.compiled(asked.ticket, Compiled(), HERE)
                answer = the(Send, follower.written(asked.ticket, True, HERE))
                assert isinstance(answer, Send)
                stream.acked(answer.request.ack)
        return sizes

    sizes = receive()
    assert sum(sizes) > PROMOTIONS * TEXT_BYTES
    assert max(sizes) <= CHUNK_BYTES + AROUND_BYTES
    assert (follower.revision, stream.current) == (1, True)
    log.publish(log.prepare(revision(2)))
    assert sum(receive()) < TEXT_BYTES + AROUND_BYTES
    assert (follower.revision, stream.current) == (2, True)
