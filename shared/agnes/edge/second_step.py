"""Send a browser on to the second step of signing in."""

from __future__ import annotations

from agnes import wiring
from agnes.accounts.pages import PENDING_COOKIE, code_path, pending_cookie
from agnes.accounts.pending import Pending, SecondFactorRequired
from agnes.edge.reply import Redirect, Reply
from agnes.edge.request import Request


def ask(asked: SecondFactorRequired, way_on: str) -> Reply:
    """To the page that asks for a code, with who owes it in a signed cookie."""
    settings = wiring.settings()
    sealed = asked.pending.seal(wiring.signing_keys())
    cookie = pending_cookie(sealed, secure=settings.secure_cookies, base_path=settings.base_path)
    return Redirect(settings.base_path + code_path(way_on), cookies=(cookie,))


def pending(request: Request) -> Pending | None:
    """Who owes a code in this browser; None if nobody does, or not any more."""
    return Pending.opened(request.cookies.get(PENDING_COOKIE, ""), wiring.signing_keys(), now=wiring.clock().now())


def ended(pending: Pending | None) -> tuple[str, ...]:
    """What makes the browser forget it."""
    settings = wiring.settings()
    return (pending_cookie("", secure=settings.secure_cookies, base_path=settings.base_path),) if pending else ()
