"""dealwright top: what running processes do right now, read from their metrics."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from admin.cli.output import ExitCode, JsonOption, emit, emit_json, say, visible
from admin.cli.process import plain_failures, read_settings

if TYPE_CHECKING:
    from admin.cli.scrape import Span

CLEARED = "\x1b[H\x1b[J"
"""What puts the next lines at the top of an empty terminal."""

NAME_WIDTH = 44


@dataclass(frozen=True, slots=True)
class CallLook:
    """What one gRPC method, or one route of HTTP, did."""

    name: str
    per_second: float
    not_ok_per_second: float
    p50_seconds: float | None
    p99_seconds: float | None
    engine_seconds: float | None
    """In the engine, for each call."""


@dataclass(frozen=True, slots=True)
class Look:
    """What processes did between two scrapes, and how they stand."""

    revision: int
    """The oldest that one of them answers with."""
    promotions: int
    answering_seconds: float
    """Since when the revision answers."""
    memory_bytes: float
    processors: float
    calls: list[CallLook]
    orders_per_second: dict[str, float]
    streams: int
    streams_behind: int
    stream_bytes_per_second: float
    remarks: list[str]
    """What somebody should see to."""


def top(
    at: Annotated[
        list[str] | None,
        typer.Option(
            "--at", metavar="URL", help="Metrics of a process. May be repeated. Default: this machine's."
        ),
    ] = None,
    every: Annotated[
        float, typer.Option(min=0.1, max=3600, metavar="SECONDS", help="Time between looks.")
    ] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Look once, and end.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what running processes do right now: calls and their times, revision, tills, what is wrong."""
    # Not at the top: the command's help doesn't wait for them.
    from admin.cli.scrape import Span, Unreadable, scrape

    with plain_failures():
        urls = at or [f"http://{read_settings().metrics_address}/metrics"]
        try:
            before = scrape(urls)
            while True:
                time.sleep(every)
                after = scrape(urls)
                look = looked(Span(before, after), time.time())
                if as_json:
                    emit_json(asdict(look), indent=None)
                else:
                    emit((CLEARED if sys.stdout.isatty() and not once else "") + "\n".join(lines(look)))
                if once:
                    return
                before = after
        except Unreadable as error:
            say(visible(str(error)))
            raise typer.Exit(ExitCode.FAILED) from error
        except KeyboardInterrupt:
            return


def looked(span: Span, now: float) -> Look:
    """What happened between two scrapes; `now` is a Unix time in seconds."""
    after = span.after
    activated = after.most("dealwright_ruleset_activation_timestamp_seconds")
    outcomes = {labels["outcome"] for labels, _ in after.values("dealwright_redemption_placements_total")}
    return Look(
        revision=round(after.least("dealwright_ruleset_revision")),
        promotions=round(after.most("dealwright_ruleset_promotions")),
        answering_seconds=max(now - activated, 0.0) if activated else 0.0,
        memory_bytes=after.total("process_resident_memory_bytes"),
        processors=span.rate("process_cpu_seconds_total"),
        calls=sorted(_calls(span), key=lambda call: (-call.per_second, call.name)),
        orders_per_second={
            outcome: span.rate("dealwright_redemption_placements_total", outcome=outcome)
            for outcome in sorted(outcomes)
        },
        streams=round(after.total("dealwright_streams")),
        streams_behind=round(after.total("dealwright_streams_behind")),
        stream_bytes_per_second=span.rate("dealwright_stream_bytes_total"),
        remarks=_remarks(span),
    )


