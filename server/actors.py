"""Who acts: a name with roles in one company, and where they came from."""

import getpass
import socket
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What somebody is in a company. A token has one or several; admin is all of them."""

    VIEWER = "viewer"
    AUTHOR = "author"
    APPROVER = "approver"
    PUBLISHER = "publisher"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    DEVICE = "device"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something. The company is theirs: no request names another."""

    name: str
    company_id: str
    roles: frozenset[Role]
    source: str
    """Where the call came from: an address, or the command on this machine."""
    token_id: str = ""
    """The token that they showed. Empty: none was needed, as on the machine that has the database."""
    store_ids: frozenset[str] = frozenset()
    """The only stores that they may act for. Empty: all of the company."""


def local_actor(company_id: str) -> Actor:
    """Whoever runs the command on the machine that has the database; no role could keep them from it."""
    return Actor(getpass.getuser(), company_id, frozenset({Role.ADMIN}), f"command on {socket.gethostname()}")
