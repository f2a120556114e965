"""Where a location's host leads: each address is judged, and only a judged one is dialled."""

from __future__ import annotations

from agnes.kernel.drops import DropRefused, DropUnreachable
from agnes.outside.egress import NoAddress, PrivateAddress, SocketAddress, judged_addresses


def addresses_of(host: str, port: int, *, allow: frozenset[str]) -> list[tuple[int, SocketAddress]]:
    """Raises DropRefused for a private address that AGNES_OUTBOUND_ALLOW does not allow, DropUnreachable for none."""
    try:
        return judged_addresses(host, port, allow_private="private" in allow)
    except PrivateAddress as exc:
        raise DropRefused(exc.message, code="private_address", hint=exc.hint) from exc
    except NoAddress as exc:
        raise DropUnreachable(exc.message, hint="Check the host's name.") from exc
