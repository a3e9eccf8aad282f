"""The state machines of till and server, step by step, where a step once went wrong."""

from __future__ import annotations

import pytest
from dealwright.rule_stream import (
    Activate,
    Compile,
    Compiled,
    Device,
    Effect,
    Follower,
    Kept,
    Send,
    Write,
)
from dealwright.rule_stream import Now as TillNow
from dealwright.v1.bundle_pb2 import Control
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.rule_stream_service_pb2 import (
    NACK_REASON_EXPIRED,
    NACK_REASON_ROLLED_BACK,
    NACK_REASON_UNSUPPORTED,
    Ack,
    Frame,
    Hello,
    Nack,
    SyncResponse,
)
from dealwright.v1.ruleset_pb2 import Ruleset

from server.definitions.service import Front, Newest
from server.distribution.log import Log, Scope
from server.distribution.stream import Now, Stream
from tests.distribution.simulation.server import signer

NOON = 1_800_000_000.0
HERE = TillNow(0.0, NOON)
THERE = Now(0.0, NOON)
ALL = Scope.of(())


def newest(revision: int, *promotion_ids: str) -> Newest:
    """A revision that is in force everywhere."""
    promotions = [Promotion(id=promotion_id, rule_language=1) for promotion_id in promotion_ids]
    return Newest(Front(revision), Ruleset(company_id="kopi", revision=revision, promotions=promotions))


def log_of(revision: int, *promotion_ids: str) -> Log:
    log = Log(signer())
    log.begin_epoch(1)
    log.publish(log.prepare(newest(revision, *promotion_ids)))
    return log


def till(kept: Kept) -> Follower:
    return Follower(Device("till-1", (), "0.1.0", 1), signer().keys.root_key, kept)


def killed(sequence: int, *promotion_ids: str) -> Frame:
    control = Control(company_id="kopi", epoch=1, sequence=sequence, killed_ids=promotion_ids)
    return Frame(control=signer().sign(control))


def the(kind: type[Effect], effects: list[Effect]) -> Effect:
    (found,) = (effect for effect in effects if isinstance(effect, kind))
    return found


def compiled(follower: Follower, effects: list[Effect]) -> list[Effect]:
    """What follows when the engine takes what it was given."""
    asked = the(Compile, effects)
    assert isinstance(asked, Compile)
    return follower.compiled(asked.ticket, Compiled(), HERE)


def in_force(log: Log) -> Follower:
    """A till that started from a bundle and follows."""
    follower = till(Kept(bundle=log.bundle(ALL, NOON).SerializeToString()))
    the(Activate, compiled(follower, follower.start(HERE)))
    stream = Stream(log, ALL, Hello(), THERE)
    follower.connected(HERE)
    welcome = stream.next(THERE)
    assert welcome is not None
    follower.received(SyncResponse.FromString(welcome).frame, HERE)
    return follower


def test_a_bundle_is_taken_up_though_the_disk_lost_the_keys_and_the_control() -> None:
    log = log_of(1, "a", "b")
    log.kill(Control(company_id="kopi", epoch=1, sequence=1, killed_ids=["a"]))
    follower = till(Kept(bundle=log.bundle(ALL, NOON).SerializeToString()))
    effects = follower.start(HERE)
    assert follower.refused is None
    asked = the(Compile, effects)
    assert isinstance(asked, Compile)
    assert [each.id for each in Ruleset.FromString(asked.ruleset).promotions] == ["b"]


def test_a_kill_that_is_taken_back_before_it_lands_leaves_nothing_out() -> None:
    follower = in_force(log_of(1, "a", "b"))
    kill = follower.received(killed(1, "a"), HERE)
    follower.received(killed(2), HERE)
    assert not [effect for effect in compiled(follower, kill) if isinstance(effect, Activate)]
    assert follower.killed == frozenset()