def _calls(span: Span) -> list[CallLook]:
    found = []
    for labels, _ in span.after.values("grpc_server_started_total"):
        method = {"grpc_service": labels["grpc_service"], "grpc_method": labels["grpc_method"]}
        done, seconds = span.rate("grpc_server_handled_total", **method), "grpc_server_handling_seconds"
        counted = span.grown("dealwright_evaluation_seconds_count", method=labels["grpc_method"])
        in_engine = span.grown("dealwright_evaluation_seconds_sum", method=labels["grpc_method"])
        found.append(
            CallLook(
                name=f"{labels['grpc_service'].rpartition('.')[2]}/{labels['grpc_method']}",
                per_second=done,
                not_ok_per_second=done - span.rate("grpc_server_handled_total", **method, grpc_code="OK"),
                p50_seconds=span.quantile(0.5, seconds, **method),
                p99_seconds=span.quantile(0.99, seconds, **method),
                engine_seconds=in_engine / counted if counted else None,
            )
        )
    requests = "dealwright_http_request_seconds"
    for verb, route in sorted(
        {(of["verb"], of["route"]) for of, _ in span.after.values(f"{requests}_count")}
    ):
        answered = span.rate(f"{requests}_count", verb=verb, route=route)
        fine = span.rate(f"{requests}_count", verb=verb, route=route, status="2xx")
        found.append(
            CallLook(
                name=f"{verb} {route}",
                per_second=answered,
                not_ok_per_second=answered - fine,
                p50_seconds=span.quantile(0.5, requests, verb=verb, route=route),
                p99_seconds=span.quantile(0.99, requests, verb=verb, route=route),
                engine_seconds=None,
            )
        )
    return found


def _remarks(span: Span) -> list[str]:
    after = span.after
    revisions = {
        round(value) for _, values in after.values("dealwright_ruleset_revision") for value in values
    }
    known = {
        "limits of which nothing is left": after.total("dealwright_limits_left", left_percent="0"),
        "promotions that this engine can't use": after.most("dealwright_ruleset_unsupported_promotions"),
        "tills that can't use some promotion": after.total("dealwright_streams_unsupporting"),
        "failed refreshes of the ruleset": span.grown("dealwright_ruleset_refresh_failures_total"),
        "revisions that tills refused": span.grown("dealwright_stream_nacks_total"),
        "sales of tills that weren't found the same": after.most("dealwright_journal_drifts"),
        "rows that break an invariant": max(
            (max(values) for _, values in after.values("dealwright_invariant_violations")), default=0.0
        ),
        "failed jobs": span.grown("dealwright_job_runs_total", outcome="failed"),
    }
    missing = after.total("dealwright_serving_workers_expected") - after.total("dealwright_serving_workers")
    remarks = [f"{round(count)} {what}" for what, count in known.items() if count]
    if missing > 0:
        remarks.append(f"{round(missing)} serving workers are missing")
    if len(revisions) > 1:
        remarks.append(f"processes answer with revisions {min(revisions)} to {max(revisions)}")
    return remarks


def lines(look: Look) -> list[str]:
    """A look for a terminal."""
    ruleset = (
        f"revision {look.revision} with {look.promotions} promotions, for {_time(look.answering_seconds)}"
    )
    shown = [
        f"{ruleset}; {look.memory_bytes / 2**20:.0f} MiB, {look.processors:.2f} processors",
        "",
        f"{'':{NAME_WIDTH}} {'calls/s':>9} {'not ok/s':>9} {'p50':>9} {'p99':>9} {'engine':>9}",
    ]
    shown += [
        f"{visible(call.name):{NAME_WIDTH}} {call.per_second:9.1f} {call.not_ok_per_second:9.1f}"
        f" {_time(call.p50_seconds):>9} {_time(call.p99_seconds):>9} {_time(call.engine_seconds):>9}"
        for call in look.calls
    ]
    shown.append("")
    orders = ", ".join(f"{visible(outcome)} {rate:.1f}/s" for outcome, rate in look.orders_per_second.items())
    shown.append(f"orders: {orders or 'none'}")
    sent = f"{look.stream_bytes_per_second / 1024:.1f} KiB/s"
    shown.append(f"tills: {look.streams} streams, {look.streams_behind} behind, {sent}")
    shown += [f"! {remark}" for remark in look.remarks]
    return shown


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} us"
    if seconds < 1:
        return f"{seconds * 1e3:.1f} ms"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"
