"""Where a git URL leads: names are resolved once, every address is judged, and only a judged one is dialled."""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable

from agnes.kernel.git import GitRefused, GitUnreachable

Resolve = Callable[..., list[tuple]]
"""As socket.getaddrinfo."""
Dial = Callable[..., socket.socket]
"""As `dial` below."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address


def is_public(address: str) -> bool:
    """Whether an address is one of the open internet, whatever notation hides it."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            ip = inner
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def judged_addresses(
    host: str, port: int, *, allow_private: bool, resolve: Resolve = socket.getaddrinfo
) -> list[tuple[int, tuple]]:
    """(family, socket address) of a host, all public unless private ones are allowed.

    Raises GitRefused if any is not: a name with one private address is not half safe.
    """
    try:
        found = resolve(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise GitUnreachable(f"the host {host} has no address", hint="Check the URL.") from exc
    addresses = [(family, address) for family, _, _, _, address in found]
    if not allow_private:
        for _, address in addresses:
            if not is_public(address[0]):
                raise GitRefused(
                    f"the host {host} has the private address {address[0]}",
                    code="git_private_address",
                    hint="An operator may allow it: AGNES_GIT_ALLOW=private.",
                )
    return addresses


def dial(addresses: list[tuple[int, tuple]], *, seconds: float) -> socket.socket:
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
