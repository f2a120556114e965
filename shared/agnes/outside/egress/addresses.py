"""Where a host leads: names are resolved once, every address is judged, and only a judged one is dialled."""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

from agnes.outside.egress.errors import PRIVATE_HINT, NoAddress, PrivateAddress

SocketAddress = tuple[str, int] | tuple[str, int, int, int]
"""(host, port), of IPv6 with two more numbers."""
Resolve = Callable[..., Sequence[tuple[int, int, int, str, Any]]]
"""As socket.getaddrinfo."""
Dial = Callable[..., socket.socket]
"""As `dial` below."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",  # IETF protocol assignments, RFC 6890: two of its addresses count as global
        "192.88.99.0/24",  # the withdrawn relays of 6to4, RFC 7526
        "192.31.196.0/24",  # AS112, RFC 7535: answers for private addresses
        "192.175.48.0/24",  # AS112, RFC 7534
        "2620:4f:8000::/48",  # AS112, RFC 7534
        "2001:4:112::/48",  # AS112, RFC 7535
        "64:ff9b:1::/48",  # translation within one network, RFC 8215
        "fec0::/10",  # the withdrawn site-local addresses, RFC 3879: some systems still route them
        "3fff::/20",  # documentation, RFC 9637
        "5f00::/16",  # segment routing, RFC 9602
    )
)
"""What Python 3.11 calls global although it leads to no public server (IANA's special-purpose registries)."""


def is_public(address: str) -> bool:
    """Whether an address is one of the open internet, whatever notation hides it.

    An IPv4 address that is embedded (mapped, 6to4, NAT64) is judged itself: RFC 6052 section 3.1 forbids the well-known
    NAT64 prefix for addresses that are not global, and names resolve to it on networks without IPv4.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            ip = inner
    if any(ip in network for network in _NOT_PUBLIC):
        return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def judged_addresses(
    host: str, port: int, *, allow_private: bool, resolve: Resolve = socket.getaddrinfo
) -> list[tuple[int, SocketAddress]]:
    """(family, socket address) of a host, all public unless private ones are allowed.

    Raises NoAddress, and PrivateAddress if any is not: a name with one private address is not half safe.
    """
    try:
        found = resolve(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise NoAddress(f"the host {host} has no address", hint="Check the URL.") from exc
    addresses = [(family, address) for family, _, _, _, address in found]
    if not allow_private:
        for _, address in addresses:
            if not is_public(address[0]):
                raise PrivateAddress(f"the host {host} has the private address {address[0]}", hint=PRIVATE_HINT)
    return addresses


def dial(addresses: Sequence[tuple[int, SocketAddress]], *, seconds: float) -> socket.socket:
    """A connection to the first address that answers, within `seconds` for all. Raises OSError."""
    until = time.monotonic() + seconds
    error: OSError | None = None
    for family, address in addresses:
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.settimeout(max(0.1, until - time.monotonic()))
        try:
            sock.connect(address)
        except OSError as exc:
            sock.close()
            error = exc
        else:
            return sock
    raise error or OSError("no address")
