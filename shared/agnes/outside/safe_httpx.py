"""For the Claude client, which speaks httpx2: connections to public addresses alone, judged when they are made."""

from __future__ import annotations

from collections.abc import Iterable

import httpcore2
import httpx2

from agnes.outside.egress.addresses import judged_addresses


class SafeBackend(httpcore2.SyncBackend):
    """Resolves a name once and connects to an address that was judged; the certificate is still asked for the name."""

    def __init__(self, *, allow_private: bool = False) -> None:
        self._allow_private = allow_private

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """The first address that answers. Raises PrivateAddress, NoAddress beside what httpcore2 raises."""
        *others, (_, last) = judged_addresses(host, port, allow_private=self._allow_private)
        for _, address in others:
            try:
                return super().connect_tcp(address[0], port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return super().connect_tcp(last[0], port, timeout, local_address, socket_options)


class SafeTransport(httpx2.HTTPTransport):
    """Neither proxies nor the environment's certificates: whoever sets an address in the browser sets neither."""

    def __init__(self, *, allow_private: bool = False) -> None:
        super().__init__(trust_env=False)
        # httpx2 has no parameter for the backend of its pool.
        self._pool = httpcore2.ConnectionPool(
            ssl_context=httpx2.create_ssl_context(trust_env=False),
            network_backend=SafeBackend(allow_private=allow_private),
        )
