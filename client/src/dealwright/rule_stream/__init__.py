"""The till's side of the rule stream: what to do with each frame, without a network, a disk or a clock.

`Follower` is told what happened (a frame, a compiled ruleset, a written file, the time) and answers with
effects: what to send, compile, write and activate. Whoever drives it has the sockets and the files.
"""

from dealwright.rule_stream.admission import HighWater, Refused, open_bundle
from dealwright.rule_stream.effects import (
    Activate,
    Close,
    Compile,
    Compiled,
    Connect,
    Device,
    Effect,
    Kept,
    Now,
    Passed,
    Send,
    Trust,
    Uncompilable,
    Write,
)
from dealwright.rule_stream.follower import Follower
from dealwright.rule_stream.holding import Holding
from dealwright.rule_stream.scope import PROTOCOL, scope_id
from dealwright.rule_stream.trust import Keys

__all__ = [
    "PROTOCOL",
    "Activate",
    "Close",
    "Compile",
    "Compiled",
    "Connect",
    "Device",
    "Effect",
    "Follower",
    "HighWater",
    "Holding",
    "Kept",
    "Keys",
    "Now",
    "Passed",
    "Refused",
    "Send",
    "Trust",
    "Uncompilable",
    "Write",
    "open_bundle",
    "scope_id",
]
