"""Sending one event to one webhook: a signed CloudEvent over HTTP, to an address that was looked at."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import Sequence

import httpx

from server.events.addresses import Forbidden, resolved
from server.events.store import Due
from server.runtime.origin import TRACEPARENT

SECONDS = 10.0
"""How long an attempt may take in all."""

AGENT = "dealwright-webhooks/1"


def cloud_event(due: Due) -> bytes:
    """The event as CloudEvents 1.0 has it, in structured JSON."""
    value = {
        "specversion": "1.0",
        "id": str(due.event_id),
        "source": f"/dealwright/{due.company_id}",
        "type": due.type,
        "subject": due.subject,
        "time": due.time.isoformat(),
        "datacontenttype": "application/json",
        "data": due.data,
    }
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def signature(secret: bytes, event_id: str, timestamp: int, body: bytes) -> str:
    """What receivers compare: the form is that of Standard Webhooks, version 1."""
    signed = b".".join((event_id.encode(), str(timestamp).encode(), body))
    return "v1," + base64.b64encode(hmac.digest(secret, signed, "sha256")).decode()


def signatures(keys: Sequence[bytes], event_id: str, timestamp: int, body: bytes) -> str:
    """One signature for each secret of the webhook; a receiver takes any."""
    return " ".join(signature(key, event_id, timestamp, body) for key in keys)


def shown_secret(secret: bytes) -> str:
    """A secret as receivers are given it."""
    return "whsec_" + base64.b64encode(secret).decode()


async def send(client: httpx.AsyncClient, due: Due, keys: Sequence[bytes], *, inside: bool) -> str:
    """Tries a delivery, and says what was wrong; nothing when the receiver took it."""
    try:
        return await asyncio.wait_for(_send(client, due, keys, inside=inside), SECONDS)
    except TimeoutError:
        return f"no answer in {SECONDS:.0f} s"
    except Forbidden as error:
        return str(error)
    except httpx.HTTPError as error:
        return f"no connection: {type(error).__name__}"


async def _send(client: httpx.AsyncClient, due: Due, keys: Sequence[bytes], *, inside: bool) -> str:
    url = httpx.URL(due.url)
    port = url.port or (443 if url.scheme == "https" else 80)
    address = await asyncio.to_thread(resolved, url.host, port, inside=inside)
    body, now = cloud_event(due), int(time.time())
    headers = {
        "Host": url.netloc.decode("ascii"),
        "Content-Type": "application/cloudevents+json",
        "User-Agent": AGENT,
        "webhook-id": str(due.event_id),
        "webhook-timestamp": str(now),
        "webhook-signature": signatures(keys, str(due.event_id), now, body),
    }
    if due.traceparent is not None:
        headers[TRACEPARENT] = due.traceparent
    # The certificate is that of the name, wherever the name leads.
    request = client.build_request(
        "POST",
        url.copy_with(host=address),
        content=body,
        headers=headers,
        extensions={"sni_hostname": url.host},
    )
    response = await client.send(request, stream=True, follow_redirects=False)
    # What a receiver has to say beyond its status isn't read.
    await response.aclose()
    return "" if response.is_success else f"status {response.status_code}"


def client() -> httpx.AsyncClient:
    """What deliveries are sent with: no proxy and nothing else of the environment."""
    return httpx.AsyncClient(trust_env=False, timeout=SECONDS)