def test_a_control_is_no_answer_to_a_snapshot_of_the_same_number() -> None:
    """A restored database has another revision 1 than the till, which acks a kill before it has that."""
    before, after = log_of(1, "a"), log_of(1, "b")
    after.kill(Control(company_id="kopi", epoch=1, sequence=1, killed_ids=["c"]))
    follower = in_force(before)
    hello = Hello(protocol=1, device_id="till-1")
    hello.cursor.epoch, hello.cursor.revision, hello.cursor.root = 1, 1, follower.root
    hello.manifest.CopyFrom(before.edition(ALL, NOON).manifest)
    stream = Stream(after, ALL, hello, THERE)
    frames = []
    while (data := stream.next(THERE)) is not None:
        frame = SyncResponse.FromString(data).frame
        frames.append(frame.WhichOneof("kind"))
        if frames[-1] == "snapshot_begin":
            # The till has the control by now, and says so, with what it has in force.
            stream.acked(Ack(epoch=1, revision=1, root=follower.root, control_sequence=1))
    assert frames[-1] == "snapshot_end"
    assert stream.waiting
    stream.acked(Ack(epoch=1, revision=1, root=after.edition(ALL, NOON).root, control_sequence=1))
    assert not stream.waiting


def test_what_the_disk_has_and_is_refused_is_no_answer_to_a_snapshot_of_the_same_number() -> None:
    """A till that began with a revision that its engine refuses tries it anew on each stream."""
    before, after = log_of(1, "a").edition(ALL, NOON), log_of(1, "b")
    stream = Stream(after, ALL, Hello(), THERE)
    while stream.next(THERE) is not None:
        pass
    stream.refused(Nack(epoch=1, revision=1, reason=NACK_REASON_UNSUPPORTED, root=before.root))
    assert stream.waiting
    root = after.edition(ALL, NOON).root
    stream.refused(Nack(epoch=1, revision=1, reason=NACK_REASON_UNSUPPORTED, root=root))
    assert not stream.waiting


def test_a_clock_that_was_set_back_with_the_database_locks_no_till_out() -> None:
    """Of two revisions of one number a till takes the one that was signed later; the server signs again."""
    earlier = Now(0.0, NOON - 60)
    follower = in_force(log_of(1, "a"))
    after = log_of(1, "b")
    hello = Hello(protocol=1, device_id="till-1")
    hello.cursor.epoch, hello.cursor.revision, hello.cursor.root = 1, 1, follower.root
    hello.manifest.CopyFrom(log_of(1, "a").edition(ALL, NOON).manifest)
    stream = Stream(after, ALL, hello, earlier)
    refusals, effects = 0, list[Effect]()
    while (data := stream.next(earlier)) is not None:
        effects = follower.received(SyncResponse.FromString(data).frame, HERE)
        for sent in (effect.request for effect in effects if isinstance(effect, Send)):
            if sent.HasField("ack"):
                stream.acked(sent.ack)
                continue
            assert sent.nack.reason == NACK_REASON_ROLLED_BACK
            refusals += 1
            stream.refused(sent.nack)
        if any(isinstance(effect, Compile) for effect in effects):
            break
    assert refusals == 1
    the(Write, compiled(follower, effects))


def test_a_refused_bookmark_does_not_stop_the_set_that_follows() -> None:
    log = log_of(1, "a")
    stream = Stream(log, ALL, Hello(), THERE)
    while stream.next(THERE) is not None:
        pass
    stream.acked(Ack(epoch=1, revision=1, root=log.edition(ALL, NOON).root))
    log.publish(log.prepare(newest(2, "a", "b")))
    assert stream.next(THERE) is not None
    assert stream.waiting
    stream.refused(Nack(epoch=1, revision=1, reason=NACK_REASON_EXPIRED))
    assert stream.waiting
    stream.refused(Nack(epoch=1, revision=2, reason=NACK_REASON_EXPIRED))
    assert not stream.waiting
    assert stream.next(Now(1.0, NOON)) is None


@pytest.mark.parametrize("lost", ["bundle", "high_water"])
def test_a_write_that_was_cut_off_leaves_a_till_that_starts(lost: str) -> None:
    log = log_of(1, "a")
    follower = till(Kept())
    follower.start(HERE)
    effects = follower.offered(log.bundle(ALL, NOON).SerializeToString(), HERE)
    written = [effect for effect in compiled(follower, effects) if isinstance(effect, Write)]
    files = {name: data for write in written for name, data in write.files if name != lost}
    again = till(Kept(**files))
    kinds = [type(effect) for effect in again.start(HERE)]
    assert (Compile in kinds) == (lost != "bundle")
    assert not [effect for effect in kinds if effect is Send]
