"""Where a location's host leads: each address is judged, and only a judged one is dialled."""

from __future__ import annotations

from agnes.kernel.drops import DropRefused, DropUnreachable
from agnes.kernel.git import GitRefused, GitUnreachable
from agnes.outside.git.addresses import SocketAddress, judged_addresses


def addresses_of(host: str, port: int, *, allow: frozenset[str]) -> list[tuple[int, SocketAddress]]:
    """Raises DropRefused for a private address that AGNES_COLLECT_ALLOW does not allow, DropUnreachable for none."""
    try:
        return judged_addresses(host, port, allow_private="private" in allow)
    except GitRefused as exc:
        raise DropRefused(
            exc.message, code="private_address", hint="An operator may allow it: AGNES_COLLECT_ALLOW=private."
        ) from exc
    except GitUnreachable as exc:
        raise DropUnreachable(exc.message, hint="Check the host's name.") from exc
