"""Cross-site requests: refused for cookie-authenticated writes (docs/decisions/0002-csrf.md)."""

from __future__ import annotations

from urllib.parse import urlsplit

from agnes.edge.request import Request
from agnes.kernel.errors import DeniedError

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def require_same_origin(request: Request, *, public_host: str) -> None:
    """Raise DeniedError if a browser says that another site caused this write.

    Every current browser sends `Sec-Fetch-Site`, older ones `Origin` on a write. A client that
    sends neither is no browser, and holds no cookie that a page could abuse.
    """
    if request.method in SAFE_METHODS:
        return
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site in ("same-origin", "none"):
            return
    else:
        origin = request.headers.get("origin")
        if origin is None:
            return
        hosts = {request.headers.get("host", ""), public_host}
        if urlsplit(origin).netloc in hosts:
            return
    raise DeniedError(
        "this request was started by another site",
        code="cross_site_request",
        hint="Open the page itself and try again.",
    )
