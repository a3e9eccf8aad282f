"""Ending a rollout: the next revision, for all stores, holds what the cohort has, or what the others have."""

from dataclasses import replace

from sqlalchemy import Connection

from server.actors import Actor
from server.audit import service as audit
from server.audit.service import Event
from server.definitions.checks.gate import Consent
from server.definitions.contents import contents_at
from server.definitions.differences import between
from server.definitions.front import Front
from server.definitions.publishing import Revised, Revising, revise
from server.definitions.rollback import roll_back
from server.definitions.rollouts import PROMOTE, STOP, require_running


def promote(connection: Connection, actor: Actor, revision: int | None, comment: str) -> Revised:
    """Brings everywhere what the cohort has; the differences are those that the other stores see."""
    front = require_running(connection, actor.company_id, revision)
    candidate = contents_at(connection, actor.company_id, front.head)
    others = contents_at(connection, actor.company_id, front.general)
    _record(connection, actor, PROMOTE, front, comment)
    done = revise(connection, actor, candidate, Revising(PROMOTE, comment, Consent()))
    return replace(done, differences=tuple(between(others, candidate)))


def stop(connection: Connection, actor: Actor, revision: int | None, comment: str) -> Revised:
    """Takes back from the cohort what the others don't have; the differences are those that it sees."""
    front = require_running(connection, actor.company_id, revision)
    _record(connection, actor, STOP, front, comment)
    return roll_back(connection, actor, front.general, comment, Consent(), STOP)


def _record(connection: Connection, actor: Actor, action: str, front: Front, comment: str) -> None:
    event = Event(action, "rollout", str(front.head), revision=front.head + 1, comment=comment)
    audit.append(connection, actor, [event])
