"""Conflicts: somebody changed what another was still looking at."""

from typing import Protocol

from sqlalchemy import Connection

from server.audit import service as audit
from server.audit.service import Entry
from server.definitions.differences import of_one
from server.runtime.errors import Stale


class Versioned(Protocol):
    """Something of which versions are kept."""

    @property
    def version(self) -> int:
        """The newest version."""

    @property
    def audit_number(self) -> int:
        """The audit entry of its last change, which people get as its etag."""


def require_fresh(
    connection: Connection, company_id: str, subject: str, key: str, head: Versioned, etag: int | None
) -> None:
    """Refuses an etag that isn't the newest, and says who changed what since. None asks for nothing."""
    if etag is None or etag == head.audit_number:
        return
    entries = audit.entries_about(connection, company_id, subject, key, after=etag)
    last = entries[-1] if entries else None
    raise Stale(
        "STALE",
        f"{key} has changed since it was read: "
        + ("; ".join(said(entry) for entry in entries) if entries else "the etag isn't one of it"),
        **{f"{subject}_id": key},
        etag=str(head.audit_number),
        actor=last.actor if last else "",
        action=last.action if last else "",
        version=str(head.version),
    )


def said(entry: Entry) -> str:
    """An entry in words: who did what, and what differs since."""
    version = f" as version {entry.version}" if entry.version and entry.action in _WRITING else ""
    words = f"{entry.actor}: {entry.action.replace('_', ' ')}{version}"
    changes = "; ".join(changed(entry))
    return f"{words} ({changes})" if changes else words


def changed(entry: Entry) -> list[str]:
    """What an entry changed, in words; nothing when it was made or only moved on."""
    before, after = entry.before, entry.after
    if entry.action not in _WRITING or before is None or after is None:
        return []
    difference = of_one(entry.subject, entry.subject_id, before, after)
    return [field.text for field in difference.fields] if difference else []


_WRITING = frozenset({"create", "update", "publish_directly"})
