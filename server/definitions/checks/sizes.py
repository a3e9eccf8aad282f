"""What stores would receive of a revision: too much, much more than before, or no promotion any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import dealwright_engine
from dealwright.v1.diagnostic_pb2 import Diagnostic, Severity
from dealwright.v1.guardrails_pb2 import Guardrails
from dealwright.v1.ruleset_pb2 import Ruleset

from server.definitions.places import Where

STORE_BYTES_MAX = 64 * 1024 * 1024
"""The most bytes that a store receives, unless the guardrails say otherwise."""

GROWTH_MAX_PPM = 1_000_000
"""By how much they may grow with one revision, unless the guardrails say otherwise."""

SMALL_BYTES = 64 * 1024
"""Up to so many bytes nothing counts as growth: a store's second promotion doubles what it receives."""

WHOLE_PPM = 1_000_000

TOLD_MAX = 5
"""How many stores a sentence names."""


@dataclass(frozen=True, slots=True)
class Size:
    """What a store receives of a revision."""

    bytes: int
    """Of its ruleset, but for a few that say which revision it is."""
    promotions: int


def sizes(ruleset: Ruleset, uncounted: Collection[str] = ()) -> dict[str, Size]:
    """What each store of a company receives by its folded id; where none is known, under an empty one.

    Some promotions may be left out of the count.
    """
    size, count = Counter[str](), Counter[str]()
    common = _bytes_in_common(ruleset)
    for promotion in ruleset.promotions:
        where, own = Where.of(promotion), _in_a_list(promotion.ByteSize())
        counted = promotion.id not in uncounted
        if where.others:
            common += own
            count[""] += counted
        # Those that are excluded have less than the others, those that are included have more.
        sign = -1 if where.others else 1
        for store_id in where.named:
            size[store_id] += sign * own
            count[store_id] += sign * counted
    known = {dealwright_engine.fold(store.id): _in_a_list(store.ByteSize()) for store in ruleset.stores}
    found = {
        store_id: Size(common + own + size[store_id], count[""] + count[store_id])
        for store_id, own in known.items()
    }
    return found or {"": Size(common, count[""])}


def said_of_sizes(
    rails: Guardrails, before: Ruleset, after: Ruleset, deleted_ids: Collection[str] = ()
) -> list[Diagnostic]:
    """What there is to say of what stores would receive, a warning for each of three things.

    A store that is new has nothing to be compared with. Promotions deleted by their name are meant to go.
    """
    had, has = sizes(before, deleted_ids), sizes(after)
    most = rails.store_bytes_max if rails.HasField("store_bytes_max") else STORE_BYTES_MAX
    growth = rails.store_growth_max_ppm if rails.HasField("store_growth_max_ppm") else GROWTH_MAX_PPM
    large = {key: f"{size.bytes} bytes" for key, size in has.items() if size.bytes > most}
    grown, emptied = {}, {}
    for key, size in has.items():
        earlier = had.get(key)
        if earlier is None or not earlier.promotions:
            continue
        if size.bytes > SMALL_BYTES and (size.bytes - earlier.bytes) * WHOLE_PPM > earlier.bytes * growth:
            grown[key] = f"{size.bytes} bytes after {earlier.bytes}"
        if not size.promotions:
            emptied[key] = f"no promotion any more after {earlier.promotions}"
    names = {"": "every store"} | {dealwright_engine.fold(each.id): each.id for each in after.stores}
    return [
        *_warning("store_too_large", "store_bytes_max", f"{most} bytes are allowed", names, large),
        *_warning("store_grown", "store_growth_max_ppm", f"{growth} ppm more are allowed", names, grown),
        *_warning("store_emptied", "", "", names, emptied),
    ]


def _warning(
    code: str, rail: str, allowed: str, names: Mapping[str, str], stores: Mapping[str, str]
) -> Iterator[Diagnostic]:
    """One finding about some stores, as far as there are any."""
    if not stores:
        return
    told = [f"{names[key]}: {sentence}" for key, sentence in sorted(stores.items())[:TOLD_MAX]]
    if len(stores) > TOLD_MAX:
        told.append(f"and {len(stores) - TOLD_MAX} more")
    yield Diagnostic(
        code=code,
        severity=Severity.SEVERITY_WARNING,
        field=f"guardrails.{rail}" if rail else "",
        message=f"Stores would receive: {'; '.join(told)}. {allowed}{'.' if allowed else ''}".strip(),
    )


def _bytes_in_common(ruleset: Ruleset) -> int:
    """What every store receives besides promotions and itself."""
    policy = _in_a_list(ruleset.policy.ByteSize()) if ruleset.HasField("policy") else 0
    lists = (ruleset.categories, ruleset.holiday_calendars)
    return policy + sum(_in_a_list(each.ByteSize()) for messages in lists for each in messages)


def _in_a_list(size: int) -> int:
    """The bytes of a message with its tag and its length before it."""
    return 1 + max(1, -(-size.bit_length() // 7)) + size
