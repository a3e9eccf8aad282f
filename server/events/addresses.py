"""Where webhooks may be: on the public internet, unless this installation says otherwise.

A URL that somebody may enter is a way into the network of this server. So a name is resolved here, each of
its addresses is looked at, and the connection goes to the address that was looked at, not to the name: what
it resolves to a moment later doesn't matter.
"""

import ipaddress
import socket

import httpx

from server.runtime.errors import Invalid

URL_CHARS_MAX = 2_000

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Forbidden(Exception):
    """An address that nothing is sent to."""


def checked_url(url: str, *, inside: bool) -> str:
    """A URL that webhooks may have, or a refusal."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise Invalid("URL_INVALID", "it is no URL", field="url") from error
    schemes = ("https", "http") if inside else ("https",)
    if parsed.scheme not in schemes or not parsed.host or len(url) > URL_CHARS_MAX:
        needed = "an https:// URL" if not inside else "an https:// or http:// URL"
        raise Invalid("URL_INVALID", f"a webhook has {needed} with a host", field="url")
    if parsed.userinfo or parsed.fragment:
        raise Invalid("URL_INVALID", "a webhook's URL has no user and no fragment", field="url")
    return str(parsed)


def resolved(host: str, port: int, *, inside: bool) -> str:
    """The address that a host is connected to; all that it has must be allowed."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Forbidden("the host isn't known") from error
    addresses = [str(entry[4][0]) for entry in found]
    if not inside and not all(map(is_public, addresses)):
        raise Forbidden("the host has an address that isn't public")
    return addresses[0]


def is_public(address: str) -> bool:
    """Whether an address is one of the public internet, also when it stands inside of an IPv6 address."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        if found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if found.teredo is not None:
            return False
    return found.is_global and not found.is_multicast
